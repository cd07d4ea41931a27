"""JSON Schemas for editors and tables for the manual, written from the declarations that read the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.engine.actions import ACTIONS, ActionType
from bot.engine.guards import FACTS, Fact
from bot.engine.language.arrows import ARROW_TABLE
from bot.engine.language.asks import KINDS, OUTCOMES, SOURCES
from bot.engine.language.flows import FLOW, TRIGGER
from bot.engine.language.phrasebook import PHRASES
from bot.engine.language.predicates import BARE, CLOSED, KEYED, SETTINGS, operators
from bot.engine.language.programmes import LIMITS, PROGRAMME
from bot.engine.language.records import Record
from bot.engine.language.schedules import SCHEDULE
from bot.engine.language.shapes import Definitions, Schema
from bot.engine.language.states import STATE_TABLE
from bot.engine.language.variables import FAMILIES, FAMILY_MEANINGS, VARIABLES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def flow_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a flow file."""
    return _document(FLOW, "A flow of Regulars")


def programme_schema() -> dict[str, Any]:
    """Return the JSON Schema of programme.yaml."""
    return _document(PROGRAMME, "The programme of Regulars")


def phrases_schema() -> dict[str, Any]:
    """Return the JSON Schema of phrases.yaml."""
    return _document(PHRASES, "The phrases of Regulars")


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "flow": flow_schema,
    "programme": programme_schema,
    "phrases": phrases_schema,
}


def _document(record: Record[Any], title: str) -> Schema:
    defs = Definitions()
    schema = record.write(defs)
    return {"$schema": DIALECT, "title": title, **schema, "$defs": dict(sorted(defs.schemas.items()))}


def catalogue_markdown() -> str:
    """Return the manual's tables: keys of flows, triggers, states and arrows, asks, facts, actions, variables."""
    parts = [
        _keys("A flow", FLOW),
        _keys("Triggers (`start`)", TRIGGER),
        _keys("Schedules (`schedule`)", SCHEDULE),
        _keys("States", STATE_TABLE),
        _keys("Arrows", ARROW_TABLE),
        _table("What can be asked (`ask`)", ("ask", "the reply", "outcomes for `on`"), _asks()),
        _table("Where choices come from", ("source", "what it lists"), ((_code(n), m) for n, m in SOURCES.items())),
        _table("Conditions (`if`)", ("fact", "how to ask", "meaning", "in segments and schedules"), _facts()),
        _table("Actions (`do`)", ("action", "example", "meaning", "arguments"), _actions()),
        _table("Variables in texts", ("variable", "meaning"), _variables()),
        _keys("programme.yaml", PROGRAMME),
        _keys("`limits` in programme.yaml", LIMITS),
        _keys("phrases.yaml", PHRASES),
    ]
    return "\n".join(parts)


def _keys(title: str, record: Record[Any]) -> str:
    rows = ((_code(f.key), "yes" if f.required else "", f.meaning) for f in record.fields)
    return _table(title, ("key", "needed", "meaning"), rows)


def _asks() -> Iterable[tuple[str, ...]]:
    return ((_code(kind), meaning, OUTCOMES[kind]) for kind, (_, meaning) in KINDS.items())


def _facts() -> Iterable[tuple[str, ...]]:
    for fact in FACTS.values():
        yield _code(fact.name), ", ".join(_forms(fact)), fact.meaning, "yes" if fact.in_segments else ""


def _forms(fact: Fact) -> list[str]:
    """Return every way to ask a fact, as it is written."""
    samples = {
        "is": _plain(fact),
        "one_of": "[a, b]",
        "at_least": "5",
        "at_most": "50",
        "before": "30 days ago",
        "after": "30 days ago",
    }
    forms = []
    for operator in operators(fact):
        plain = operator if operator in BARE else samples[operator]
        asked = plain if operator in BARE or operator == "is" else f"{{{operator}: {plain}}}"
        asked = f"{{NAME: {asked}}}" if fact.name in KEYED else asked
        forms.append(_code(f"{fact.name}: {asked}"))
    return forms


def _plain(fact: Fact) -> str:
    words = CLOSED.get(fact.name)
    if fact.name == "setting":
        words = tuple(word for values in SETTINGS.values() for word in values)
    if words is not None:
        return "|".join(words)
    return {"flag": "true", "number": "5"}.get(fact.type, "a")


def _actions() -> Iterable[tuple[str, ...]]:
    for action in ACTIONS.values():
        yield _code(action.name), _code(action.example), action.meaning, _arguments(action)


def _arguments(action: ActionType) -> str:
    words = [f"{_code(a.name)}{'' if a.required else ' (may be absent)'}: {a.meaning}" for a in action.arguments]
    return "; ".join(words) or "none: `true`"


def _variables() -> Iterable[tuple[str, ...]]:
    for name, meaning in VARIABLES.items():
        yield _code(name), meaning
    for family, members in FAMILIES.items():
        for member, meaning in members.items():
            yield _code(f"{family}.{member}"), meaning
    for name, meaning in FAMILY_MEANINGS.items():
        yield _code(name), meaning


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"## {title}", "", _row(heads), _row("---" for _ in heads), *(_row(row) for row in rows), ""]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`"

"""The JSON Schemas accept what the reader accepts and refuse what it refuses; the manual names everything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.engine.actions import ACTIONS
from bot.engine.guards import FACTS
from bot.engine.language.variables import VARIABLES
from bot.engine.schema import SCHEMAS, catalogue_markdown
from tests.engine.language.shop import GOOD, PHRASES, PROGRAMME
from tests.engine.language.test_reading import FLOW

TYPES: Mapping[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool}


def fits(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Say whether a value fits a schema: the part of JSON Schema 2020-12 that ours are written in."""
    if "$ref" in schema and not fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root):
        return False
    if "anyOf" in schema and not any(fits(value, option, root) for option in schema["anyOf"]):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if "not" in schema and fits(value, schema["not"], root):
        return False
    if "type" in schema and not any(is_type(value, name) for name in listed(schema["type"])):
        return False
    if isinstance(value, str):
        return fits_text(value, schema)
    if isinstance(value, dict):
        return fits_object(value, schema, root)
    if isinstance(value, list):
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**6) and all(
            fits(item, schema.get("items", {}), root) for item in value
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return True


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def is_type(value: Any, name: str) -> bool:
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def fits_text(value: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6):
        return False
    return re.search(schema.get("pattern", ""), value) is not None


def fits_object(value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if len(value) < schema.get("minProperties", 0) or any(key not in value for key in schema.get("required", ())):
        return False
    for key, part in value.items():
        if not fits(key, schema.get("propertyNames", {}), root):
            return False
        known = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        known += [s for pattern, s in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        if not known and "additionalProperties" in schema:
            if schema["additionalProperties"] is False:
                return False
            known = [schema["additionalProperties"]]
        if not all(fits(part, s, root) for s in known):
            return False
    return True


def accepts(kind: str, text: str) -> bool:
    schema = SCHEMAS[kind]()
    return fits(_as_json(YAML(typ="safe", pure=True).load(text)), schema, schema)


def _as_json(value: Any) -> Any:
    """Return what editors see: YAML 1.2 has no dates, 2026-12-25 is a string."""
    if isinstance(value, dict):
        return {key: _as_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_json(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize(
    ("kind", "text"),
    [*(("flow", text) for text in GOOD.values()), ("flow", FLOW), ("programme", PROGRAMME), ("phrases", PHRASES)],
)
def test_it_accepts_good_files(kind: str, text: str) -> None:
    assert accepts(kind, text)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("flow", "kind: service", "kind: servant"),
        ("flow", "final: true", "finale: true"),
        ("flow", "to: choosing", "too: choosing"),
        ("flow", "at_least: 100", "at_leest: 100"),
        ("flow", "consent: subscribed", "consent: subscribd"),
        ("flow", "{tag: tea}", "{tagg: tea}"),
        ("flow", "per: day", "per: week"),
        ("flow", "30 minutes:", "30 minits:"),
        ("flow", 'at: "10:00"', 'at: "25:00"'),
        ("flow", "vip: true", "consent: true"),
        ("flow", "choice: [", "choise: ["),
        ("programme", "opt_in", "opt_inn"),
        ("programme", "cost: 100", "cost: many"),
        ("phrases", "crash:", "crush:"),
    ],
)
def test_it_refuses_bad_files(kind: str, good: str, bad: str) -> None:
    text = {"flow": FLOW, "programme": PROGRAMME + "opt_in: double\n", "phrases": PHRASES}[kind]
    assert good in text
    assert not accepts(kind, text.replace(good, bad, 1))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_writes_schemas_whose_references_all_lead_somewhere(kind: str) -> None:
    schema = SCHEMAS[kind]()
    text = json.dumps(schema)
    assert set(re.findall(r"#/\$defs/(\w+)", text)) <= set(schema["$defs"])


def test_it_names_everything_in_the_manual() -> None:
    """Every action, fact and variable has its row, because the rows come from the declarations."""
    manual = catalogue_markdown()
    for name in (*ACTIONS, *FACTS, *VARIABLES):
        assert f"| `{name}` |" in manual


def test_it_writes_tables_with_as_many_cells_as_heads() -> None:
    rows = [line for line in catalogue_markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 4, 5}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: str(action.name))
def test_it_can_read_every_example_of_the_catalogue(action: Any) -> None:
    text = (
        "flow: f\ntitle: F\nkind: service\nstart: {called: true, to: a}\n"
        f"states: {{a: {{do: {{{action.example}}}, final: true}}}}\n"
    )
    assert accepts("flow", text)

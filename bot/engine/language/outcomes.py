"""Which outcomes an `ask` has, and whether `on` answers each of them."""

from __future__ import annotations

from collections.abc import Iterable

from bot.engine.definition import Ask
from bot.engine.language.nodes import Table
from bot.engine.language.reader import Reader

CHOSEN, NOTHING, GIVEN = "chosen", "none", "given"


def outcomes(ask: Ask, answered: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return (those that need an arrow, those that may have one).

    A fixed choice has its options' keys as outcomes, unless `on` has `chosen` for all of them. A choice from
    a source that can be empty needs `none` too.
    """
    match ask.kind:
        case "yes_no":
            return ["yes", "no"], []
        case "keyword":
            return list(ask.keywords), []
        case "choice" if ask.source is not None:
            return ([CHOSEN], [NOTHING]) if ask.source == "all_rewards" else ([CHOSEN, NOTHING], [])
        case "choice":
            keys = [option.key for option in ask.options]
            return ([CHOSEN], keys) if CHOSEN in answered else (keys, [CHOSEN])
        case _:
            return [GIVEN], []


def check_outcomes(ask: Ask, on: Table, reader: Reader) -> None:
    """Complain of outcomes without an arrow, and of arrows for what cannot happen."""
    upper = ask.kind == "keyword"
    answered = {(text.upper() if upper else text): entry.key.place for text, entry in on.entries.items()}
    needed, allowed = outcomes(ask, answered)
    missing = [outcome for outcome in needed if outcome not in answered]
    for outcome, place in answered.items():
        if outcome not in needed and outcome not in allowed:
            reader.unknown("outcome", outcome, missing or [*needed, *allowed], place)
    for outcome in missing:
        message = f"the reply may be '{outcome}', and `on` has no arrow for it"
        reader.error("missing-outcome", message, on.place, outcome)

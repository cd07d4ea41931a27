"""The profile: what belongs to it, and the history of its changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bot.engine.answering import HEARD
from bot.engine.conversation import Customer
from storage.ids import next_id
from storage.rows import Row

COLUMNS = frozenset({"name", "birthday", "email", "language", "zone", "frequency"})
_WATCHED = COLUMNS | {"tags", "attributes"}


def internal(attribute: str) -> bool:
    """Say whether an attribute is the bot's own note, such as how often it did not understand."""
    return attribute.startswith("_") or attribute == HEARD


def history(before: Customer, changed: Row, by: str, at: datetime) -> list[Row]:
    """Return the rows of the profile's history for columns about to be changed: none for what stays as it is.

    `by` is `customer`, `bot`, `import` or a staff id.
    """
    if _WATCHED.isdisjoint(changed):
        return []
    return [
        {
            "id": next_id(),
            "customer_id": before.id,
            "field": field,
            "before": old,
            "after": new,
            "by": by,
            "at": at,
        }
        for field, old, new in _fields(before, changed)
        if old != new
    ]


def _fields(before: Customer, changed: Row) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(COLUMNS & changed.keys()):
        yield name, getattr(before, name), changed[name]
    if "tags" in changed:
        yield "tags", sorted(before.tags), sorted(changed["tags"])
    if "attributes" in changed:
        old: Mapping[str, Any] = before.attributes
        for name in sorted(old.keys() | changed["attributes"].keys()):
            if not internal(name):
                yield f"attributes.{name}", old.get(name), changed["attributes"].get(name)

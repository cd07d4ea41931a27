"""`blackouts` of programme.yaml: days without marketing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from bot.engine.language.nodes import Node, Series, Table
from bot.engine.language.reader import Reader
from bot.engine.language.records import Field, Record
from bot.engine.language.shapes import Definitions, Schema, Shape, Words


@dataclass(frozen=True, slots=True)
class Day(Shape[date]):
    """A date such as 2026-12-25."""

    def read(self, node: Node, reader: Reader) -> date | None:
        text = Words("a date", 20).read(node, reader)
        try:
            return None if text is None else date.fromisoformat(text)
        except ValueError:
            reader.error("bad-date", f"'{text}' is no date; write it like 2026-12-25", node.place)
            return None

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


DAY_RANGE = Record(
    "blackout",
    (
        Field("from", Day(), "the first day", required=True),
        Field("to", Day(), "the last day", required=True),
    ),
    lambda values, reader: (values.get("from"), values.get("to")),
    "Days in a row, both included.",
)


@dataclass(frozen=True, slots=True)
class Blackouts(Shape[tuple[tuple[date, date], ...]]):
    """Days without marketing: dates, and `{from, to}`."""

    def read(self, node: Node, reader: Reader) -> tuple[tuple[date, date], ...] | None:
        found = []
        for item in node.items if isinstance(node, Series) else (node,):
            if isinstance(item, Table):
                first, last = DAY_RANGE.read(item, reader) or (None, None)
            else:
                first = last = Day().read(item, reader)
            if first is None or last is None:
                continue
            if last < first or (last - first).days >= 366:
                reader.error("out-of-range", "a blackout ends on or after its first day, within a year", item.place)
                continue
            found.append((first, last))
        return tuple(found)

    def schema(self, defs: Definitions) -> Schema:
        item = {"anyOf": [Day().schema(defs), DAY_RANGE.schema(defs)]}
        return {"anyOf": [*item["anyOf"], {"type": "array", "items": item}]}

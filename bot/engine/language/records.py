"""Tables with known keys: each key with its shape and what the manual says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.engine.definition import Place
from bot.engine.language.nodes import Node, Table
from bot.engine.language.reader import Reader
from bot.engine.language.shapes import Definitions, Schema, Shape, expected

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a record, with what the manual says of it."""

    key: str
    shape: Shape[Any]
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Values:
    """What a record's keys held; absent and mistaken ones are missing."""

    place: Place
    found: Mapping[str, Any]
    places: Mapping[str, Place]  #: of each key that stands there, also of mistaken ones
    values: Mapping[str, Place]  #: of what each key holds

    def get(self, key: str, default: Any = None) -> Any:
        return self.found.get(key, default)

    def at(self, key: str) -> Place:
        """Return where a key stands, else where the record begins."""
        return self.places.get(key, self.place)


@dataclass(frozen=True, slots=True)
class Record(Shape[T]):
    """A table with known keys. `build` makes the value, also when something required is missing."""

    name: str
    fields: tuple[Field, ...]
    build: Callable[[Values, Reader], T | None]
    meaning: str = ""
    titled: bool = field(default=True)  #: has its own entry in `$defs`

    def read(self, node: Node, reader: Reader) -> T | None:
        if not isinstance(node, Table):
            expected(f"the keys of {self.name} ({', '.join(f.key for f in self.fields)})", node, reader)
            return None
        return self.build(self.values(node, reader), reader)

    def values(self, node: Table, reader: Reader) -> Values:
        """Read every key; complain of unknown and missing ones."""
        known = {f.key: f for f in self.fields}
        found: dict[str, Any] = {}
        for text, entry in node.entries.items():
            if text not in known:
                reader.unknown("key", text, known, entry.key.place)
                continue
            value = known[text].shape.read(entry.value, reader)
            if value is not None:
                found[text] = value
        for f in self.fields:
            if f.required and f.key not in node.entries:
                reader.error("missing-key", f"{self.name} needs `{f.key}`: {f.meaning}", node.place)
        places = {text: entry.key.place for text, entry in node.entries.items()}
        return Values(node.place, found, places, {text: entry.value.place for text, entry in node.entries.items()})

    def schema(self, defs: Definitions) -> Schema:
        return defs.refer(self.name, lambda: self.write(defs)) if self.titled else self.write(defs)

    def write(self, defs: Definitions) -> Schema:
        """Return the schema of the table itself."""
        required = [f.key for f in self.fields if f.required]
        return {
            "type": "object",
            **({"description": self.meaning} if self.meaning else {}),
            "properties": {f.key: {**f.shape.schema(defs), "description": f.meaning} for f in self.fields},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

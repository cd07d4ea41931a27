"""What may stand where: one declaration reads a file, writes the JSON Schema and fills the manual.

A shape's `read` returns the value, or None after it has written a finding; it never raises.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from bot.engine.language.durations import CLOCK_PATTERN, DURATION_PATTERN, is_clock, parse_duration
from bot.engine.language.nodes import Broken, Node, Scalar, Series, Table
from bot.engine.language.reader import Reader

T = TypeVar("T")
Schema = dict[str, Any]

NAME = r"[a-z][a-z0-9_]{0,59}"


@dataclass(slots=True)
class Definitions:
    """The `$defs` of a schema while it is written."""

    schemas: dict[str, Schema] = field(default_factory=dict)

    def refer(self, name: str, write: Callable[[], Schema]) -> Schema:
        """Return a reference to a named definition, writing it the first time."""
        if name not in self.schemas:
            self.schemas[name] = {}  # stands there before `write`, which may refer to it again
            self.schemas[name].update(write())
        return {"$ref": f"#/$defs/{name}"}


class Shape(ABC, Generic[T]):
    """What may stand at one place of a file."""

    @abstractmethod
    def read(self, node: Node, reader: Reader) -> T | None:
        """Return the value, or None after complaining."""

    @abstractmethod
    def schema(self, defs: Definitions) -> Schema:
        """Return the same rule as JSON Schema."""


def describe(node: Node) -> str:
    """Say what stands there, for messages."""
    if isinstance(node, Table):
        return "a table"
    if isinstance(node, Series):
        return "a list"
    if isinstance(node, Scalar) and node.value is not None:
        return f"'{node.text if len(node.text) <= 40 else node.text[:37] + '...'}'"
    return "nothing"


def expected(what: str, node: Node, reader: Reader, suggestion: str | None = None) -> None:
    """Complain that something else stands here."""
    if not isinstance(node, Broken):
        reader.error("wrong-type", f"expected {what}, found {describe(node)}", node.place, suggestion)


def scalar_text(node: Node, what: str, reader: Reader) -> str | None:
    """Return a value as it is written; a number or true is a word too where a word is wanted."""
    if isinstance(node, Scalar) and node.value is not None and node.text.strip():
        return node.text.strip()
    expected(what, node, reader)
    return None


@dataclass(frozen=True, slots=True)
class Word(Shape[str]):
    """A word by a pattern, such as a state's name."""

    what: str = "a name (lower case, digits, _)"
    pattern: str = NAME

    def read(self, node: Node, reader: Reader) -> str | None:
        text = scalar_text(node, self.what, reader)
        if text is None:
            return None
        if re.fullmatch(self.pattern, text, re.ASCII) is None:
            tidy = re.sub(r"\W+", "_", text.strip().lower(), flags=re.ASCII).strip("_")
            fits = tidy != text and re.fullmatch(self.pattern, tidy, re.ASCII) is not None
            expected(self.what, node, reader, tidy if fits else None)
            return None
        return text

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "string", "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True)
class Words(Shape[str]):
    """Free words on one line, such as a title. A number counts as words."""

    what: str = "a text"
    maximum: int = 200
    upper: bool = False  #: keywords are compared in upper case

    def read(self, node: Node, reader: Reader) -> str | None:
        text = scalar_text(node, self.what, reader)
        if text is None:
            return None
        if len(text) > self.maximum:
            reader.error("too-long", f"{self.what} has at most {self.maximum} characters", node.place)
            return None
        text = " ".join(text.split())
        return text.upper() if self.upper else text

    def schema(self, defs: Definitions) -> Schema:
        return {"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": self.maximum}


_ADDRESS = r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]{1,5})?/[!-~]+"


@dataclass(frozen=True, slots=True)
class Address(Shape[str]):
    """Where a file lies on the web. Carriers fetch it themselves, so it is public and https."""

    what: str = "an address like https://shop.example/cake.jpg"
    maximum: int = 500

    def read(self, node: Node, reader: Reader) -> str | None:
        text = scalar_text(node, self.what, reader)
        if text is None:
            return None
        if len(text) > self.maximum or re.fullmatch(_ADDRESS, text) is None:
            near = "https://" + text.removeprefix("http://")
            expected(self.what, node, reader, near if text != near and re.fullmatch(_ADDRESS, near) else None)
            return None
        return text

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "string", "pattern": f"^{_ADDRESS}$", "maxLength": self.maximum}


@dataclass(frozen=True, slots=True)
class OneOf(Shape[str]):
    """One of a few words."""

    what: str
    words: tuple[str, ...]

    def read(self, node: Node, reader: Reader) -> str | None:
        text = scalar_text(node, f"one of {', '.join(self.words)}", reader)
        if text is not None and text not in self.words:
            reader.unknown(self.what, text, self.words, node.place)
            return None
        return text

    def schema(self, defs: Definitions) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Integer(Shape[int]):
    """A whole number within bounds."""

    minimum: int = 0
    maximum: int = 1_000_000_000

    def read(self, node: Node, reader: Reader) -> int | None:
        if not isinstance(node, Scalar) or not isinstance(node.value, int) or isinstance(node.value, bool):
            expected("a whole number", node, reader)
            return None
        if not self.minimum <= node.value <= self.maximum:
            reader.error("out-of-range", f"from {self.minimum} to {self.maximum}, not {node.value}", node.place)
            return None
        return node.value

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Flag(Shape[bool]):
    """`true`; where `false` means nothing it is refused."""

    only_true: bool = False

    def read(self, node: Node, reader: Reader) -> bool | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool) and (node.value or not self.only_true):
            return node.value
        guess = {"yes": "true", "on": "true", "no": "false", "off": "false"}
        near = guess.get(node.text.lower()) if isinstance(node, Scalar) else None
        suggestion = None if self.only_true and near == "false" else near
        expected("true" if self.only_true else "true or false", node, reader, suggestion)
        return None

    def schema(self, defs: Definitions) -> Schema:
        return {"const": True} if self.only_true else {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Duration(Shape[timedelta]):
    """`3 days`."""

    def read(self, node: Node, reader: Reader) -> timedelta | None:
        text = scalar_text(node, "a duration like 2h or 3 days", reader)
        try:
            return None if text is None else parse_duration(text)
        except ValueError as error:
            reader.error("bad-duration", f"'{text}' is not a duration; {error}"[:200], node.place)
            return None

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "string", "pattern": DURATION_PATTERN}


@dataclass(frozen=True, slots=True)
class Clock(Shape[str]):
    """`"10:00"`."""

    def read(self, node: Node, reader: Reader) -> str | None:
        what = 'a time of day like "10:00"'
        text = scalar_text(node, what, reader)
        if text is None or is_clock(text):
            return text
        padded = f"0{text}"
        expected(what, node, reader, padded if is_clock(padded) else None)
        return None

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "string", "pattern": CLOCK_PATTERN}


@dataclass(frozen=True, slots=True)
class ListOf(Shape[tuple[T, ...]]):
    """A list; one value alone counts as a list of one."""

    item: Shape[T]
    what: str = "a list"
    maximum: int = 500

    def read(self, node: Node, reader: Reader) -> tuple[T, ...] | None:
        items: Sequence[Node] = node.items if isinstance(node, Series) else (node,)
        if not items or len(items) > self.maximum:
            problem = "is empty" if not items else f"has more than {self.maximum} entries"
            reader.error("bad-list", f"{self.what} {problem}", node.place)
            return None
        values = [self.item.read(item, reader) for item in items]
        return tuple(value for value in values if value is not None)

    def schema(self, defs: Definitions) -> Schema:
        item = self.item.schema(defs)
        return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": self.maximum}]}


@dataclass(frozen=True, slots=True)
class TableOf(Shape[dict[str, T]]):
    """A table with free keys, all values of one shape."""

    key: Shape[str]
    value: Shape[T]
    what: str = "a table"

    def read(self, node: Node, reader: Reader) -> dict[str, T] | None:
        if not isinstance(node, Table) or not node.entries:
            expected(self.what, node, reader)
            return None
        values: dict[str, T] = {}
        for entry in node.entries.values():
            key = self.key.read(entry.key, reader)
            value = self.value.read(entry.value, reader)
            if key is not None and value is not None:
                if key in values:
                    reader.error("duplicate-key", f"'{key}' stands here twice", entry.key.place)
                values.setdefault(key, value)
        return values

    def schema(self, defs: Definitions) -> Schema:
        keys = self.key.schema(defs)
        names = {"propertyNames": keys} if keys.get("type") == "string" or "enum" in keys else {}
        return {"type": "object", **names, "additionalProperties": self.value.schema(defs), "minProperties": 1}

"""YAML text -> a small tree that knows where everything stands.

YAML 1.2 by ruamel.yaml's parser; the tree is built here from its events, so that every duplicate key,
anchor, alias and tag is found with its place, nothing is ever constructed, and depth and size are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from bot.engine.definition import Finding, Place

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 32
MAX_FINDINGS = 200  #: per file; more are no help

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `text` as it stands in the file, `value` by YAML 1.2 (`no` is a word, `10:00` too)."""

    place: Place  #: of the content: after an opening quote; a block text's first line
    text: str
    value: Plain
    lines: tuple[tuple[int, Place], ...] = ()  #: of a text over several lines: (offset in `text`, where it stands)

    @property
    def starts(self) -> tuple[tuple[int, Place], ...]:
        """Return where each of its lines begins, at least one."""
        return self.lines or ((0, self.place),)


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a table."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """`{key: value}`, keys in the file's order and without duplicates."""

    place: Place
    entries: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Series:
    """`[a, b]`."""

    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Something already complained about; nobody needs to say so twice."""

    place: Place


Node = Scalar | Table | Series | Broken


class _Stop(Exception):
    """Reading cannot go on."""


@dataclass(slots=True)
class _Open:
    """A table or series that is still being read."""

    kind: Literal["table", "series"]
    place: Place
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    skip: bool = False  #: the key is a duplicate or no scalar: its value is dropped

    def close(self) -> Node:
        return Table(self.place, self.entries) if self.kind == "table" else Series(self.place, tuple(self.items))


def read_nodes(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """Read one YAML document. None when it is too broken to go on; an empty file is a finding too."""
    builder = _Builder(text, file)
    if len(text) > MAX_CHARACTERS:
        builder.complain("too-large", f"the file is larger than {MAX_CHARACTERS // 1024} KB", Place(file, 1, 1))
        return None, builder.findings
    try:
        builder.build()
    except _Stop:
        return None, builder.findings
    except YAMLError as error:
        builder.findings.append(_syntax(error, text, file))
        return None, builder.findings
    except (ValueError, IndexError, AttributeError, TypeError, NotImplementedError, RecursionError):
        # The library's scanner has such ways to fail on input that is not YAML at all.
        builder.complain("yaml-syntax", "this is not YAML", Place(file, 1, 1))
        return None, builder.findings
    if builder.root is None:
        builder.complain("empty-file", "the file is empty", Place(file, 1, 1))
    return builder.root, builder.findings


class _Builder:
    """Builds the tree from the parser's events without recursion."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._stack: list[_Open] = []
        self._documents = 0
        self._lines: list[str] | None = None

    def build(self) -> None:
        events: Iterator[Any] = YAML(typ="safe", pure=True).parse(self.text)
        for event in events:
            if isinstance(event, ScalarEvent):
                self._check_extras(event)
                self._add(self._scalar(event))
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._check_extras(event)
                self._open(event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._add(self._stack.pop().close())
            elif isinstance(event, AliasEvent):
                self.complain("yaml-alias", "aliases (*name) are not allowed here; write it out", self._place(event))
                self._add(Broken(self._place(event)))
            elif isinstance(event, DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self.complain("yaml-documents", "one file holds one document; remove the ---", self._place(event))
                    raise _Stop

    def complain(self, code: str, message: str, place: Place) -> None:
        self.findings.append(Finding("error", code, message, place))
        if len(self.findings) >= MAX_FINDINGS:
            self.findings.append(Finding("error", "too-many", "and more; mend these first", place))
            raise _Stop

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _check_extras(self, event: Any) -> None:
        if event.anchor is not None:
            self.complain("yaml-anchor", "anchors (&name) are not allowed here; write it out", self._place(event))
        if event.tag is not None:
            self.complain("yaml-tag", "tags (!name) are not allowed here", self._place(event))

    def _open(self, event: Any) -> None:
        place = self._place(event)
        if len(self._stack) >= MAX_DEPTH:
            self.complain("too-deep", f"nested deeper than {MAX_DEPTH} levels", place)
            raise _Stop
        self._stack.append(_Open("table" if isinstance(event, MappingStartEvent) else "series", place))

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if top.kind == "series":
            top.items.append(node)
        elif top.key is None:
            self._take_key(top, node)
        else:
            if not top.skip:
                top.entries[top.key.text] = Entry(top.key, node)
            top.key, top.skip = None, False

    def _take_key(self, table: _Open, node: Node) -> None:
        if isinstance(node, Scalar):
            table.key = node
            if (first := table.entries.get(node.text)) is not None:
                table.skip = True
                message = f"'{_short(node.text)}' stands here twice; the first is on line {first.key.place.line}"
                self.complain("duplicate-key", message, node.place)
            return
        table.key, table.skip = Scalar(node.place, "", None), True
        if not isinstance(node, Broken):
            message = "a key must be a word; a text that begins with { or [ must be in quotes"
            self.complain("yaml-key", message, node.place)

    def _scalar(self, event: Any) -> Scalar:
        place, style, text = self._place(event), event.style, event.value
        first = event.start_mark.line
        if style in ("|", ">"):
            lines = self._line_starts(text, first + 1, event.end_mark.line)
            return Scalar(lines[0][1] if lines else place, text, text, lines)
        quoted = style in ("'", '"')
        if quoted:
            place = Place(self.file, place.line, place.column + 1)
        last = event.end_mark.line
        lines = self._line_starts(text, first, last, place.column - 1) if last > first else ()
        return Scalar(place, text, text if quoted else resolve(text), lines)

    def _line_starts(self, text: str, first: int, last: int, opening: int = 0) -> tuple[tuple[int, Place], ...]:
        """Find the file's lines `first` to `last` (from 0) again in what YAML made of them.

        `opening` is the column (from 0) where the words begin on the first line.
        """
        if self._lines is None:
            self._lines = self.text.split("\n")
        found: list[tuple[int, Place]] = []
        cursor = 0
        for number in range(first, min(last + 1, len(self._lines))):
            line = self._lines[number]
            content = line.strip()
            if number == first and opening:  # before the words stand the key and a quote
                content = content[opening - (len(line) - len(line.lstrip())) :]
            offset = text.find(content, cursor) if content else -1
            if offset >= 0:
                column = line.find(content, opening if number == first else 0) + 1
                found.append((offset, Place(self.file, number + 1, column)))
                cursor = offset + len(content)
        return tuple(found)


_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}\.[0-9]{0,18})", re.ASCII)
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> Plain:
    """Return what an unquoted word means in YAML 1.2: `5` -> 5, `true` -> True, `no` -> "no", `10:00` -> "10:00"."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


_HINTS: tuple[tuple[str, str, str], ...] = (
    ("mapping values are not allowed", "a colon inside a text, or wrong indentation", "put the text in quotes"),
    ("'\\t'", "a tab where YAML wants spaces", "use spaces"),
    ("could not find expected ':'", "a key without its colon, or a text that runs on unindented", "write `key: value`"),
    ("while scanning a quoted scalar", "a quote is opened and never closed", "close the quote"),
    ("expected ',' or '}'", "a { that is not closed, or a text that begins with {", "put texts with { } in quotes"),
    ("expected ',' or ']'", "a [ that is not closed, or a text that begins with [", "put texts with [ ] in quotes"),
    ("expected <block end>", "the indentation does not fit, or words follow a closing quote", "put the text in quotes"),
    ("cannot start any token", "a text may not begin with this character", "put the text in quotes"),
    ("found undefined alias", "aliases (*name) are not allowed here", "put the text in quotes"),
)


def _syntax(error: YAMLError, text: str, file: str) -> Finding:
    """Return the parser's complaint in a marketer's words, at its place."""
    if isinstance(error, ReaderError):
        before = text[: error.position] if isinstance(error.position, int) else ""
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Finding("error", "yaml-syntax", "a character that may not stand in a file", place)
    if not isinstance(error, MarkedYAMLError):
        return Finding("error", "yaml-syntax", "this is not YAML", Place(file, 1, 1))
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file, 1, 1)
    problem = " ".join(part for part in (error.context, error.problem) if part)
    for sign, meaning, advice in _HINTS:
        if sign in problem:
            return Finding("error", "yaml-syntax", f"{meaning} ({error.problem})", place, advice)
    return Finding("error", "yaml-syntax", f"this is not YAML: {_short(problem)}", place)

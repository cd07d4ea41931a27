"""Texts in ICU MessageFormat, parsed and checked once.

No code can stand in a template: a variable is a name, a name is looked up, the value is written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pyicumessageformat import Parser

from bot.engine.encoding import utf16_units
from bot.errors import RegularsError

TEXT_LIMIT = 1600  #: what a carrier takes in one message, counted in UTF-16 units
VALUE_LIMIT = 640  #: no single value is longer
PERSONAL_LIMIT = 100  #: nor what a customer says of themselves: every text repeats it, every part costs
OWN_WORDS = ("wording.", "shop.")

FieldKind = Literal["text", "number", "points", "money", "date", "time", "list"]
BranchKind = Literal["plural", "selectordinal", "select"]

FIELD_KINDS: Mapping[str, frozenset[str]] = {
    "number": frozenset(),
    "points": frozenset(),
    "money": frozenset(),
    "date": frozenset({"short", "medium", "weekday"}),
    "time": frozenset({"short"}),
    "list": frozenset(),
}
BRANCH_KINDS = frozenset({"plural", "selectordinal", "select"})

_name = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*", re.ASCII).fullmatch
_plural_selector = re.compile(r"=\d+|zero|one|two|few|many|other").fullmatch
_position = re.compile(r" at position (\d+)")
_no_other = re.compile(r"Expected (\w+) sub-message other.*")
_parser = Parser({"include_indices": True, "maximum_depth": 8})


class TemplateError(RegularsError):
    """A text is not right: the message says what, `position` where (characters from 0)."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class Field:
    """A place where a value is written: `{voucher.ends, date}`."""

    name: str
    kind: FieldKind = "text"
    style: str | None = None
    offset: int = 0  #: taken from the number first: `#` in a plural with an offset
    limit: int = VALUE_LIMIT
    whole: bool = False  #: the shop's own words, such as a consent wording: never cut, lines kept


@dataclass(frozen=True, slots=True)
class Branch:
    """A place where a value chooses among texts: `{points, plural, one {# point} other {# points}}`."""

    name: str
    kind: BranchKind
    options: Mapping[str, tuple[Part, ...]]
    offset: int = 0


Part = str | Field | Branch


@dataclass(frozen=True, slots=True)
class Use:
    """One mention of a variable, for checks that know which variables there are."""

    name: str
    kind: str  #: text, number, points, money, date, time, list, plural, selectordinal or select
    position: int


@dataclass(frozen=True, slots=True)
class Template:
    """A text in ICU MessageFormat, parsed once. Two templates with the same source are equal."""

    source: str
    parts: tuple[Any, ...] = field(compare=False)
    variables: frozenset[str] = field(compare=False)
    uses: tuple[Use, ...] = field(default=(), compare=False)


def compile_template(source: str) -> Template:
    """Parse and check a text.

    Raises TemplateError for broken syntax, an unknown type or style, an odd variable name, an option
    that a plural does not have, braces as plain text, or fixed words that alone are over 1600 characters.
    """
    tree = _parse(source)
    uses: list[Use] = []
    parts = _parts(tree, uses)
    _refuse_braces(parts, source)
    fixed = sum(utf16_units(part) for part in parts if isinstance(part, str))
    if fixed > TEXT_LIMIT:
        raise TemplateError(f"the text has {fixed} characters; a message may have {TEXT_LIMIT}", TEXT_LIMIT)
    return Template(source, parts, frozenset(use.name for use in uses), tuple(uses))


def _parse(source: str) -> list[Any]:
    try:
        tree: list[Any] = _parser.parse(source)
    except SyntaxError as error:
        message = str(error.msg or "the text ends too early")
        found = _position.search(message)
        position = int(found[1]) if found else len(source)
        message = _position.sub("", message, count=1).replace('but found "<EOF>"', "but the text ends")
        message = _no_other.sub(r"\1 needs an option `other`", message)
        raise TemplateError(message[0].lower() + message[1:], min(position, len(source))) from None
    return tree


def _refuse_braces(parts: tuple[Part, ...], source: str) -> None:
    """Find words in quotes that look like a variable: ICU writes `'{name}'` out as it stands, which nobody means."""
    for part in parts:
        if isinstance(part, str) and ("{" in part or "}" in part):
            quote = max(source.find("'{"), 0) or max(source.find("'}"), 0)
            raise TemplateError("an apostrophe right before a brace makes it plain text; write '' instead of '", quote)
        if isinstance(part, Branch):
            for option in part.options.values():
                _refuse_braces(option, source)


def _parts(tree: list[Any], uses: list[Use], offset: int = 0) -> tuple[Part, ...]:
    return tuple(token if isinstance(token, str) else _placeholder(token, uses, offset) for token in tree)


def _placeholder(token: Mapping[str, Any], uses: list[Use], offset: int) -> Field | Branch:
    name, position = token["name"], token["start"]
    if token.get("hash"):
        return Field(name, "number", offset=offset)
    if not _name(name):
        raise TemplateError(f"{name!r} is not a variable's name: letters, digits, _ and dots", position)
    kind = token.get("type")
    uses.append(Use(name, kind or "text", position))
    limit = PERSONAL_LIMIT if name.startswith("customer.") else VALUE_LIMIT
    if kind is None:
        return Field(name, limit=limit, whole=name.startswith(OWN_WORDS))
    if kind in BRANCH_KINDS:
        return _branch(token, uses)
    if kind not in FIELD_KINDS:
        known = ", ".join(sorted({*FIELD_KINDS, *BRANCH_KINDS}))
        raise TemplateError(f"unknown type {kind!r} of {{{name}}}; there are {known}", position)
    style = token.get("format")
    if style is not None and style not in FIELD_KINDS[kind]:
        known = ", ".join(sorted(FIELD_KINDS[kind])) or "none"
        raise TemplateError(f"unknown style {style!r} of {{{name}, {kind}}}; there are: {known}", position)
    return Field(name, kind, style, limit=limit)


def _branch(token: Mapping[str, Any], uses: list[Use]) -> Branch:
    name, kind, offset = token["name"], token["type"], token.get("offset", 0)
    options = {}
    for selector, tree in token["options"].items():
        if kind != "select" and not _plural_selector(selector):
            raise TemplateError(
                f"{selector!r} is not an option of {kind}; there are =0, =1 ..., zero, one, two, few, many, other",
                token["start"],
            )
        options[selector] = _parts(tree, uses, offset)
    return Branch(name, kind, options, offset)

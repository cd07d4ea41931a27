"""Looking into documents in SQL: the same questions for JSON text in SQLite and JSONB in PostgreSQL.

A document here is an object of plain values and lists of them, as `customers.attributes` is. Values are
what Python reads back: 5 and 5.0 are equal numbers, "5" is a word, and a list is asked item by item.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    REAL,
    Boolean,
    ColumnElement,
    Numeric,
    Text,
    and_,
    case,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from storage.columns import Words
from storage.conditions import ConditionElement

Condition = ColumnElement[bool]

_LARGEST = 2**63 - 1


class _Either(ConditionElement):
    """One condition in SQLite, another in PostgreSQL."""

    name = "either"
    inherit_cache = True


@compiles(_Either, "sqlite")
def _first(element: _Either, compiler: SQLCompiler, **options: Any) -> str:
    chosen, _ = element.clauses
    return f"({compiler.process(chosen, **options)})"


@compiles(_Either, "postgresql")
def _second(element: _Either, compiler: SQLCompiler, **options: Any) -> str:
    _, chosen = element.clauses
    return f"({compiler.process(chosen, **options)})"


class Wanted(NamedTuple):
    """What a value is compared with. A number may be asked to be written whole (5) or with a fraction (5.0)."""

    value: str | bool | Decimal
    written: Literal["either", "whole", "fraction"] = "either"


def has_word(document: ColumnElement[Any], word: str) -> Condition:
    """Return the condition that a list of words contains this one."""
    words = func.json_each(document).table_valued("value")
    contained = _exists(words, words.c.value == _words(word))
    return _Either(contained, func.jsonb_exists(document, cast(_words(word), Text())))


def is_known(document: ColumnElement[Any], key: str) -> Condition:
    """Return the condition that an object holds something under this key: not null, "" or []."""
    nothing = ("null", '""', "[]")
    in_sqlite = func.coalesce(document.op("->", return_type=Text())(_path(key)), "null").not_in(nothing)
    in_postgres = func.coalesce(cast(_member(document, key), Text()), "null").not_in(nothing)
    return _Either(in_sqlite, in_postgres)


def is_any(document: ColumnElement[Any], key: str, wanted: Sequence[Wanted]) -> Condition:
    """Return the condition that the value under a key, or an item of a list there, is one of those wanted."""
    if not wanted:
        return false()
    items = func.json_each(document, _path(key)).table_valued("type", "atom")
    in_sqlite = and_(
        func.json_type(document, _path(key)) != "object",
        _exists(items, or_(*(_sqlite_is(items.c.type, items.c.atom, one) for one in wanted))),
    )
    member = _member(document, key)
    listed = case((func.jsonb_typeof(member) == "array", member), else_=func.jsonb_build_array(member))
    values = func.jsonb_array_elements(listed).table_valued(column("value", JSONB()))
    in_postgres = _exists(values, or_(*(_postgres_is(values.c.value, one) for one in wanted)))
    return _Either(in_sqlite, in_postgres)


def is_on_side(
    document: ColumnElement[Any], key: str, side: Literal["at_least", "at_most"], limit: Decimal
) -> Condition:
    """Return the condition that the number under a key, or a word there that is a number, is not beyond a limit."""
    known = _sqlite_number(document, key), _postgres_number(document, key)
    limits = literal(_bound(limit)), cast(literal(str(limit), Text()), Numeric())
    if side == "at_least":
        return _Either(known[0] >= limits[0], known[1] >= limits[1])
    return _Either(known[0] <= limits[0], known[1] <= limits[1])


def _exists(rows: Any, condition: Condition) -> Condition:
    return select(literal_column("1")).select_from(rows).where(condition).exists()


def _words(text: str) -> ColumnElement[str]:
    return literal(text, Words())


def _path(key: str) -> ColumnElement[str]:
    """Return SQLite's path to a member. Raises ValueError for a name such a path cannot hold."""
    if '"' in key or "\\" in key or not key.isprintable():
        raise ValueError(f"not a name of a member: {key!r}")
    return literal(f'$."{key}"', Text())


def _member(document: ColumnElement[Any], key: str) -> ColumnElement[Any]:
    return document.op("->", return_type=JSONB())(literal(key, Text()))


def _bound(number: Decimal) -> int | float:
    """Return a number as SQLite takes it."""
    whole = int(number)
    return whole if whole == number and abs(whole) <= _LARGEST else float(number)


def _sqlite_is(kind: ColumnElement[str], atom: ColumnElement[Any], wanted: Wanted) -> Condition:
    value, written = wanted
    if isinstance(value, bool):
        return kind == ("true" if value else "false")
    if isinstance(value, str):
        return and_(kind == "text", atom == _words(value))
    kinds = {"either": ("integer", "real"), "whole": ("integer",), "fraction": ("real",)}[written]
    return and_(kind.in_(kinds), atom == literal(_bound(value)))


def _postgres_is(value: ColumnElement[Any], wanted: Wanted) -> Condition:
    wish, written = wanted
    if isinstance(wish, bool):
        return value == func.to_jsonb(literal(wish))
    if isinstance(wish, str):
        return value == func.to_jsonb(cast(_words(wish), Text()))
    equal = value == func.to_jsonb(cast(literal(str(wish), Text()), Numeric()))
    if written == "either":
        return equal
    fraction = cast(value, Text()).contains(".")
    return and_(equal, fraction if written == "fraction" else ~fraction)


def _sqlite_number(document: ColumnElement[Any], key: str) -> ColumnElement[Any]:
    """Return a number, or a word of at most 15 digits and 9 after the point as one."""
    kind, value = func.json_type(document, _path(key)), func.json_extract(document, _path(key))
    digits = case((func.substr(value, 1, 1) == "-", func.substr(value, 2)), else_=value)
    point = func.instr(digits, ".")
    glob = digits.op("GLOB", return_type=Boolean())
    is_decimal = and_(
        glob("[0-9]*"),
        ~glob("*[^0-9.]*"),
        ~glob("*.*.*"),
        or_(
            and_(point == 0, func.length(digits) <= 15),
            and_(point.between(2, 16), (func.length(digits) - point).between(1, 9)),
        ),
    )
    return case(
        (kind.in_(("integer", "real")), value),
        (kind == "text", case((is_decimal, cast(value, REAL())))),
    )


def _postgres_number(document: ColumnElement[Any], key: str) -> ColumnElement[Any]:
    """Return a number, or a word of at most 15 digits and 9 after the point as one."""
    kind = func.jsonb_typeof(_member(document, key))
    word = document.op("->>", return_type=Text())(literal(key, Text()))
    is_decimal = word.op("~", return_type=Boolean())(literal(r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$", Text()))
    return case(
        (kind == "number", cast(word, Numeric())),
        (kind == "string", case((is_decimal, cast(word, Numeric())))),
    )

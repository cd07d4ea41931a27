"""Export everything known of a customer: one JSON for programs, one page for people. Both are written row by row.

docs/privacy.md describes the JSON; a test asks that no table with a customer in it is missing from either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection, Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.export_words import SECTIONS, Section, spoken
from bot.engine.programme import Shop
from bot.phone import display
from storage import customers, erasures, holdings, merging
from storage.columns import to_json
from storage.database import reading, writing
from storage.holdings import Holding
from storage.rows import Row

FORMAT, VERSION = "regulars-customer-export", 1
_LOCALES = {"en": "en_US", "es": "es_US"}
_CHUNK = 16 * 1024  # characters that travel together


@dataclass(frozen=True, slots=True)
class Person:
    """Whose data it is: the customer, the numbers merged into it, and merged ones somebody else may use by now."""

    customer: Row
    merged: tuple[Row, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        return (self.customer, *self.merged)


def person_of(conn: Connection, customer_id: int) -> Person:
    """Return a customer with their former numbers. Raises NotPossible when there is nothing to export."""
    row = customers.by_id(conn, customer_id)
    if row is None:
        raise NotPossible("There is no such customer.")
    if erasures.is_shell(row):
        raise NotPossible("This customer was erased. The certificate says what is left.")
    former = customers.merged_into(conn, customer_id)
    busy = merging.in_use_again(conn, customer_id)
    return Person(
        row,
        tuple(each for each in former if each["id"] not in busy),
        tuple(each["phone"] for each in former if each["id"] in busy),
    )


def noted(engine: Engine, actor: Actor, customer_id: int, now: datetime, form: str) -> Person:
    """Write into the audit log that somebody takes a customer's data out; return whose. Raises NotPossible."""
    with writing(engine) as conn:
        person = person_of(conn, customer_id)
        note(conn, actor, "customer.exported", now, customer_id, form=form)
        return person


def as_json(engine: Engine, shop: Shop, customer_id: int, now: datetime) -> Iterator[str]:
    """Give the JSON of everything known of a customer, piece by piece. Raises NotPossible before the first."""
    with reading(engine) as conn:
        person = person_of(conn, customer_id)
        yield from _joined(_json_pieces(conn, shop, person, now))


def _json_pieces(conn: Connection, shop: Shop, person: Person, now: datetime) -> Iterator[str]:
    about = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": now.isoformat(),
        "shop": {"name": shop.name, "phone": shop.phone},
        "numbers": [row["phone"] for row in person.rows],
        "left_out": list(person.left_out),
    }
    yield _dumped(about)[:-1] + ',"data":{'
    for place, holding in enumerate(exported()):
        yield f"{',' if place else ''}\n{json.dumps(holding.table.name)}:["
        for number, row in enumerate(_rows(conn, holding, person)):
            yield f"{',' if number else ''}\n{_dumped(row)}"
        yield "]"
    yield "}}\n"


def exported() -> list[Holding]:
    """Return the tables an export takes: all but those made of the others, the customer first."""
    return [each for each in reversed(holdings.HOLDINGS) if not each.derived]


def _rows(conn: Connection, holding: Holding, person: Person) -> Iterator[Row]:
    return chain.from_iterable(holdings.rows(conn, holding, row["id"]) for row in person.rows)


def _dumped(row: Mapping[str, Any]) -> str:
    """Return a row as JSON: moments and dates in ISO form, ids as text, as JavaScript rounds numbers of that size."""
    return to_json({name: _plain(name, value) for name, value in row.items()})


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int) and (name == "id" or name.endswith("_id")):
        return str(value)
    return value


def as_page(engine: Engine, shop: Shop, customer_id: int, now: datetime) -> Iterator[str]:
    """Give one page that shows everything, to read or to print, in the customer's language or English.

    It needs no other file. Raises NotPossible before the first piece.
    """
    with reading(engine) as conn:
        person = person_of(conn, customer_id)
        language = person.customer["language"] if person.customer["language"] in _LOCALES else "en"
        reader = _Reader(language, ZoneInfo(person.customer["zone"] or shop.zone), shop.country)
        by_name = {holding.table.name: holding for holding in exported()}
        sections = (
            (section, _shown(section, _rows(conn, by_name[section.table], person), reader)) for section in SECTIONS
        )
        pieces = (
            _environment()
            .get_template("export.html")
            .generate(
                _=reader.words,
                language=language,
                shop=shop,
                person=person,
                made_at=reader.moment(now),
                phone=reader.phone,
                sections=((section, rows) for section, rows in sections if rows is not None),
            )
        )
        yield from _joined(pieces)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads the page: values in their language and by their clock."""

    language: str
    zone: ZoneInfo
    country: str

    def words(self, english: str) -> str:
        return spoken(english, self.language)

    def phone(self, number: str) -> str:
        return display(number, self.country)

    def moment(self, at: datetime) -> str:
        form = "MMM d, y, h:mm a" if self.language == "en" else "d MMM y, H:mm"
        told: str = format_datetime(at, form, tzinfo=self.zone, locale=_LOCALES[self.language])
        return told.replace("\u202f", " ")

    def value(self, name: str, value: Any) -> str:
        """Return one cell as people read it."""
        if value is None or value in ("", [], {}):
            return ""
        if isinstance(value, bool):
            return self.words("yes" if value else "no")
        if isinstance(value, datetime):
            return self.moment(value)
        if isinstance(value, date):
            return str(format_date(value, "MMMM d" if self.language == "en" else "d MMMM", self._locale))
        if isinstance(value, Mapping):
            return "; ".join(f"{key}: {self.value('', part)}" for key, part in value.items())
        if isinstance(value, (list, tuple)):
            return ", ".join(self.value("", part) for part in value)
        if name == "spent_minor":
            return f"{value / 100:,.2f}"
        return self.words(str(value)) if name in _SPOKEN else str(value)

    @property
    def _locale(self) -> str:
        return _LOCALES[self.language]


_SPOKEN = frozenset({"direction", "state", "status", "kind", "consent", "how", "frequency", "purpose"})


def _shown(section: Section, rows: Iterator[Row], reader: _Reader) -> Iterator[list[str]] | None:
    """Return the cells of a section's rows as they come; None when there is no row."""
    first = next(rows, None)
    if first is None:
        return None
    return ([reader.value(name, row[name]) for name, _ in section.columns] for row in chain([first], rows))


@cache
def _environment() -> Environment:
    folder = FileSystemLoader(Path(__file__).parent / "pages")
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _joined(pieces: Iterator[str]) -> Iterator[str]:
    """Give small pieces together, so that each one that travels is worth it."""
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)

"""Customers from a CSV file, in batches, so that a file of any length needs little memory."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import click
from sqlalchemy import Connection, Engine

from bot import suppression
from bot.apply import Context, Rows, apply_all
from bot.cli.consents import NoConsent, Refused, consent_of
from bot.engine.conversation import Customer
from bot.engine.effects import AddEntry
from bot.engine.programme import Programme
from bot.phone import parse
from bot.profile import history
from storage import customers, profile_changes
from storage.database import reading, writing
from storage.ids import next_id
from storage.rows import Row

COLUMNS = (
    "phone",
    "name",
    "language",
    "points",
    "birthday",
    "email",
    "consent",
    "consent_wording",
    "consent_at",
    "consent_basis",
    "consent_expires",
)
BATCH = 500
_MOST_POINTS = 1_000_000


@dataclass(slots=True)
class Report:
    """What became of the lines."""

    imported: int = 0
    known: int = 0
    refused: int = 0
    remarks: list[tuple[int, str]] = field(default_factory=list)  #: (line, what is wrong with it)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line that can be imported."""

    number: int
    customer: Row
    consent: Row | None
    points: int


class Importer:
    """Imports the lines of one file; `report` fills up on the way."""

    def __init__(
        self,
        engine: Engine,
        programme: Programme,
        now: datetime,
        *,
        secret_key: str,
        source: str = "",
        check: bool = False,
    ) -> None:
        """`source` names the file: consent records say which line of it they came from.

        `secret_key` opens the suppression list: numbers of people who were erased.
        """
        self._secret_key = secret_key
        self.report = Report()
        self._source = source
        self._engine = engine
        self._programme = programme
        self._now = now
        self._check = check

    def run(self, lines: Iterable[str]) -> Iterator[int]:
        """Import everything; yield after each batch how many lines were read.

        Raises a usage error for a header that cannot be understood; nothing is imported then.
        """
        reader = csv.DictReader(lines, strict=True)
        _check_header(reader.fieldnames or ())
        batch: dict[str, _Line] = {}
        read = 0
        try:
            for row in reader:
                read += 1
                self._read(reader.line_num, row, batch)
                if len(batch) >= BATCH:
                    self._write(batch)
                    yield read
        except (csv.Error, UnicodeDecodeError) as trouble:
            self._refuse(reader.line_num + 1, f"the file cannot be read from here on: {trouble}")
        self._write(batch)
        yield read

    def _read(self, number: int, row: Mapping[str | None, str | list[str] | None], batch: dict[str, _Line]) -> None:
        if None in row:
            return self._refuse(number, "more cells than the header has")
        cells = {str(name).strip().lower(): str(value or "").strip() for name, value in row.items()}
        try:
            line = self._line(number, cells)
        except Refused as trouble:
            return self._refuse(number, str(trouble))
        phone = line.customer["phone"]
        if phone in batch:
            return self._refuse(number, f"{phone} stands in the file twice")
        batch[phone] = line
        return None

    def _refuse(self, number: int, why: str) -> None:
        self.report.refused += 1
        self.report.remarks.append((number, why))

    def _line(self, number: int, cells: Mapping[str, str]) -> _Line:
        shop = self._programme.shop
        phone = parse(cells["phone"], shop.country)
        if phone is None:
            raise Refused(f"{cells['phone']!r} is no phone number")
        language = cells.get("language", "").lower() or shop.languages[0]
        if language not in shop.languages:
            raise Refused(f"the shop does not speak {language!r}; it speaks {', '.join(shop.languages)}")
        email = cells.get("email", "")
        if email and ("@" not in email or " " in email):
            raise Refused(f"{email!r} is no e-mail address")
        customer = {
            "id": next_id(),
            "phone": phone,
            "name": cells.get("name") or None,
            "language": language,
            "language_chosen": bool(cells.get("language")),
            "birthday": _birthday(cells.get("birthday", "")),
            "email": email or None,
            "created_at": self._now,
        }
        consent = self._consent(number, cells, customer)
        if consent is not None and consent["status"] == "subscribed":
            customer["joined_at"] = consent["at"]
        return _Line(number, customer, consent, _points(cells.get("points", "")))

    def _consent(self, number: int, cells: Mapping[str, str], customer: Row) -> Row | None:
        phone, language = customer["phone"], customer["language"]
        try:
            return consent_of(cells, phone, language, self._programme, self._where(number), self._now)
        except NoConsent as why:
            self.report.remarks.append((number, f"imported without consent: {why}"))
            return None

    def _where(self, number: int) -> str:
        return f"{self._source}, line {number}" if self._source else f"line {number}"

    def _write(self, batch: dict[str, _Line]) -> None:
        """Write a batch in one transaction; numbers somebody has already are left as they are."""
        if not batch:
            return
        if self._check:
            with reading(self._engine) as conn:
                self._leave_out_the_erased(conn, batch)
                known = {phone for phone in batch if customers.by_phone(conn, phone)}
            self.report.imported += len(batch) - len(known)
            self.report.known += len(known)
            batch.clear()
            return
        with writing(self._engine) as conn:
            self._leave_out_the_erased(conn, batch)
            phones = list(batch)
            customers.insert_missing(conn, [line.customer for line in batch.values()])
            ours = customers.lock_by_phone(conn, phones)
            rows = Rows()
            new = [line for phone, line in batch.items() if ours[phone]["id"] == line.customer["id"]]
            for line in new:
                identifier = line.customer["id"]
                if line.consent is not None:
                    rows.consents.append({"id": next_id(), "customer_id": identifier, **line.consent})
                if line.points:
                    person = Customer(identifier, line.customer["phone"])
                    context = Context(conn, rows, person, self._programme, self._now, sender="")
                    apply_all([self._entry(line)], context)
            rows.flush(conn, self._now)
            agreed = [line.customer["phone"] for line in new if line.consent and line.consent["status"] == "subscribed"]
            suppression.lift(conn, self._secret_key, agreed, "import", self._now)
            changed = (history(Customer(line.customer["id"], ""), _told(line), "import", self._now) for line in new)
            profile_changes.insert(conn, [row for each in changed for row in each])
        self.report.imported += len(new)
        self.report.known += len(batch) - len(new)
        batch.clear()

    def _leave_out_the_erased(self, conn: Connection, batch: dict[str, _Line]) -> None:
        """Refuse numbers of people who asked to be forgotten, unless the line has a consent given after that."""
        for phone, since in suppression.listed(conn, self._secret_key, batch).items():
            line = batch[phone]
            fresh = line.consent is not None and line.consent["status"] == "subscribed" and line.consent["at"] > since
            if not fresh and customers.by_phone(conn, phone) is None:
                del batch[phone]
                why = "comes in only with a consent given after that, with its wording and date"
                self._refuse(line.number, f"this customer was erased on {since.date().isoformat()} and {why}")

    def _entry(self, line: _Line) -> AddEntry:
        span = self._programme.points_expire_after
        expires_at = self._now + span if span is not None else None
        return AddEntry("adjust", line.points, f"import:{line.customer['phone']}", "import", expires_at=expires_at)


def _told(line: _Line) -> Row:
    """Return what the file says of somebody's profile."""
    named = ("name", "birthday", "email", *(("language",) if line.customer["language_chosen"] else ()))
    return {name: line.customer[name] for name in named}


def _check_header(names: Iterable[str]) -> None:
    given = [name.strip().lower() for name in names]
    if "phone" not in given:
        raise click.UsageError(f"The first line must name the columns, among them phone. Known: {', '.join(COLUMNS)}.")
    for name in given:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, 1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(COLUMNS)}."
            raise click.UsageError(f"There is no column {name!r}.{hint}")
    if len(set(given)) < len(given):
        raise click.UsageError("A column stands in the header twice.")


def _points(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST_POINTS):
        raise Refused(f"points must be a whole number from 0 to {_MOST_POINTS:,}, not {text!r}")
    return int(text)


def _birthday(text: str) -> date | None:
    """Read `1990-03-14` or `03-14`; the year is not kept, as nobody's age is our business."""
    if not text:
        return None
    try:
        return date.fromisoformat(f"2000-{text[-5:]}" if len(text) in (5, 10) else text).replace(year=2000)
    except ValueError:
        raise Refused(f"birthday must look like 1990-03-14 or 03-14, not {text!r}") from None

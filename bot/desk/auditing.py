"""The audit log, read: by person, action, customer and day; as a table for spreadsheets; and what it lets go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.desk.spreadsheet import lines
from bot.settings import Settings
from storage import audit, customers, staff
from storage.database import reading, writing
from storage.rows import Row

PAGE = 100
MOST = 100_000  #: entries in one download
NOBODY = "-"  #: the person of entries without an account, such as those of the command line
_BATCH = 1000
_ONE_DAY = timedelta(days=1)
COLUMNS = ("id", "at", "who", "staff_id", "action", "customer_id", "detail", "address")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; days are the shop's, both included."""

    person: str = ""  #: a staff id, part of a name or address, or NOBODY
    action: str = ""  #: `points.adjusted`, or the part before the dot
    customer_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


def find(
    conn: Connection, wanted: Wanted, zone: ZoneInfo, *, before: int | None = None, limit: int = PAGE
) -> list[Row]:
    """Return the entries that fit, the newest first, from behind the id `before` on."""
    return audit.find(
        conn,
        staff_ids=_people(conn, wanted.person),
        nobody=wanted.person == NOBODY,
        customer_id=wanted.customer_id,
        action=wanted.action.strip(),
        since=_begin(wanted.first_day, zone) if wanted.first_day else None,
        until=_begin(wanted.last_day + _ONE_DAY, zone) if wanted.last_day and wanted.last_day < date.max else None,
        before=before,
        limit=limit,
    )


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _people(conn: Connection, person: str) -> list[int] | None:
    """Return the accounts that a filter means, None for everybody."""
    if person in ("", NOBODY):
        return None
    part = person.strip().casefold()
    return [
        row["id"]
        for row in staff.everybody(conn)
        if str(row["id"]) == part or part in row["name"].casefold() or part in row["email"].casefold()
    ]


def numbers(conn: Connection, rows: Sequence[Row]) -> Mapping[int, str]:
    """Return the numbers of the customers that entries are about; an erased customer has none."""
    ids = sorted({row["customer_id"] for row in rows if row["customer_id"] is not None})
    return {key: row["phone"] for key, row in customers.by_ids(conn, ids).items() if row["phone"].startswith("+")}


def told(detail: Any) -> str:
    """Return an entry's details in one line: `points 50, reason goodwill`."""
    if not isinstance(detail, Mapping):
        return "" if detail is None else str(detail)
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in detail.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({told(value)})"
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def table(engine: Engine, wanted: Wanted, zone: ZoneInfo) -> Iterator[str]:
    """Give the entries that fit as lines of CSV, MOST at most; times are the shop's. Nothing in it is a formula."""
    yield from lines([COLUMNS])
    before, left = None, MOST
    while left > 0:
        with reading(engine) as conn:
            rows = find(conn, wanted, zone, before=before, limit=min(_BATCH, left))
        yield from lines(_cells(row, zone) for row in rows)
        if len(rows) < _BATCH:
            return
        before, left = rows[-1]["id"], left - len(rows)


def _cells(row: Row, zone: ZoneInfo) -> tuple[object, ...]:
    """Return an entry's cells; ids as words, as spreadsheets round numbers of that size."""
    at = row["at"].astimezone(zone).isoformat(timespec="seconds")
    staff_id, customer_id = (str(row[name]) if row[name] else None for name in ("staff_id", "customer_id"))
    words = (row["action"], customer_id, told(row["detail"]), row["address"])
    return (str(row["id"]), at, row["who"], staff_id, *words)


def forget(engine: Engine, settings: Settings, now: datetime) -> int:
    """Delete the entries that are older than AUDIT_KEEP_DAYS; return how many."""
    if not settings.audit_keep_days:
        return 0
    limit = now - timedelta(days=settings.audit_keep_days)
    with reading(engine) as conn:
        old = audit.find(conn, until=limit, limit=1)
        kept = audit.first_since(conn, limit)
    if not old:
        return 0
    with writing(engine) as conn:
        return audit.forget(conn, kept if kept is not None else old[0]["id"] + 1)

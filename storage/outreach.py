"""What went out to customers unasked, lately: for the caps, and so that nothing is said twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, or_, select, text

from storage.columns import Moment, partial_index
from storage.conditions import among
from storage.messages import messages
from storage.rows import Row, all_rows

partial_index(
    "ix_messages_service",
    messages.c.customer_id,
    messages.c.sent_at,
    where=messages.c.purpose == "service",
)

MONTH = timedelta(days=30)
_SERVICE = timedelta(days=2)
_IN_FLIGHT = messages.c.state.in_([literal_column("'sending'"), literal_column("'unknown'")])


def _unasked(purpose: str) -> Select[Any]:
    """A text in flight counts as sent now: nobody can call it back."""
    return select(
        messages.c.id,
        messages.c.customer_id,
        messages.c.purpose,
        messages.c.body,
        messages.c.retry_of,
        func.coalesce(messages.c.sent_at, bindparam("now", type_=Moment), type_=Moment).label("at"),
    ).where(
        among(messages.c.customer_id, "customer_ids"),
        messages.c.purpose == literal_column(f"'{purpose}'"),
        or_(
            messages.c.sent_at >= bindparam("since", type_=Moment),
            and_(messages.c.sent_at.is_(None), _IN_FLIGHT),
        ),
    )


_MARKETING = _unasked("marketing")
_SERVICES = _unasked("service")
_TRY = "SELECT id FROM unnest(CAST(:ids AS bigint[])) AS id WHERE pg_try_advisory_xact_lock(id)"


def history(
    connection: Connection, customer_ids: Sequence[int], now: datetime, without: Sequence[int] = ()
) -> dict[int, list[Row]]:
    """Return each customer's marketing texts of the last 30 days and unasked service texts of the last two.

    Each row has `id`, `customer_id`, `purpose`, `body` and `at`; texts in flight count as sent now. `without`
    names messages to leave out: those that are being decided about. A text that was sent a second time counts
    once, at that moment. Customers without any are left out.
    """
    if not customer_ids:
        return {}
    found: dict[int, list[Row]] = {}
    left_out = set(without)
    for query, span in ((_MARKETING, MONTH), (_SERVICES, _SERVICE)):
        parameters = {"customer_ids": customer_ids, "now": now, "since": now - span}
        for row in all_rows(connection.execute(query, parameters)):
            if row["id"] not in left_out:
                found.setdefault(row["customer_id"], []).append(row)
    return {customer_id: _once(rows) for customer_id, rows in found.items()}


def _once(rows: list[Row]) -> list[Row]:
    again = {row["retry_of"] for row in rows}
    return [row for row in rows if row["id"] not in again]


def alone_with(connection: Connection, customer_ids: Sequence[int]) -> set[int]:
    """Return the customers nobody else is deciding about; nobody else will until this transaction ends.

    Two workers that claim two texts for one customer at the same time would not see each other's, and both
    would stay under the cap: whoever comes second leaves the text for later. Never waits, so never deadlocks.
    SQLite has one writer anyway.
    """
    if connection.dialect.name == "sqlite" or not customer_ids:
        return set(customer_ids)
    return set(connection.execute(text(_TRY), {"ids": sorted(set(customer_ids))}).scalars())

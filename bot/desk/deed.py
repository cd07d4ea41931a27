"""One deed of the staff for one customer: the lock, the customer as the engine knows them, the rows to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.apply import Context, Rows
from bot.desk.actor import NotPossible
from bot.engine.programme import Programme
from bot.errors import Conflict
from bot.loading import load_customers
from storage import customers, erasures
from storage.database import writing
from storage.rows import Row

LONGEST_REASON = 300


def locked(conn: Connection, customer_id: int) -> Row:
    """Lock a customer and return the row. Raises NotPossible when there is none, or it is another's now."""
    row = customers.lock_by_id(conn, [customer_id]).get(customer_id)
    if row is None:
        raise NotPossible("There is no such customer any more.")
    if erasures.is_shell(row):
        raise NotPossible("This customer was erased. Nothing more can be done for them.")
    if row["merged_into"] is not None:
        raise NotPossible("This number now belongs to another customer. Do it there.")
    return row


@contextmanager
def deed(
    engine: Engine, programme: Programme, customer_id: int, staff_id: int | None, now: datetime
) -> Iterator[Context]:
    """Give the locked customer as a context for effects, in a transaction; write what they caused at its end.

    Raises NotPossible for a customer there is not, and when somebody else was faster meanwhile.
    """
    try:
        with writing(engine) as conn:
            row = locked(conn, customer_id)
            customer = load_customers(conn, {customer_id: row}, programme.shop.languages[0], now)[customer_id]
            context = Context(
                conn, Rows(), customer, programme, now, sender="", staff_id=staff_id, lots=list(customer.lots)
            )
            yield context
            context.rows.flush(conn, now)
    except Conflict:
        raise NotPossible(
            "Somebody else changed the same thing at the same moment. Nothing was changed; look again."
        ) from None


def reason_of(typed: str) -> str:
    """Return a reason as it is kept. Raises NotPossible when there is none, or it is too long."""
    reason = " ".join(typed.split())
    if not reason:
        raise NotPossible("Say why; the reason stays in the books.")
    if len(reason) > LONGEST_REASON:
        raise NotPossible("A reason has at most {most} characters.", most=LONGEST_REASON)
    return reason


def points_end(programme: Programme, now: datetime) -> datetime | None:
    """Return when points given now expire, None for never."""
    span: timedelta | None = programme.points_expire_after
    return None if span is None else now + span


def told(moment: datetime, programme: Programme, now: datetime) -> str:
    """Return a moment by the shop's clock: `10:42` today, else `2026-03-02 10:42`."""
    zone = ZoneInfo(programme.shop.zone)
    local = moment.astimezone(zone)
    return local.strftime("%H:%M" if local.date() == now.astimezone(zone).date() else "%Y-%m-%d %H:%M")

"""Sending budgets: how many segments each sender may still send now, shared by all workers.

One row is one token bucket. It is read, refilled and charged in the transaction that claims messages; the row's
lock makes the workers take turns, for a few milliseconds each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, Date, Float, Integer, Table, bindparam, select, update

from storage.columns import Document, Moment, Words, metadata
from storage.conditions import among
from storage.rows import Row, all_rows, blank, for_both, write_many

budgets = Table(
    "sending_budgets",
    metadata,
    Column("sender", Words, primary_key=True),
    Column("tokens", Float, nullable=False),  #: segments; below zero after a text longer than the bucket
    Column("refilled_at", Moment, nullable=False),
    Column("day", Date, nullable=False),
    Column("used", Integer, nullable=False, default=0),  #: segments sent on that day
    Column("paused_until", Moment),  #: the carrier asked all of us to slow down
    Column("served", Document),  #: of the brand (`*`): the lane of each priority that was served last
    Column("refusals", Integer, nullable=False, default=0, server_default="0"),  #: in a row, each after a pause
)

_LOCKED = select(budgets).where(among(budgets.c.sender, "senders")).order_by(budgets.c.sender).with_for_update()
_OPEN = for_both(lambda insert: insert(budgets).on_conflict_do_nothing())
_CHARGE = (
    update(budgets)
    .where(budgets.c.sender == bindparam("the_sender"))
    .values(
        tokens=bindparam("new_tokens"),
        refilled_at=bindparam("new_refilled_at", type_=Moment),
        day=bindparam("new_day", type_=Date),
        used=bindparam("new_used"),
        served=bindparam("new_served", type_=Document),
    )
)
_PAUSE = (
    update(budgets)
    .where(budgets.c.sender == bindparam("the_sender"))
    .values(refusals=bindparam("new_refusals"), paused_until=bindparam("until", type_=Moment))
)
_REFUSED = select(budgets.c.sender).where(budgets.c.refusals > 0)
_PAUSED = select(budgets.c.sender).where(budgets.c.paused_until > bindparam("now", type_=Moment))


def lock(connection: Connection, senders: Sequence[str], new: Row) -> dict[str, Row]:
    """Lock the budgets of these senders until the transaction ends; one not known yet begins as `new`."""
    found = {row["sender"]: row for row in all_rows(connection.execute(_LOCKED, {"senders": senders}))}
    missing = sorted(set(senders) - set(found))
    if not missing:
        return found
    write_many(
        connection, _OPEN[connection.dialect.name], [{**new, "sender": sender} for sender in missing], blank(budgets)
    )
    return {row["sender"]: row for row in all_rows(connection.execute(_LOCKED, {"senders": senders}))}


def charge(connection: Connection, rows: Sequence[Row]) -> None:
    """Write back what is left: `sender`, `tokens`, `refilled_at`, `day`, `used`, `served` of each."""
    names = ("tokens", "refilled_at", "day", "used", "served")
    parameters = [{"the_sender": row["sender"], **{f"new_{name}": row[name] for name in names}} for row in rows]
    write_many(connection, _CHARGE, parameters)


def pause(connection: Connection, rows: Sequence[Row]) -> None:
    """Let nobody claim for these senders (`*`: for any) before `until`: `sender`, `until`, `refusals` of each."""
    names = (("the_sender", "sender"), ("until", "until"), ("new_refusals", "refusals"))
    write_many(connection, _PAUSE, [{ours: row[name] for ours, name in names} for row in rows])


def refused(connection: Connection) -> set[str]:
    """Return the senders the carrier refused when it was asked last, paused now or not."""
    return set(connection.execute(_REFUSED).scalars())


def paused(connection: Connection, now: datetime) -> set[str]:
    """Return the senders (`*`: any) nobody may claim for yet."""
    return set(connection.execute(_PAUSED, {"now": now}).scalars())

"""What waits for a second person, and what became of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.desk.actor import Actor
from bot.desk.customer import Request, request_of
from bot.desk.points import DECIDERS
from storage import approvals, customers, staff
from storage.rows import Row

_OPEN, _DECIDED = 100, 30


@dataclass(frozen=True, slots=True)
class Asked:
    """One request with the customer it is about."""

    request: Request
    person: Row


@dataclass(frozen=True, slots=True)
class Desk:
    """What one of the staff sees: open requests, and those decided lately."""

    open: Sequence[Asked]
    decided: Sequence[Asked]


def read(conn: Connection, actor: Actor) -> Desk:
    """Return everybody's requests for who may decide, one's own for everybody else."""
    if actor.role in DECIDERS:
        waiting, done = approvals.open_ones(conn, _OPEN), approvals.decided(conn, _DECIDED)
    else:
        mine = approvals.asked_by(conn, actor.staff_id or 0, _OPEN)
        waiting = [row for row in reversed(mine) if row["decision"] is None]
        done = [row for row in mine if row["decision"] is not None][:_DECIDED]
    people = customers.by_ids(conn, [row["customer_id"] for row in (*waiting, *done)])
    names = staff.names(conn)
    opened, decided = (
        [Asked(request_of(row, names), people[row["customer_id"]]) for row in rows] for rows in (waiting, done)
    )
    return Desk(opened, decided)

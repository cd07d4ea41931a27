"""Who acts, and what is written into the audit log about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from bot.errors import RegularsError
from storage import audit
from storage.ids import next_id

Role = Literal["support", "marketer", "manager", "admin"]


class NotPossible(RegularsError):
    """That cannot be done. The message says why and what to do, in English; the console translates it.

    `values` fill the placeholders of the message: `NotPossible("{code} was used already.", code="K7M")`.
    """

    def __init__(self, message: str, **values: object) -> None:
        self.message = message
        self.values = values
        super().__init__(message.format(**values) if values else message)


@dataclass(frozen=True, slots=True)
class Actor:
    """A member of staff, or whoever sits at the command line (`staff_id` None)."""

    staff_id: int | None
    name: str
    role: Role
    address: str | None = None  #: the network address, for the audit log

    @property
    def label(self) -> str:
        """Return how rows name the actor: the staff id, else the name."""
        return str(self.staff_id) if self.staff_id is not None else self.name


def note(
    conn: Connection, actor: Actor, action: str, now: datetime, customer_id: int | None = None, **detail: object
) -> None:
    """Write into the audit log what somebody did or looked at, in the transaction that does it.

    `action` is a noun and a past participle, `points.adjusted`, `customer.viewed`. `detail` holds ids, counts and
    chosen values; never a customer's words, name or number.
    """
    audit.insert(
        conn,
        [
            {
                "id": next_id(),
                "at": now,
                "staff_id": actor.staff_id,
                "who": actor.name,
                "action": action,
                "customer_id": customer_id,
                "detail": detail,
                "address": actor.address,
            }
        ],
    )

"""Whose turn it is, what caused it, and what it has left so far of points and lots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from bot.apply.rows import Row, Rows
from bot.engine.conversation import Customer, Lot
from bot.engine.programme import Programme


@dataclass(slots=True)
class Context:
    """Whose turn it is, what caused it, and where its rows go."""

    conn: Connection
    rows: Rows
    customer: Customer
    programme: Programme
    now: datetime
    sender: str  #: the shop's own number or Messaging Service
    inbound_id: int | None = None  #: the text being answered
    handed_over_now: bool = False  #: replies go back in the answer to the webhook
    carrier_answers: bool = False  #: Twilio answers this keyword itself; our words are kept, not sent
    sendable: bool = True
    staff_id: int | None = None  #: who does it; None: the bot, or the command line
    given_for: str | None = None  #: why one of the staff gives a voucher
    lots: list[Lot] = field(default_factory=list)
    points: int = field(init=False)  #: the balance as this turn leaves it so far; negative: a debt
    replies: list[tuple[int, str, list[dict[str, str]] | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.points = self.customer.points

    def change(self) -> Row:
        """Return the pending changes of the customer's own row."""
        who = self.customer
        if who.id not in self.rows.changes:
            by = str(self.staff_id) if self.staff_id else "bot" if self.inbound_id is None else "customer"
            self.rows.before[who.id] = who, by
        return self.rows.changes.setdefault(who.id, {})

"""All that one transaction of turns will write, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bot.engine.conversation import Customer
from bot.errors import Conflict
from bot.profile import history
from storage import (
    consent,
    conversations,
    customers,
    facts,
    handoffs,
    loyalty,
    messages,
    profile_changes,
    stock,
    timers,
    vouchers,
)
from storage.together import together

Row = dict[str, Any]


@dataclass(slots=True)
class Rows:
    """All that one transaction of turns will write."""

    messages: list[Row] = field(default_factory=list)
    opened: list[Row] = field(default_factory=list)
    moved: list[Row] = field(default_factory=list)
    timers: list[Row] = field(default_factory=list)
    cancelled: list[tuple[int, str | None]] = field(default_factory=list)
    suppressed: dict[int, str] = field(default_factory=dict)
    entries: list[Row] = field(default_factory=list)
    lots: list[Row] = field(default_factory=list)
    lot_uses: list[tuple[int, int, int]] = field(default_factory=list)
    vouchers: list[Row] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    stock: list[tuple[str, int, int | None]] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    facts: list[Row] = field(default_factory=list)
    handoffs: list[Row] = field(default_factory=list)
    changes: dict[int, Row] = field(default_factory=dict)
    before: dict[int, tuple[Customer, str]] = field(default_factory=dict)  #: of those who change, and who changes them

    def flush(self, conn: Connection, now: datetime) -> None:
        """Write everything. Raises Conflict when stock, lots or a voucher changed under our feet."""
        for reward, count, limit in sorted(self.stock, key=lambda each: each[0]):  # in one order for everybody
            if not stock.take_stock(conn, reward, count, limit):
                raise Conflict(f"the last {reward} has just gone")
        for code, reason in self.revoked:
            if not vouchers.revoke(conn, code, reason):
                raise Conflict(f"voucher {code} has just been used")
        with together(conn):
            self._write(conn, now)

    def _write(self, conn: Connection, now: datetime) -> None:
        """Write what only ever fails as a whole; what is pending is cancelled before anything new is written."""
        messages.suppress_all(conn, self.suppressed)
        timers.cancel_many(conn, self.cancelled)
        for write, rows in (
            (conversations.insert, self.opened),
            (conversations.update, self.moved),
            (messages.insert, self.messages),
            (consent.insert, self.consents),
            (vouchers.insert, self.vouchers),
            (timers.insert, self.timers),
            (facts.insert, self.facts),
            (handoffs.insert, self.handoffs),
        ):
            if rows:
                write(conn, rows)
        self._flush_ledger(conn)
        if self.changes:
            customers.change(conn, list(self.changes.items()))
            changed = ((*self.before[each], values) for each, values in self.changes.items())
            profile_changes.insert(conn, [row for who, by, values in changed for row in history(who, values, by, now)])

    def _flush_ledger(self, conn: Connection) -> None:
        if self.entries:
            loyalty.insert_entries(conn, self.entries)
        if self.lots:
            loyalty.insert_lots(conn, self.lots)
        if self.lot_uses:
            loyalty.use_lots(conn, self.lot_uses)

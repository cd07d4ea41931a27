"""Plays a past through the real turns, inside one transaction, with a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from bot import gate
from bot.engine.events import Event, FactRecorded, MessageReceived, TimerFired
from bot.turn import Turns
from storage import customers, facts, outbox, statuses, timers, vouchers
from storage.ids import next_id
from storage.rows import Row

_BATCH = 200
_LEASE = timedelta(minutes=2)
_OF = 90  # of so many texts nobody asked for ...
_LOST = {31: "30003", 62: "30008", 77: "30007"}  # ... these do not arrive, for these reasons
_UNDERWAY = timedelta(seconds=2)  # a text of the past took this long to arrive


class Past:
    """What happens up to a moment happens in its own order: timers, facts, texts that were waiting."""

    def __init__(
        self, conn: Connection, turns: Turns, shop_number: str, begin: datetime, arrived: Callable[[Row], None]
    ) -> None:
        """`arrived` hears of every text that came to a customer by itself."""
        self.now = begin
        self._arrived = arrived
        self._conn = conn
        self._turns = turns
        self._shop_number = shop_number
        self._texts = 0
        self._unasked = 0

    def until(self, moment: datetime) -> None:
        """Let everything happen that is due until then."""
        while self.step(moment):
            pass
        self.now = max(self.now, moment)

    def step(self, moment: datetime) -> bool:
        """Let the next thing happen that is due until then; False when there is none."""
        due = (timers.next_due(self._conn), facts.next_due(self._conn), outbox.next_due(self._conn))
        first = min((each for each in due if each is not None), default=None)
        if first is None or first > moment:
            return False
        self.now = max(self.now, first)
        rows = timers.take_due(self._conn, self.now, _BATCH)
        self._take([_timer_fired(row, self.now) for row in rows])
        self._take([_fact_recorded(row) for row in facts.take_due(self._conn, self.now, _BATCH)])
        self._deliver()
        return True

    def text(self, sender: str, words: str, at: datetime) -> None:
        """A customer texts; the answer arrives."""
        self.until(at)
        self._texts += 1
        sid = f"SM{self._texts:032x}"
        [answer] = self._turns.take_in(
            self._conn, [MessageReceived(sid, sender, self._shop_number, words, self.now, country="US")], self.now
        )
        self._delivered([reply.message_id for reply in answer.replies])
        self._deliver()

    def buy(self, customer_id: int, amount_minor: int, key: str, at: datetime) -> None:
        """A customer pays at the till."""
        self.until(at)
        row = {"id": next_id(), "customer_id": customer_id, "name": "purchase_recorded", "key": key}
        facts.insert(self._conn, [{**row, "data": {"amount_minor": amount_minor}, "recorded_at": at}])
        self.until(at)

    def use_voucher(self, customer_id: int, at: datetime) -> None:
        """A customer shows the oldest code that is still good at the till."""
        self.until(at)
        for row in vouchers.of(self._conn, [customer_id]).get(customer_id, []):
            if row["status"] == "issued" and row["ends_at"] > self.now:
                vouchers.redeem(self._conn, row["code"], "till", self.now)
                return

    def set(self, customer_id: int, values: Mapping[str, Any]) -> None:
        """The staff wrote something down about a customer."""
        customers.change(self._conn, [(customer_id, values)])

    def _take(self, events: list[Event]) -> None:
        if events:
            self._turns.take_in(self._conn, events, self.now)

    def _deliver(self) -> None:
        """Send what is due and what the gate lets through, as the delivery does."""
        while claimed := outbox.claim(self._conn, self.now, _BATCH, _LEASE):
            ids = sorted({row["customer_id"] for row in claimed})
            people = customers.by_ids(self._conn, ids)
            sent = outbox.marketing_counts(self._conn, ids, self.now - gate.MONTH)
            for row in claimed:
                earlier = sent.setdefault(row["customer_id"], [])
                verdict = self._ask_gate(row, people[row["customer_id"]], earlier)
                if isinstance(verdict, gate.Wait):
                    outbox.put_back(self._conn, row["id"], verdict.until)
                elif isinstance(verdict, gate.Drop):
                    outbox.finish(self._conn, row["id"], "suppressed", verdict.reason)
                else:
                    earlier += [self.now] if row["purpose"] == "marketing" else []
                    self._unasked += 1
                    lost = _LOST.get(self._unasked % _OF)
                    self._delivered([row["id"]], lost)
                    if lost is None:
                        self._arrived(row)

    def _ask_gate(self, row: Row, person: Row, earlier: Sequence[datetime]) -> gate.Verdict:
        programme = self._turns.catalog.book.programme
        said = [{"purpose": "marketing", "body": "", "at": at} for at in earlier]
        recipient = gate.recipient_of(person, said)
        return gate.ask(row["purpose"], recipient, programme.limits, self.now, row["deadline"])

    def _delivered(self, sent: Sequence[int], lost: str | None = None) -> None:
        """Report what the carrier does: sent, then delivered, or not for the reason with the code `lost`."""
        end = {"status": "undelivered", "error_code": lost} if lost else {"status": "delivered"}
        reports: list[dict[str, Any]] = []
        for message_id in sent:
            report = {"message_id": message_id, "sid": f"SM{next_id():032x}"}
            reports.append({**report, "status": "sent", "at": self.now + _UNDERWAY / 2})
            reports.append({**report, **end, "at": self.now + _UNDERWAY})
        if reports:
            statuses.move_forward(self._conn, reports)


def _timer_fired(row: Mapping[str, Any], now: datetime) -> TimerFired:
    named = ("kind", "customer_id", "conversation_id", "turn_no", "step", "flow")
    return TimerFired(timer_id=row["id"], at=now, slots=row["slots"] or {}, **{name: row[name] for name in named})


def _fact_recorded(row: Mapping[str, Any]) -> FactRecorded:
    return FactRecorded(row["id"], row["name"], row["customer_id"], row["recorded_at"], row["data"] or {})

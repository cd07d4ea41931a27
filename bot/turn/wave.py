"""One group of turns on its way: what was read of its customers, and the rows it will write."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from bot import telemetry
from bot.apply import Context, Rows, apply_all, apply_conversations
from bot.catalog import Book
from bot.engine.conversation import Customer
from bot.engine.decision import Decision
from bot.engine.events import Event, FactRecorded, MessageReceived
from bot.reachable import may_get_texts_again
from bot.settings import Settings
from bot.turn.answer import Answer, Reply, Result
from bot.turn.inbound import carrier_answers, inbound_row
from bot.turn.loaded import Loaded
from bot.turn.understanding import Decide, Entropy, decide_broken, decide_event, fresh_entropy
from storage.ids import next_id


@dataclass(slots=True)
class Wave:
    """Events of different customers: read for all, decided for each, written for all."""

    conn: Connection
    book: Book
    settings: Settings
    loaded: Loaded
    now: datetime
    code: str  #: the day's
    decide: Decide = decide_event
    entropy: Entropy = fresh_entropy
    rows: Rows = field(default_factory=Rows)

    def take(self, event: Event, broken: str | None = None) -> Answer:
        """Decide one event, collect its rows and return what goes back at once.

        `broken` says why its turn could not be written before: a text is then kept for a replay.
        """
        if isinstance(event, MessageReceived):
            repeated = self.loaded.repeated.get(event.sid)
            if repeated is not None:
                return repeated
        customer = self.loaded.whose(event)
        if customer is None:
            return self._write_stranger(event)
        if broken is not None:
            decision = decide_broken(self.book, customer, event, broken, self.now)
        else:
            stock, entropy = self.loaded.stock, self.entropy()
            decision = self.decide(self.book, customer, event, stock, self.now, self.code, entropy)
        return self._write(customer, event, decision)

    def flush(self) -> None:
        """Write everything that was collected. Raises Conflict, see `Rows.flush`."""
        self.rows.flush(self.conn, self.now)

    def context(self, customer: Customer, text: MessageReceived | None, inbound_id: int | None) -> Context:
        """Return where the rows of one customer's turn go; `text` is what its replies answer at once."""
        return Context(
            conn=self.conn,
            rows=self.rows,
            customer=customer,
            programme=self.book.programme,
            now=self.now,
            sender=text.recipient if text else self.settings.sender or self.book.programme.shop.phone,
            inbound_id=inbound_id,
            handed_over_now=text is not None,
            sendable=self.loaded.sendable[customer.id],
            lots=list(customer.lots),
        )

    def _write(self, customer: Customer, event: Event, decision: Decision) -> Answer:
        """Collect the rows of one decision and say what goes back at once."""
        text = event if isinstance(event, MessageReceived) else None
        inbound_id = next_id() if text else None
        context = self.context(customer, text, inbound_id)
        context.carrier_answers = carrier_answers(self.settings.keywords, text, decision)
        if text is not None:
            hear(context)
        before = len(self.rows.messages)
        apply_conversations(decision.conversations, context)
        apply_all(decision.effects, context)
        if text is None:
            if isinstance(event, FactRecorded) and event.name == "purchase_recorded":
                _count_purchase(event, context)
            return Answer("handled")
        assert inbound_id is not None
        answered = len(self.rows.messages) > before
        self.rows.messages.append(inbound_row(text, inbound_id, customer, decision, self.now, answered))
        if decision.error:  # what it says may quote the text; it stands in the message's explanation
            telemetry.crashed(decision.error.partition(":")[0], customer=customer.id, message=inbound_id)
        result: Result = "crashed" if decision.error else "answered"
        return Answer(result, inbound_id, tuple(Reply.of(*reply) for reply in context.replies))

    def _write_stranger(self, event: Event) -> Answer:
        """Record what came from a sender who is no phone number of a person; there is nobody to answer."""
        if not isinstance(event, MessageReceived):
            return Answer("handled")
        inbound_id = next_id()
        self.rows.messages.append(inbound_row(event, inbound_id, None, None, self.now))
        return Answer("not_a_person", inbound_id)


def hear(context: Context) -> None:
    """A text came from the number, so it works: if it was marked as taking none, it is texted again."""
    if not context.sendable and may_get_texts_again(context.conn, context.customer.id):
        context.change()["sendable"] = context.sendable = True


def _count_purchase(event: FactRecorded, context: Context) -> None:
    change = context.change()
    customer = context.customer
    change["purchases"] = customer.purchases + 1
    change["spent_minor"] = customer.spent_minor + int(event.data.get("amount_minor", 0))
    change["last_purchase_at"] = max(event.at, customer.last_purchase_at or event.at)

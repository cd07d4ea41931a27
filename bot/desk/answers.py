"""What staff write to a customer: measured before, asked at the gate, sent once however often it is posted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bot import gate
from bot.desk.actor import Actor, NotPossible, note
from bot.desk.leases import hold, locked
from bot.desk.said import Said
from bot.engine.message import TEXT_LIMIT, Measure, fold, measure, utf16_units
from bot.engine.programme import Limits, Programme
from bot.turn import Turns
from storage import answers, leases, messages
from storage.database import after_commit, writing
from storage.ids import next_id
from storage.rows import Row

_KEY = re.compile(r"[A-Za-z0-9-]{8,64}").fullmatch
_LOOK_BACK = 50  # messages, for the number the customer wrote to last


class AskFirst(NotPossible):
    """It may be night where the customer is: an answer goes out only when whoever wrote it says so again."""

    def __init__(self, local: datetime) -> None:
        self.local = local  #: the moment on the customer's clock
        message = "It may be {time} where this customer is. Send it all the same?"
        super().__init__(message, time=f"{local:%H:%M}")


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as it would go out, and what it costs."""

    body: str
    cost: Measure
    units: int  #: UTF-16 units, of which a message has 1,600 at most

    @property
    def fits(self) -> bool:
        """Say whether it can be sent as one message."""
        return 0 < self.units <= TEXT_LIMIT


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer on its way; `again`: it was posted before."""

    message_id: int
    again: bool = False


def written(programme: Programme, text: str) -> Written:
    """Return an answer as it goes out: no spaces at the ends of lines, accents folded where the shop does that."""
    body = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))
    body = fold(body) if programme.accents == "fold" else body
    return Written(body, measure(body), utf16_units(body))


def answer(
    turns: Turns, actor: Actor, customer_id: int, text: str, key: str, now: datetime, *, confirmed: bool = False
) -> Sent:
    """Send a customer what one of the staff wrote; who answers holds the conversation.

    `key` is made by the browser for each answer: one key is one message. Raises NotPossible when the gate
    refuses, the text does not fit, or a colleague holds the conversation; AskFirst at night, unless `confirmed`.
    """
    if not _KEY(key):
        raise NotPossible("The page was not complete. Nothing was sent; load it again.")
    programme = turns.catalog.book.programme
    with writing(turns.engine) as conn:
        customer = locked(conn, customer_id)
        known = answers.by_key(conn, key)
        if known is not None:
            return _sent_before(conn, actor, customer_id, known)
        words = written(programme, text)
        _check_length(words)
        lease = leases.running(conn, customer_id)
        if lease is not None and lease["staff_id"] != actor.staff_id and lease["ends_at"] > now:
            raise NotPossible("A colleague is talking with this customer. Take over first.")
        _ask_gate(customer, programme.limits, now, confirmed)
        hold(conn, actor, customer_id, programme.limits.person_holds, now)
        message_id = next_id()
        if actor.staff_id is None or not answers.insert(conn, key, message_id, actor.staff_id, now):
            raise NotPossible("The page was not complete. Nothing was sent; load it again.")
        messages.insert(conn, [_row(conn, turns, actor, customer, words, message_id, now)])
        messages.mark_answered(conn, customer_id)
        note(conn, actor, "answer.sent", now, customer_id, message=message_id, segments=words.cost.segments)
        after_commit(conn, lambda: turns.broker.wake("outbox", str(customer_id)))
        return Sent(message_id)


def night_for(customer: Row, limits: Limits, now: datetime) -> datetime | None:
    """Return the customer's local time, to the minute, when it may be night there, None when it is day."""
    recipient = gate.recipient_of(customer)
    if gate.daytime(recipient, limits, now) <= now:
        return None
    minute = now.replace(second=0, microsecond=0)
    clocks = [minute.astimezone(ZoneInfo(zone)) for zone in recipient.zones]
    return min(clocks, key=lambda clock: _from_noon(clock, limits), default=None)


def why_not(customer: Row, limits: Limits, now: datetime) -> str | None:
    """Return in plain words why this customer can get no answer, None when one can be sent."""
    verdict = gate.ask("staff", gate.recipient_of(customer), limits, now)
    return _REFUSED[verdict.reason].message if isinstance(verdict, gate.Drop) else None


_REFUSED = {
    "opted_out": Said("This customer has opted out: nobody may text them until they text START. Call instead."),
    "bad_number": Said("The carrier says this number takes no texts. Call instead."),
}


def _from_noon(clock: datetime, limits: Limits) -> tuple[bool, timedelta]:
    """Order the zones a customer may be in: those where the shop's hours are not on come first."""
    opens = limits.sunday_opens if clock.isoweekday() == 7 else limits.opens
    return opens <= clock.time() < limits.closes, timedelta(hours=clock.hour, minutes=clock.minute)


def _ask_gate(customer: Row, limits: Limits, now: datetime, confirmed: bool) -> None:
    refused = why_not(customer, limits, now)
    if refused is not None:
        raise NotPossible(refused)
    local = night_for(customer, limits, now)
    if local is not None and not confirmed:
        raise AskFirst(local)


def _check_length(words: Written) -> None:
    if not words.body:
        raise NotPossible("There is nothing to send yet: write an answer first.")
    if not words.fits:
        raise NotPossible(
            "The answer has {count} characters; a message has {most} at most. Make it shorter or send two.",
            count=words.units,
            most=TEXT_LIMIT,
        )


def _sent_before(conn: Connection, actor: Actor, customer_id: int, known: Row) -> Sent:
    message = messages.by_id(conn, known["message_id"])
    if known["staff_id"] != actor.staff_id or message is None or message["customer_id"] != customer_id:
        raise NotPossible("The page was not complete. Nothing was sent; load it again.")
    return Sent(known["message_id"], again=True)


def _row(
    conn: Connection, turns: Turns, actor: Actor, customer: Row, words: Written, message_id: int, now: datetime
) -> Row:
    """Return the outbox row: from the number the customer wrote to last, answering that text."""
    history = messages.history(conn, customer["id"], _LOOK_BACK)
    last = next((row for row in history if row["direction"] == "in"), None)
    own = turns.settings.sender or turns.catalog.book.programme.shop.phone
    return {
        "id": message_id,
        "customer_id": customer["id"],
        "direction": "out",
        "sender": last["recipient"] if last is not None else own,
        "recipient": customer["phone"],
        "body": words.body,
        "state": "queued",
        "purpose": "staff",
        "staff_id": actor.staff_id,
        "in_reply_to": last["id"] if last is not None else None,
        "language": customer["language"],
        "segments": words.cost.segments,
        "encoding": words.cost.encoding,
        "created_at": now,
        "send_after": now,
        "deadline": now + turns.catalog.book.programme.limits.staff_relevant,
    }

"""Recording: what became of many attempts, in one transaction, with what the carrier's codes mean for whom."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot import telemetry
from bot.delivery.again import send_again
from bot.delivery.codes import WAITS, consequence_of
from bot.delivery.crew import Outcome
from bot.delivery.pausing import pause_for
from bot.delivery.sender import EVERYTHING, stop
from bot.engine.programme import Limits
from storage import consent, customers, messages, outbox, statuses, timers
from storage.database import writing
from storage.ids import next_id

MOST_ATTEMPTS = 6
_LIMITS = Limits()  # a programme's own, where nothing is known of it
LOOK_AFTER = timedelta(seconds=20)  # a carrier's list lags a little behind what it took
_FIRST_PAUSE = timedelta(seconds=5)
_OUTAGE = timedelta(days=1)  # a carrier that cannot be reached is not the message's fault


def pause(attempts: int) -> timedelta:
    """Return how long to wait after the n-th failed attempt: doubling, at most an hour, with jitter."""
    seconds = min(3_600.0, _FIRST_PAUSE.total_seconds() * 2 ** max(0, attempts - 1))
    return timedelta(seconds=seconds * random.uniform(0.5, 1.0))


@dataclass(frozen=True, slots=True)
class Told:
    """A code the carrier gave for one of our messages."""

    code: str
    message_id: int
    customer_id: int | None
    sender: str = ""
    reason: str = ""


def record(engine: Engine, outcomes: Sequence[Outcome], now: datetime, limits: Limits = _LIMITS) -> None:
    """Write what became of these attempts. When one of them cannot be written, the others still are.

    What could not be written keeps its lease; when that is over it is looked up like any unknown outcome.
    """
    if not outcomes:
        return
    try:
        with writing(engine) as conn:
            _record(conn, outcomes, now, limits)
    except DBAPIError as trouble:
        if len(outcomes) == 1:
            telemetry.broke("outcome not recorded", trouble, message=outcomes[0].row["id"])
            return
        for outcome in outcomes:
            record(engine, [outcome], now, limits)
        return
    for outcome in outcomes:
        telemetry.sent(outcome.result, message=outcome.row["id"], code=outcome.code)


def _record(conn: Connection, outcomes: Sequence[Outcome], now: datetime, limits: Limits) -> None:
    told = [
        Told(str(o.code), o.row["id"], o.row["customer_id"], o.row["sender"], o.reason or "")
        for o in outcomes
        if consequence_of(o.code)
    ]
    taken = [outcome for outcome in outcomes if outcome.result == "sent"]
    by_sid = {outcome.sid: outcome.row for outcome in taken if outcome.sid}
    known = [(by_sid[sid], code) for sid, code in statuses.early_codes(conn, list(by_sid))]
    lock_for(conn, [*told, *(Told(code, row["id"], row["customer_id"]) for row, code in known)])
    pauses = pause_for(conn, outcomes, now)
    moved = outbox.sent(conn, [{"id": o.row["id"], "sid": o.sid, "at": now} for o in taken])
    for outcome in outcomes:
        if outcome.result != "sent":
            _put_aside(conn, outcome, now, pauses)
    early = [Told(m.error_code, m.message_id, m.customer_id) for m in moved if m.error_code and m.state != "delivered"]
    lock_for(conn, early)  # most are locked by now: others were reported in this very moment
    take_consequences(conn, [*told, *early], now, limits)


def _put_aside(conn: Connection, outcome: Outcome, now: datetime, pauses: Mapping[str, datetime]) -> None:
    row, attempts = outcome.row, outcome.row["attempts"]
    if outcome.result == "late":
        outbox.put_back(conn, row["id"], row["send_after"], counted=False, attempt=attempts)
    elif outcome.result == "unknown":
        outbox.finish(conn, row["id"], "unknown", outcome.reason, outcome.code, now + LOOK_AFTER, attempt=attempts)
    elif consequence_of(outcome.code) in WAITS:
        # The message is not to blame: it waits, however often, as long as it matters at all.
        later = max(now + pause(attempts), *(pauses.get(name, now) for name in (EVERYTHING, row["sender"])))
        outbox.put_back(conn, row["id"], later, counted=False, attempt=attempts)
    elif outcome.result == "refused":
        outbox.finish(conn, row["id"], "failed", outcome.reason, outcome.code, attempt=attempts)
    elif attempts >= MOST_ATTEMPTS and (outcome.result != "unreachable" or now - row["created_at"] > _OUTAGE):
        outbox.finish(conn, row["id"], "dead", outcome.reason, outcome.code, attempt=attempts)
    else:
        outbox.put_back(conn, row["id"], now + pause(attempts), attempt=attempts)


def lock_for(conn: Connection, told: Sequence[Told]) -> None:
    """Lock the customers a code has consequences for, before any of their messages, as a turn does."""
    concerned = {each.customer_id for each in told if consequence_of(each.code) in ("opted_out", "bad_number")}
    concerned |= {each.customer_id for each in told if consequence_of(each.code) == "unreachable"}
    if ids := sorted(each for each in concerned if each is not None):
        customers.lock_by_id(conn, ids)


def take_consequences(conn: Connection, told: Sequence[Told], now: datetime, limits: Limits = _LIMITS) -> None:
    """Do what each code asks for; the customers are locked."""
    for each in told:
        kind = consequence_of(each.code)
        if kind == "opted_out" and each.customer_id is not None:
            record_carrier_opt_out(conn, each.customer_id, each.message_id, now)
        elif kind == "bad_number" and each.customer_id is not None:
            _mark_bad(conn, each.customer_id, each.code, now)
        elif kind == "unreachable" and each.customer_id is not None:
            most, known = limits.unreachable_after, customers.by_id(conn, each.customer_id)
            since = known["failures_since"] if known else None
            if statuses.failures_in_a_row(conn, each.customer_id, most, since) >= most:
                _mark_bad(conn, each.customer_id, each.code, now)
        elif kind == "stop":
            stop(conn, EVERYTHING, each.code, each.reason, now)
        elif kind == "stop_sender":
            row = messages.by_id(conn, each.message_id)
            stop(conn, row["sender"] if row else each.sender, each.code, each.reason, now)
        elif kind in ("filtered", "configuration", "our_bug"):
            telemetry.alarm(kind, code=each.code, message=each.message_id)
    send_again(conn, {each.message_id: each.code for each in told}, now)


def _mark_bad(conn: Connection, customer_id: int, code: str, now: datetime) -> None:
    """This number takes no texts: it gets none, not even what is pending."""
    customers.change(conn, [(customer_id, {"sendable": False})])
    messages.suppress_pending(conn, [customer_id], "bad_number", now)
    telemetry.number_marked(code)


def record_carrier_opt_out(conn: Connection, customer_id: int, message_id: int, now: datetime) -> None:
    """The carrier blocks this customer (error 21610): what it knows becomes our record, and nothing else goes out.

    Source: https://www.twilio.com/docs/api/errors/21610. The customer is locked. One who is known to have left
    gets no second record.
    """
    customer = customers.by_id(conn, customer_id)
    if customer is None or customer["consent"] == "unsubscribed":
        return
    consent.insert(
        conn,
        [
            {
                "id": next_id(),
                "customer_id": customer_id,
                "status": "unsubscribed",
                "how": "carrier",
                "reason": "carrier error 21610",
                "message_id": message_id,
                "at": now,
            }
        ],
    )
    messages.suppress_pending(conn, [customer_id], "opted_out", now)
    timers.cancel(conn, customer_id)

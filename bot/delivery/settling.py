"""Settling: a send whose outcome is not known is looked up at the carrier, then marked sent or sent again.

Unknown is what a broken connection, a dead worker or a reply whose callback never came leaves behind. Twilio
has no idempotency key for messages, so its own list is the only judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from bot import telemetry
from bot.carrier.port import Carrier, Found, Traceable
from bot.delivery.claiming import LEASE
from bot.delivery.recording import MOST_ATTEMPTS, Told, lock_for, take_consequences
from bot.engine.programme import Limits
from bot.errors import CarrierError
from storage import outbox, statuses, unsettled
from storage.database import writing
from storage.rows import Row

AT_ONCE = 20
SAFE = timedelta(minutes=5)  # what the carrier does not list by then, it never took
LOOK_AGAIN = timedelta(minutes=1)
SKEW = timedelta(seconds=90)  # between our clock and the carrier's
_LIMITS = Limits()  # a programme's own, where nothing is known of it


def settle(engine: Engine, carrier: Carrier, now: datetime, limits: Limits = _LIMITS) -> int:
    """Look up what is overdue and settle it; return how many messages were looked up."""
    traceable = isinstance(carrier, Traceable)
    with writing(engine) as conn:
        unsettled.stale(conn, now, now if traceable else None)
        rows = unsettled.take_unknown(conn, now, AT_ONCE, LEASE) if traceable else []
    by_number: dict[str, list[Row]] = {}
    for row in rows:
        by_number.setdefault(row["recipient"], []).append(row)
    for number, waiting in by_number.items():
        assert isinstance(carrier, Traceable)
        since = min(_attempted(row) for row in waiting) - SKEW
        try:
            found = carrier.find(number, since)
        except CarrierError as trouble:
            telemetry.log.warning("look-up failed", action="settle", error=type(trouble).__name__, code=trouble.code)
            with writing(engine) as conn:
                _look_again(conn, [row for rest in by_number.values() for row in rest], now)
            break
        with writing(engine) as conn:
            _settle(conn, waiting, found, now, limits)
    return len(rows)


def _attempted(row: Row) -> datetime:
    at: datetime = row["attempted_at"] or row["created_at"]
    return at


def _settle(conn: Connection, rows: Sequence[Row], found: Iterable[Found], now: datetime, limits: Limits) -> None:
    """Match what the carrier has with what we wonder about; each of its messages explains one of ours at most."""
    listed = sorted(found, key=lambda each: each.at)
    known = unsettled.known_sids(conn, [each.sid for each in listed])
    free = [each for each in listed if each.sid not in known]
    twins = unsettled.in_flight(conn, {row["customer_id"] for row in rows})
    taken: list[tuple[Row, Found]] = []
    open_still: list[Row] = []
    nowhere: list[Row] = []
    for row in rows:
        match = next((each for each in free if _is_ours(each, row)), None)
        if (row["recipient"], row["body"]) in twins:
            open_still.append(row)  # it may be the twin's, whose answer is still on its way
        elif match is not None:
            free.remove(match)
            taken.append((row, match))
        elif now - _attempted(row) < SAFE:
            open_still.append(row)
        else:
            nowhere.append(row)
    _confirm(conn, taken, now, limits)  # first, for it locks customers before messages
    _look_again(conn, open_still, now)
    for row in nowhere:
        _never_taken(conn, row, now)


def _confirm(conn: Connection, taken: Sequence[tuple[Row, Found]], now: datetime, limits: Limits) -> None:
    """Write what the carrier says of these, and do what its codes ask for, as if it had called back."""
    lock_for(conn, [Told(match.error_code, row["id"], row["customer_id"]) for row, match in taken if match.error_code])
    moved = outbox.sent(conn, [{"id": row["id"], "sid": match.sid, "at": match.at} for row, match in taken])
    updates: list[Mapping[str, object]] = [
        {
            "sid": match.sid,
            "message_id": row["id"],
            "status": match.state,
            "error_code": match.error_code,
            "raw": {"by": "look-up"},
            "at": match.at,
        }
        for row, match in taken
    ]
    moved += statuses.move_forward(conn, updates) if updates else ()
    told = [Told(each.error_code, each.message_id, each.customer_id) for each in moved if each.error_code]
    take_consequences(conn, told, now, limits)
    for row, _ in taken:
        telemetry.settled("sent", message=row["id"])


def _never_taken(conn: Connection, row: Row, now: datetime) -> None:
    """The carrier certainly does not have it: it may be sent again, if the gate still lets it through."""
    if row["attempts"] >= MOST_ATTEMPTS:
        outbox.finish(conn, row["id"], "dead", "never reached the carrier", attempt=row["attempts"])
        telemetry.settled("dead", message=row["id"])
    elif unsettled.send_again(conn, row, now):
        telemetry.settled("sent_again", message=row["id"])


def _look_again(conn: Connection, rows: Iterable[Row], now: datetime) -> None:
    for row in rows:
        unsettled.look_again(conn, row["id"], now + LOOK_AGAIN)


def _is_ours(each: Found, row: Row) -> bool:
    """Say whether the carrier's message is this one: by our id where it keeps that, else by text and time."""
    if each.message_id is not None:
        return each.message_id == int(row["id"])
    return same_text(each.body, row["body"]) and each.at >= _attempted(row) - SKEW


def same_text(theirs: str, ours: str) -> bool:
    """Say whether two bodies are one text; a carrier may have replaced look-alikes such as curly quotes."""
    return theirs == ours or _letters(theirs) == _letters(ours) != ""


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())

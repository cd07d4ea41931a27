"""Every night our books are compared with the carrier's and repaired; what differed is kept, and told as an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot import telemetry
from bot.carrier.port import Carrier, Traceable
from bot.delivery.reconcile import reconcile
from bot.turn import Turns
from storage import switches
from storage.database import writing

UNDER_WAY = timedelta(minutes=15)  #: a callback or a webhook of so short a while ago may still be on the way
_SWITCH = "reconciled"
_NIGHT = 3  # o'clock at the shop, when the reviews are done
_SPAN = timedelta(days=2)  # reports of delivery come in late; looking twice costs little
_LONGEST = timedelta(days=7)  # after an outage no more than this is asked of the carrier at once
_OVERLAP = timedelta(hours=1)
_AGAIN = timedelta(hours=1)  # a comparison that broke, or whose process died, is made by whoever comes after this


def reconcile_nightly(engine: Engine, carrier: Carrier, turns: Turns, now: datetime) -> bool:
    """Compare and repair once a night, whoever ticks; return whether it was done now. Raises CarrierError."""
    local = now.astimezone(ZoneInfo(turns.catalog.book.programme.shop.zone))
    if local.hour < _NIGHT or not isinstance(carrier, Traceable):
        return False
    day = local.date().isoformat()
    with writing(engine) as conn:
        state = switches.lock(conn, _SWITCH) or {}
        if not _free(state, day, now):
            return False
        switches.set(conn, _SWITCH, {**state, "day": day, "until": (now + _AGAIN).isoformat()})
    last = state.get("last")
    drift = reconcile(
        engine, carrier, _since(last, now), now, repair=True, catalog=turns.catalog, until=now - UNDER_WAY
    )
    taken = sum(turns.replay(message_id, now) for message_id in drift.left)
    found = drift.counts(taken)
    result = {"at": now.isoformat(), "drift": drift.found, "found": found}
    with writing(engine) as conn:
        switches.set(conn, _SWITCH, {"day": day, "until": None, "last": result})
    if drift.found:
        telemetry.alarm("drift from the carrier", **found)
    return True


def last_result(conn: Connection) -> Mapping[str, Any] | None:
    """Return when the books were compared last (`at`), whether they differed (`drift`), and the counts (`found`)."""
    state = switches.get(conn, _SWITCH) or {}
    found: Mapping[str, Any] | None = state.get("last")
    return found


def _free(state: Mapping[str, Any], day: str, now: datetime) -> bool:
    """Say whether a night's comparison is still to be made and nobody is at it."""
    if state.get("day") != day:
        return True
    until = state.get("until")
    return until is not None and datetime.fromisoformat(until) <= now


def _since(last: Mapping[str, Any] | None, now: datetime) -> datetime:
    if last is None:
        return now - _SPAN
    return max(now - _LONGEST, min(now - _SPAN, datetime.fromisoformat(last["at"]) - _OVERLAP))

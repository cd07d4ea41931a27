"""Pausing: a carrier that asks for less gets less from all workers, longer each time, until it takes a text again.

The pause is a row that every claim reads, of the sender or of everything (`*`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bot.delivery.codes import consequence_of
from bot.delivery.crew import Outcome
from bot.delivery.sender import EVERYTHING
from storage import budgets
from storage.rows import Row

#: The first pause and the longest: the account is asked too often at once, or hours of texts wait at a sender.
_ACCOUNT = (timedelta(seconds=1), timedelta(minutes=2))
_SENDER = (timedelta(minutes=5), timedelta(hours=1))


def pause_for(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> Mapping[str, datetime]:
    """Let what was refused here pause, and what was taken end the row of refusals; return until when each pauses.

    Only who was claimed after the last pause says anything new: what was under way when it began is refused, or
    taken, for the same reason.
    """
    refused: dict[str, datetime] = {}
    taken: dict[str, datetime] = {}
    for outcome in outcomes:
        claimed = outcome.row["attempted_at"]
        for name in _paused_by(outcome):
            refused[name] = max(claimed, refused.get(name, claimed))
        if outcome.result == "sent":
            for name in (EVERYTHING, outcome.row["sender"]):
                taken[name] = max(claimed, taken.get(name, claimed))
    taken = {name: taken[name] for name in budgets.refused(conn) & taken.keys() - refused.keys()}
    if not refused and not taken:
        return {}
    new = {"tokens": 0, "refilled_at": now, "day": now.date()}
    known = budgets.lock(conn, sorted({*refused, *taken}), new)
    ended = [{"sender": name, "refusals": 0, "until": row["paused_until"]} for name, row in _new(known, taken)]
    begun = [_longer(row, now) for _, row in _new(known, refused)]
    budgets.pause(conn, [*ended, *begun])
    until: dict[str, datetime] = {name: row["paused_until"] for name, row in known.items()}
    return until | {row["sender"]: row["until"] for row in begun}


def _paused_by(outcome: Outcome) -> Iterable[str]:
    kind = consequence_of(outcome.code)
    return {"slow_down": (EVERYTHING,), "sender_full": (outcome.row["sender"],)}.get(kind or "", ())


def _new(known: Mapping[str, Row], told: Mapping[str, datetime]) -> list[tuple[str, Row]]:
    rows = [(name, known[name]) for name in sorted(told)]
    return [(name, row) for name, row in rows if row["paused_until"] is None or told[name] >= row["paused_until"]]


def _longer(row: Row, now: datetime) -> Row:
    """Return the next pause: twice as long as the last one, with jitter, so that nobody keeps step."""
    first, most = _ACCOUNT if row["sender"] == EVERYTHING else _SENDER
    whole = min(most, first * 2 ** min(row["refusals"], 16))
    return {"sender": row["sender"], "refusals": row["refusals"] + 1, "until": now + whole * random.uniform(0.75, 1.0)}

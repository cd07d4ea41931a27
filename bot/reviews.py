"""Reviews: tiers every night, people who wait for a person, and what is old enough to be forgotten.

Each is safe to run twice and by two processes: a tier is counted under the customer's lock, a fact has its key,
what is forgotten stays forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from sqlalchemy import Connection, Engine

from bot.catalog import Catalog
from bot.engine.programme import Programme, Tier
from storage import customers, facts, loyalty, reviews, switches
from storage.database import reading, writing
from storage.ids import next_id
from storage.rows import Row

BATCH = 500
PATIENCE = timedelta(hours=4)  # then somebody who waits for a person is told that they are not forgotten
_STALE = timedelta(days=1)
_TIERS, _MESSAGES, _ANSWERS = "review:tiers", "review:messages", "review:answers"
_NIGHT = 2  # o'clock at the shop


class Reviews:
    """Looks after what nobody asks for."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self.engine = engine
        self.catalog = catalog

    def run(self, now: datetime) -> int:
        """Do what is due; return how much was changed."""
        done = self.remember_the_waiting(now)
        local = now.astimezone(ZoneInfo(self.catalog.book.programme.shop.zone))
        if local.hour >= _NIGHT:
            done += self.review_tiers(now, local.date().isoformat())
            done += self.forget(now)
        return done

    def remember_the_waiting(self, now: datetime) -> int:
        """Record `handoff_waiting` for everybody who has waited for a person longer than PATIENCE."""
        with reading(self.engine) as conn:
            waiting = reviews.waiting_for_a_person(conn, now - PATIENCE, now - PATIENCE - _STALE, BATCH)
        rows = [
            _fact("handoff_waiting", row["customer_id"], f"handoff_waiting:{row['id']}", {}, now) for row in waiting
        ]
        if not rows:
            return 0
        with writing(self.engine) as conn:
            return facts.insert_new(conn, rows)

    def review_tiers(self, now: datetime, day: str) -> int:
        """Count once a day which tier everybody's points of the window are worth; return how many tiers changed."""
        programme = self.catalog.book.programme
        if len(programme.tiers) < 2:
            return 0
        with reading(self.engine) as conn:
            progress = switches.get(conn, _TIERS) or {}
        if progress.get("day") == day and progress.get("after") is None:
            return 0
        after, done = (progress["after"] if progress.get("day") == day else 0), 0
        while after is not None:
            with writing(self.engine) as conn:
                ids = reviews.in_tiers(conn, programme.tiers[0].key, after, BATCH)
                done += self._review(conn, ids, programme, now)
                after = ids[-1] if ids else None
                switches.set(conn, _TIERS, {"day": day, "after": after})
        return done

    def _review(self, conn: Connection, ids: Sequence[int], programme: Programme, now: datetime) -> int:
        rows = customers.lock_by_id(conn, ids)
        counted = loyalty.qualifying_since(conn, list(rows), now - programme.tier_window)
        changes: list[tuple[int, Row]] = []
        recorded: list[Row] = []
        for customer_id, row in rows.items():
            change, fact = review(row, counted.get(customer_id, 0), programme, now)
            if change:
                changes.append((customer_id, change))
            if fact is not None:
                recorded.append(fact)
        customers.change(conn, changes)
        facts.insert(conn, recorded)
        return len(recorded)

    def forget(self, now: datetime) -> int:
        """Delete the words of messages and the answers that are older than the programme keeps them."""
        keep = self.catalog.book.programme.keep_messages
        if keep is None:
            return 0
        before = now - keep
        return sum(
            self._forget(key, delete, before)
            for key, delete in ((_MESSAGES, reviews.forget_messages), (_ANSWERS, reviews.forget_answers))
        )

    def _forget(
        self, key: str, delete: Callable[[Connection, int, datetime, int], int | None], before: datetime
    ) -> int:
        pages = 0
        while True:
            with writing(self.engine) as conn:
                last = delete(conn, switches.get(conn, key) or 0, before, BATCH)
                if last is None:
                    return pages
                switches.set(conn, key, last)
            pages += 1


def review(row: Row, qualifying: int, programme: Programme, now: datetime) -> tuple[dict[str, Any], Row | None]:
    """Return what changes in a customer's row, and the fact to record, when so many points count for the tier.

    A tier whose points have gone is kept for `tier_grace`, and `tier_at_risk` says so; after that the customer
    moves to the tier that the points are worth, and `tier_lost` says so. Nobody moves up here: that is
    earning's work.
    """
    change: dict[str, Any] = {} if row["qualifying"] == qualifying else {"qualifying": qualifying}
    tier = next((each for each in programme.tiers if each.key == row["tier"]), None)
    if tier is None or qualifying >= tier.from_points:
        if row["tier_until"] is not None:
            change["tier_until"] = None
        return change, None
    until = row["tier_until"]
    if until is None:
        until = now + programme.tier_grace
        change["tier_until"] = until
        data = {"tier": tier.key, "missing": tier.from_points - qualifying, "until": _day(until, row, programme)}
        key = f"tier_at_risk:{row['id']}:{until.isoformat()}"
        return change, _fact("tier_at_risk", row["id"], key, data, now)
    if now < until:
        return change, None
    below = _worth(programme.tiers, qualifying)
    change |= {"tier": below.key, "tier_until": None}
    data = {"tier": below.key, "before": tier.key}
    return change, _fact("tier_lost", row["id"], f"tier_lost:{row['id']}:{until.isoformat()}", data, now)


def _worth(tiers: Sequence[Tier], qualifying: int) -> Tier:
    return next((tier for tier in reversed(tiers) if tier.from_points <= qualifying), tiers[0])


def _day(moment: datetime, row: Row, programme: Programme) -> str:
    """Return the last day as the customer reads it, in letters of the cheap alphabet."""
    day = moment.astimezone(ZoneInfo(programme.shop.zone)).date()
    return format_date(day, "d MMM" if row["language"] == "es" else "MMM d", locale=row["language"])


def _fact(name: str, customer_id: int, key: str, data: Mapping[str, Any], now: datetime) -> Row:
    return {
        "id": next_id(),
        "customer_id": customer_id,
        "name": name,
        "key": key,
        "data": dict(data),
        "recorded_at": now,
        "due_at": now,
    }

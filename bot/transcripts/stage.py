"""The stage transcripts are played on: the real door on a real database, with a clock that is turned by hand.

One SQLite file is migrated and gets the flows once; every transcript plays on a fresh copy of it. Texts
leave through the real delivery and its gate, into a carrier that only writes them down.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bot import daycode
from bot.carrier.port import Accepted, Outgoing
from bot.catalog import Book, Catalog
from bot.clock import FixedClock
from bot.delivery import Delivery
from bot.engine.decision import Decision
from bot.engine.events import Media, MessageReceived
from bot.engine.recurrence import next_occasion, recurrence_of
from bot.schedule import Schedule
from bot.settings import Settings
from bot.transcripts.casting import FRIEND, PHONE, cast
from bot.turn import Turns
from bot.turn.understanding import decide_event
from storage import consent, customers, facts, handoffs, messages, migrate, outbox, timers, vouchers
from storage.conversations import conversations
from storage.database import open_engine, reading, writing
from storage.ids import next_id

SHOP = "+12015550100"
SECRET = "transcripts"  # decides the day's code on the stage, protects nothing
DEFAULT_NOW = "2026-03-02 10:00"
_DAYS_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One text that went out."""

    to: str
    body: str
    segments: int
    encoding: str
    picture: str | None = None


class _Notebook:
    """A carrier that writes down what it is given."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    def send(self, message: Outgoing) -> Accepted:
        self.taken.append(message)
        return Accepted(f"SM{message.message_id:032d}", "queued")


class _Shelf:
    """A catalog that holds one book, perhaps with other settings than the files have."""

    def __init__(self, book: Book) -> None:
        self.book = book


class _WatchedTurns(Turns):
    """Turns that keep what was decided, for the coverage report."""

    decisions: list[Decision]

    def decide(self, *facts: Any) -> Decision:
        decision = decide_event(*facts)
        self.decisions.append(decision)
        return decision


class Stage:
    """Prepares one database for many transcripts. Close it by deleting its folder."""

    def __init__(self, flows: Path, folder: Path) -> None:
        self._template = folder / "template.db"
        self._file = folder / "stage.db"
        self.settings = Settings(
            database_url=f"sqlite:///{self._file}", secret_key=SECRET, auth_tokens=("t",), sender=SHOP, flows_dir=flows
        )
        migrate.upgrade(f"sqlite:///{self._template}")
        engine = open_engine(f"sqlite:///{self._template}")
        Catalog(engine, flows).load(datetime(2026, 1, 1, tzinfo=UTC))
        engine.dispose()
        self._reset()
        self.engine = open_engine(self.settings.database_url)
        self.catalog = Catalog(self.engine, flows)
        self.book = self.catalog.load(datetime(2026, 1, 1, tzinfo=UTC))
        shutil.copyfile(self._file, self._template)

    def play(self, given: Mapping[str, Any]) -> Play:
        """Set the scene for one transcript."""
        self.engine.dispose()
        self._reset()
        changes = dict(given.get("settings") or {})
        left = given.get("stock") or {}
        programme = self.book.programme
        rewards = tuple(replace(r, stock=left[r.key]) if r.key in left else r for r in programme.rewards)
        book = replace(self.book, programme=replace(programme, rewards=rewards, **changes))
        return Play(self, book, given)

    def _reset(self) -> None:
        for ending in ("-wal", "-shm"):
            self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
        shutil.copyfile(self._template, self._file)


class Play:
    """One transcript being played: the customer, the clock, and everything said so far."""

    def __init__(self, stage: Stage, book: Book, given: Mapping[str, Any]) -> None:
        self.book = book
        self.engine = stage.engine
        self.settings = stage.settings
        self.zone = ZoneInfo(book.programme.shop.zone)
        local = datetime.fromisoformat(str(given.get("now", DEFAULT_NOW)))
        self.clock = FixedClock(local.replace(tzinfo=self.zone).astimezone(UTC))
        self.carrier = _Notebook()
        shelf: Any = _Shelf(book)
        self.turns = _WatchedTurns(stage.engine, shelf, stage.settings)
        self.turns.decisions = []
        self.delivery = Delivery(stage.engine, shelf, self.carrier, "http://127.0.0.1")
        self.schedule = Schedule(stage.engine, shelf, self.turns)
        self._texts = 0
        self.customer_id = cast(self.engine, self.now, self.zone, given)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def text(self, words: str, pictures: Sequence[str] = ()) -> list[Sent]:
        """The customer texts; return what went out because of it."""
        self._texts += 1
        code = daycode.code_for(SECRET, self.book.programme.shop.zone, self.now)
        event = MessageReceived(
            sid=f"SM{self._texts:032x}",
            sender=PHONE,
            recipient=SHOP,
            body=words.replace("{day_code}", code),
            at=self.now,
            media=tuple(Media(f"https://example.test/{index}", kind) for index, kind in enumerate(pictures)),
            country="US",
        )
        answer = self.turns.take([event], self.now)[0]
        with reading(self.engine) as conn:
            said = [messages.by_id(conn, reply.message_id) for reply in answer.replies]
        replies = [_sent(row) for row in said if row is not None]
        if self.customer_id is None:
            with reading(self.engine) as conn:
                known = customers.by_phone(conn, PHONE)
                self.customer_id = known["id"] if known else None
        return replies + self._settle()

    def record(self, name: str, data: Mapping[str, Any]) -> list[Sent]:
        """Something happens to the customer outside the conversation."""
        with writing(self.engine) as conn:
            fact = {"id": next_id(), "customer_id": self.customer_id, "name": name, "key": f"stage:{next_id()}"}
            facts.insert(conn, [{**fact, "data": dict(data), "recorded_at": self.now, "due_at": self.now}])
        return self._settle()

    def use_voucher(self) -> None:
        """The newest code that can be used is used at the till."""
        with writing(self.engine) as conn:
            held = vouchers.of(conn, [self.customer_id or 0]).get(self.customer_id or 0, [])
            usable = [row["code"] for row in held if row["status"] == "issued"]
            if usable:
                vouchers.redeem(conn, usable[-1], "till", self.now)

    def wait(self, span: timedelta) -> list[Sent]:
        """Turn the clock forward and let everything happen at its own moment."""
        end, said = self.now + span, []
        for _ in range(_DAYS_AT_MOST):
            moment = self._next_moment(end)
            self.clock.moment = max(moment, self.now)
            said += self._settle()
            if moment >= end:
                break
        return said

    def _settle(self) -> list[Sent]:
        """Let the schedule and the delivery work until nothing is due any more."""
        before = len(self.carrier.taken)
        for _ in range(10):
            worked = self.schedule.run(self.now)
            worked += self.delivery.drain(self.clock.now)
            if not worked:
                break
        with reading(self.engine) as conn:
            rows = [messages.by_id(conn, item.message_id) for item in self.carrier.taken[before:]]
        return [_sent(row) for row in rows if row is not None]

    def _next_moment(self, end: datetime) -> datetime:
        with reading(self.engine) as conn:
            due = [timers.next_due(conn), facts.next_due(conn), outbox.next_due(conn)]
        moments = [moment for moment in due if moment is not None and moment > self.now]
        plans = [t.schedule for flow in self.book.flows.values() for t in flow.triggers if t.schedule is not None]
        zone = self.book.programme.shop.zone
        starts = [next_occasion(recurrence_of(plan), zone, self.now) for plan in plans]
        return min([end, *moments, *(start for start in starts if start is not None)])

    def facts(self) -> dict[str, Any]:
        """Return everything a transcript may expect, as it is now."""
        with reading(self.engine) as conn:
            row = customers.by_phone(conn, PHONE)
            if row is None:
                return {"consent": "none", "points": 0, "state": "none"}
            held = vouchers.of(conn, [row["id"]]).get(row["id"], [])
            places = list(
                conn.execute(
                    conversations.select().where(conversations.c.customer_id == row["id"]).order_by(conversations.c.id)
                ).mappings()
            )
            asked = any(waiting["customer_id"] == row["id"] for waiting in handoffs.waiting(conn))
            proofs = consent.history(conn, row["id"])
            friend = customers.by_phone(conn, FRIEND)
        opened = [place for place in places if place["ended_at"] is None]
        ended = [place for place in places if place["ended_at"] is not None]
        told = [sent.body for sent in self.carrier.taken if sent.to == FRIEND]
        return {
            **{key: row[key] for key in ("points", "consent", "name", "language", "email", "frequency", "tier")},
            "birthday": str(row["birthday"]) if row["birthday"] else None,
            "marketing_paused": row["marketing_paused"],
            "tags": sorted(row["tags"] or ()),
            "attributes": row["attributes"] or {},
            "vouchers": sum(1 for each in held if each["status"] == "issued" and each["ends_at"] > self.now),
            "state": f"{opened[-1]['flow']}.{opened[-1]['state']}" if opened else "none",
            "ended": max(ended, key=lambda place: (place["ended_at"], place["id"]))["outcome"] if ended else None,
            "handed_over": asked,
            "wording": f"{proofs[-1]['wording']} {proofs[-1]['version']}" if proofs else None,
            "friend": {"points": friend["points"] if friend else None, "told": told[-1] if told else None},
        }


def _sent(row: Any) -> Sent:
    picture = next((item["url"] for item in row["media"] or ()), None)
    return Sent(row["recipient"], row["body"], row["segments"], row["encoding"], picture)

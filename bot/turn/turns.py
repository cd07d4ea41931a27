"""The door itself: events in, one transaction for each group of them, answers out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from bot import daycode, suppression, telemetry
from bot.apply import Rows
from bot.broker import Broker, Kind, NoBroker
from bot.catalog import Book, Catalog
from bot.engine.events import Event, MessageReceived
from bot.pace import Pace
from bot.settings import Settings
from bot.turn.answer import Answer
from bot.turn.loaded import Loaded, load
from bot.turn.order import first_wave
from bot.turn.replaying import replay
from bot.turn.understanding import Entropy, decide_event, fresh_entropy
from bot.turn.wave import Wave
from storage.database import after_commit, writing
from storage.errors import passing

RETRIES = 3
PAUSE = 0.1  # seconds between tries while the database is away
PATIENCE = 10.0  # seconds one group may cost, all retries included: Twilio waits 15 for an answer


class Turns:
    """Takes events, one transaction for each group of them.

    `entropy` makes codes; only a trial, whose codes are worth nothing, gives the same twice.
    """

    decide = staticmethod(decide_event)

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        settings: Settings,
        broker: Broker | None = None,
        entropy: Entropy = fresh_entropy,
    ) -> None:
        self.engine = engine
        self.catalog = catalog
        self.settings = settings
        self.broker = broker or NoBroker()
        self.entropy = entropy
        self.pace = Pace()
        self._seen: dict[str, int] = {}  #: ids of numbers, see `lock_and_ask`

    def take(self, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events and return their answers in the same order.

        Every answer but `not_taken` stands for rows that are committed. An event that cannot be taken
        costs those beside it nothing but time.
        """
        started = time.monotonic()
        self.pace.note(len(events))
        try:
            answers = self._take_together(events, now)
        except Exception as trouble:
            give_up = started + PATIENCE
            answers = [self._take_alone(event, now, trouble, give_up) for event in events]
        telemetry.group_taken(len(events), time.monotonic() - started)
        for event, answer in zip(events, answers, strict=True):
            if isinstance(event, MessageReceived):
                telemetry.received(answer.result)
        return answers

    def take_in(self, conn: Connection, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events inside a transaction of the caller, who commits or rolls back."""
        answers: dict[int, Answer] = {}
        left = list(enumerate(events))
        while left:
            wave, left = first_wave(left)
            taken = self._take_wave(conn, [event for _, event in wave], now)
            answers.update(zip([index for index, _ in wave], taken, strict=True))
        return [answers[index] for index in range(len(events))]

    def _take_together(self, events: Sequence[Event], now: datetime) -> list[Answer]:
        with writing(self.engine) as conn:
            return self.take_in(conn, events, now)

    def _take_alone(self, event: Event, now: datetime, trouble: Exception, give_up: float) -> Answer:
        """Take one event by itself; when it fails again and again, keep its text and answer politely.

        A database that is away or busy says nothing of the event: it is tried until there is no more time.
        """
        tries = 0
        while time.monotonic() < give_up and (passing(trouble) or tries < RETRIES):
            if passing(trouble):
                time.sleep(PAUSE)
            else:
                tries += 1
            telemetry.retaken(type(trouble).__name__)
            try:
                return self._take_together([event], now)[0]
            except Exception as again:
                trouble = again
        sid = event.sid if isinstance(event, MessageReceived) else None
        telemetry.broke("turn not taken", trouble, sid=sid)
        if isinstance(event, MessageReceived) and time.monotonic() < give_up:
            try:
                return self._keep_for_replay(event, now, f"{type(trouble).__name__}: {trouble}")
            except Exception as again:
                telemetry.broke("text not kept", again, sid=sid)
        return Answer("not_taken")

    def _keep_for_replay(self, event: MessageReceived, now: datetime, error: str) -> Answer:
        """Write a text whose turn could not be written, with the polite answer; an opt-out counts all the same."""
        with writing(self.engine) as conn:
            book = self.catalog.book
            wave = Wave(conn, book, self.settings, self._load(conn, [event], book, now), now, "")
            answer = wave.take(event, broken=error)
            wave.flush()
            return answer

    def replay(self, message_id: int, now: datetime) -> bool:
        """Take a text again whose turn broke; its replies go through the outbox.

        Returns False, and changes nothing, when the text does not wait for that or breaks again.
        """
        with writing(self.engine) as conn:
            book = self.catalog.book
            return replay(conn, message_id, book, self.settings, self._day_code(book, now), now)

    def _take_wave(self, conn: Connection, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events of different customers: read for all, decide for each, write for all."""
        book = self.catalog.book
        loaded = self._load(conn, events, book, now)
        wave = Wave(conn, book, self.settings, loaded, now, self._day_code(book, now), self.decide, self.entropy)
        answers = [wave.take(event) for event in events]
        wave.flush()
        agreed = [row["customer_id"] for row in wave.rows.consents if row["status"] == "subscribed"]
        if agreed:
            phones = [loaded.customers[customer_id].phone for customer_id in agreed]
            suppression.lift(conn, self.settings.secret_key, phones, "customer", now)
        self._wake_others(conn, wave.rows, now)
        return answers

    def _load(self, conn: Connection, events: Sequence[Event], book: Book, now: datetime) -> Loaded:
        return load(conn, events, book, now, self._seen)

    def _day_code(self, book: Book, now: datetime) -> str:
        return daycode.code_for(self.settings.secret_key, book.programme.shop.zone, now)

    def _wake_others(self, conn: Connection, rows: Rows, now: datetime) -> None:
        """Say, once it is committed, for which customers there is something to send or to hand on at once."""
        sending = {row["customer_id"] for row in rows.messages if row["state"] == "queued" and row["send_after"] <= now}
        starting = {row["customer_id"] for row in rows.facts if row["due_at"] <= now}
        wanted: list[tuple[Kind, int]] = [("outbox", each) for each in sorted(sending)]
        wanted += [("facts", each) for each in sorted(starting)]

        def wake() -> None:
            for kind, customer_id in wanted:
                self.broker.wake(kind, str(customer_id))

        if wanted:
            after_commit(conn, wake)

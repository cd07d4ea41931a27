"""What customers do while everything is killed: plots over signed HTTP, with texts and timers from the shop between.

Each customer plays one plot. Unasked texts are committed straight into the outbox, as a campaign or the till does;
timers are those the shipped flows set, turned forward so that they are due within seconds.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from typing import Literal

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import SQLAlchemyError

from bot.carrier.fake_http import FakeServer
from storage import messages
from storage.customers import customers
from storage.database import writing
from storage.ids import next_id
from storage.timers import timers
from tests.bench.load import JOURNEY, SHOP, inbound_form, phone_number
from tests.chaos.client import Client

Plot = Literal["leaves", "stays", "welcomed", "silent"]
#: What each says, and how many of a hundred do. `welcomed` waits for the welcome series (a reminder, marketing),
#: `silent` never answers which reward it is to be (two deadlines); the others get service and marketing texts.
PLOTS: Mapping[Plot, tuple[Sequence[str], int]] = {
    "leaves": (JOURNEY, 50),
    "stays": (JOURNEY[:-1], 20),
    "welcomed": (JOURNEY[:3], 15),
    "silent": (JOURNEY[:4], 15),
}
TEXTS_EACH = 14  #: in and out, of the average customer
_SOON = 3.0  #: seconds: within which turned timers and campaign texts become due
_OF_USE = timedelta(days=1)  #: a text that fails for a passing reason is sent again within this
_JOINED, _ASKED = 1, 3  #: steps of the journey: YES has been said, REDEEM has been said
_HOUR = timedelta(hours=1)
#: Which timers are meant, by how far ahead their flows set them: the first welcome is at ten the next morning
#: or the one after (its follower 60 hours later), the reward is reminded of after 2 hours and given up after 24.
_SPANS = {"reminder": (timedelta(), 48 * _HOUR), "deadline": (_HOUR, 25 * _HOUR)}


@dataclass
class Played:
    """What the customers sent, what they were answered, when they left, and what the shop owes them."""

    plots: dict[str, Plot] = field(default_factory=dict)
    answered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    last_said: dict[str, str] = field(default_factory=dict)
    stopped_at: dict[str, datetime] = field(default_factory=dict)
    chose_at: dict[str, datetime] = field(default_factory=dict)  #: answered which reward; no deadline counts now
    queued: dict[str, str] = field(default_factory=dict)  #: bodies of committed unasked texts -> their purpose
    lock: threading.Lock = field(default_factory=threading.Lock)


class Customer:
    """One customer and their plot."""

    def __init__(
        self,
        number: int,
        dice: random.Random,
        engine: Engine,
        carrier: FakeServer,
        callers: Sequence[Client],
        played: Played,
    ) -> None:
        self.number = number
        self.phone = phone_number(number)
        self._dice, self._engine, self._carrier, self._callers, self._played = dice, engine, carrier, callers, played
        names, shares = zip(*((name, share) for name, (_, share) in PLOTS.items()), strict=True)
        self.plot: Plot = dice.choices(names, shares)[0]

    def play(self) -> None:
        """Say everything; the shop's own doings happen somewhere in between."""
        with self._played.lock:
            self._played.plots[self.phone] = self.plot
        texts, _ = PLOTS[self.plot]
        doings = self._doings(len(texts))
        for step, body in enumerate(texts):
            self._say(step, body)
            if step == _JOINED:
                self._place()
            for do in doings.get(step, ()):
                do()

    def _doings(self, steps: int) -> dict[int, list[Callable[[], None]]]:
        """Decide what the shop does after which step."""
        doings: dict[int, list[Callable[[], None]]] = {}
        if self.plot == "welcomed":
            return {steps - 1: [lambda: self._turn_forward("reminder")]}
        if self.plot == "silent":
            return {_ASKED: [lambda: self._turn_forward("deadline", 0), lambda: self._turn_forward("deadline", 1)]}
        for number in range(2):
            at = self._dice.randrange(_JOINED, steps - 1)
            doings.setdefault(at, []).append(partial(self._queue, "service", number))
        at = self._dice.randrange(_JOINED, steps - 1)
        doings.setdefault(at, []).append(lambda: self._queue("marketing", 2))
        if self._dice.random() < 0.5:
            doings.setdefault(_ASKED, []).append(lambda: self._turn_forward("deadline", 0))
        if self.plot == "leaves" and self._dice.random() < 0.5:
            doings.setdefault(steps - 2, []).append(lambda: self._turn_forward("reminder"))
        return doings

    def _say(self, step: int, body: str) -> None:
        """Send a text until it is answered; the carrier then sends the replies, each under its own sid."""
        sid = f"SMchaos{self.number:08d}{step}"
        replies = _until_answered(self._callers, self._dice, inbound_form(self.phone, body, sid))
        for said, callback in replies:
            _carrier_sends(self._carrier, self.phone, said, callback)
        with self._played.lock:
            self._played.answered[sid] = tuple(said for said, _ in replies)
            self._played.last_said[self.phone] = body
            if body == "STOP":
                self._played.stopped_at[self.phone] = datetime.now(UTC)
            if step == _ASKED + 1:
                self._played.chose_at[self.phone] = datetime.now(UTC)

    def _place(self) -> None:
        """Let it be two in the afternoon where they are, so that no quiet hours are in the way."""
        place = update(customers).where(customers.c.phone == self.phone).values(zone=_afternoon())
        self._commit(lambda conn: conn.execute(place))

    def _queue(self, purpose: str, number: int) -> None:
        """Commit one unasked text; marketing is due a little later, perhaps after they have left."""
        what = "order" if purpose == "service" else "weekend offer"
        body, identifier, now = f"Your {what} {self.number}-{number} is ready.", next_id(), datetime.now(UTC)
        later = timedelta(seconds=self._dice.uniform(0, _SOON) if purpose == "marketing" else 0)

        def write(conn: Connection) -> None:
            if messages.by_id(conn, identifier) is not None:
                return  # it was committed although the connection broke
            who = conn.execute(select(customers.c.id).where(customers.c.phone == self.phone)).scalar_one()
            row = {"id": identifier, "customer_id": who, "direction": "out", "sender": SHOP}
            row |= {"recipient": self.phone, "body": body, "state": "queued", "purpose": purpose}
            row |= {"flow": "orders", "segments": 1, "created_at": now, "send_after": now + later}
            row["deadline"] = now + _OF_USE
            messages.insert(conn, [row])

        self._commit(write)
        with self._played.lock:
            self._played.queued[body] = purpose

    def _turn_forward(self, kind: str, step: int = 0) -> None:
        """Let a timer their flow has set be due within seconds; one that has fired meanwhile is not there any more."""
        now = datetime.now(UTC)
        nearest, furthest = _SPANS[kind]
        due_at = now + timedelta(seconds=self._dice.uniform(step * _SOON, (step + 1) * _SOON))
        who = select(customers.c.id).where(customers.c.phone == self.phone).scalar_subquery()
        turn = (
            update(timers)
            .where(timers.c.customer_id == who, timers.c.kind == kind, timers.c.step == step)
            .where(timers.c.due_at > now + nearest, timers.c.due_at < now + furthest)
            .values(due_at=due_at)
        )
        self._commit(lambda conn: conn.execute(turn))

    def _commit(self, write: Callable[[Connection], object]) -> None:
        """Do it in a transaction of its own, again until it is committed."""
        while True:
            try:
                with writing(self._engine) as conn:
                    write(conn)
                return
            except (SQLAlchemyError, TimeoutError):
                time.sleep(0.2)


def _afternoon() -> str:
    ahead = (14 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


_REPLY = re.compile(r'<Message action="([^"]*)"[^>]*>(.*?)</Message>', re.DOTALL)


def _until_answered(callers: Sequence[Client], dice: random.Random, form: Mapping[str, str]) -> list[tuple[str, str]]:
    """Post a text to one door or another until it is answered; return each reply with its callback."""
    while True:
        try:
            status, answer = dice.choice(callers).post("/sms", form)
        except OSError:
            time.sleep(0.1)
            continue
        if status == 200:
            return [(unescape(said), unescape(callback)) for callback, said in _REPLY.findall(answer.decode())]
        if status not in (502, 503):
            raise AssertionError(f"{form['Body']!r} was answered {status}")
        time.sleep(0.1)


def _carrier_sends(carrier: FakeServer, to: str, said: str, callback: str) -> None:
    """The carrier sends a reply that stood in an answer, and will report to its callback."""
    form = {"From": SHOP, "To": to, "Body": said, "StatusCallback": callback}
    done = threading.Event()

    def send() -> None:
        carrier._report(carrier.carrier.create(form))
        done.set()

    assert carrier._loop is not None
    carrier._loop.call_soon_threadsafe(send)
    done.wait(30)

"""Texts in and out while everything is killed: nothing lost, nothing twice, nothing after a STOP.

The fake carrier's log is the judge. Customers play plots over signed HTTP and send again what was not answered,
as the carrier does; the replies in the answers are sent by the carrier, as are the service and marketing texts and
what timers say, which workers post to it. Kills are spread evenly over the run.
`python -m tests.chaos.outbound --messages 2000 --kills 10`; in full 100000 and 100.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from bot import telemetry
from bot.app import build_services
from bot.carrier.fake import Behaviour
from bot.carrier.fake_http import FakeServer
from bot.clock import SystemClock
from bot.settings import load_settings
from storage.database import open_engine, reading
from storage.messages import messages
from storage.migrate import upgrade
from storage.timers import timers
from tests.bench.servers import TOKEN, free_port, product_environment
from tests.chaos.client import Client
from tests.chaos.house import Killer, Victim, bot, cluster, listens, redis
from tests.chaos.judge import judge
from tests.chaos.plots import TEXTS_EACH, Customer, Played
from tests.chaos.scenes import Outcome

FAULTS = Behaviour(
    account="AC" + "0" * 32,
    token=TOKEN,
    latency=0.005,
    refuse=0.02,
    lose_answer=0.02,
    fail_before=0.02,
    fail_after=0.01,
    throttle=0.02,
    slow=0.001,
    slow_seconds=12.0,
    undelivered=0.01,
    failures=(30001, 30007),  # the first is tried again, the second is not
    callback_lost=0.03,
    callback_twice=0.05,
    callback_shuffled=0.1,
)


@dataclass
class House:
    """The installation under test."""

    database_url: str
    environment: dict[str, str]
    doors: list[str]  #: addresses of the web processes
    victims: list[Victim]


def outbound(kind: str, count: int, kills: int, clients: int = 16, seed: int = 5) -> Outcome:
    """Play `count` texts in and out on `postgres` (web, worker and scheduler twice) or `sqlite` (one process)."""
    outcome = Outcome(f"{count} texts in and out, {kills} kills, {kind}")
    dice = random.Random(seed)
    played = Played()
    with (
        tempfile.TemporaryDirectory(prefix="chaos") as name,
        FakeServer(replace(FAULTS)) as carrier,
        ExitStack() as stack,
    ):
        folder = Path(name)
        house = stack.enter_context((_postgres_house if kind == "postgres" else _sqlite_house)(folder, carrier.url))
        killer = Killer(house.victims, kills, lambda victims: _pick(dice, victims))
        started = time.monotonic()
        killer.start()
        _play(house, carrier, played, max(1, count // TEXTS_EACH), clients, seed, killer)
        killer.join()
        outcome.counts.update(f"killed {victim}" for victim in killer.done)
        outcome.counts["seconds played"] = round(time.monotonic() - started)
        _wait_until_quiet(house.database_url)
        for victim in house.victims:
            if victim.name not in ("database", "broker"):
                victim.stop()
        _settle(house, carrier)
        outcome.counts["seconds"] = round(time.monotonic() - started)
        _judge(house.database_url, carrier, played, outcome)
    return outcome


def _pick(dice: random.Random, victims: Sequence[Victim]) -> Victim:
    kinds = sorted({victim.name for victim in victims})
    kind = dice.choice(kinds)
    return dice.choice([victim for victim in victims if victim.name == kind])


def _environment(database_url: str, port: int, carrier: str, folder: Path) -> dict[str, str]:
    more = {"TWILIO_API_BASE_URL": carrier, "SENDING_RATE": "unlimited", "LOG_LEVEL": "WARNING"}
    return {**product_environment(database_url, port, **more), "REGULARS_CHAOS": str(folder)}


@contextmanager
def _postgres_house(folder: Path, carrier: str) -> Iterator[House]:
    with cluster(folder) as (url, database):
        upgrade(url)
        broker_url, broker = redis(folder)
        broker.start()
        ports = [free_port(), free_port()]
        victims = [database, broker]
        environment: dict[str, str] = {}
        for number, port in enumerate(ports):
            environment = {**_environment(url, port, carrier, folder), "BROKER_URL": broker_url}
            log = folder / f"web{number}.log"
            victims.append(
                bot("web", environment, "serve", "--web-only", log=log, ready=lambda port=port: listens(port))
            )
        environment["PUBLIC_URL"] = f"http://127.0.0.1:{ports[0]}"
        for number in range(2):
            for role in ("worker", "scheduler"):
                log = folder / f"{role}{number}.log"
                victims.append(bot(role, environment, role, log=log, ready=lambda: True))
        try:
            for victim in victims[2:]:
                victim.start()
            doors = [f"http://127.0.0.1:{port}" for port in ports]
            yield House(url, environment, doors, victims)
        finally:
            for victim in victims[1:]:
                victim.kill()


@contextmanager
def _sqlite_house(folder: Path, carrier: str) -> Iterator[House]:
    port = free_port()
    url = f"sqlite:///{folder / 'chaos.db'}"
    environment = _environment(url, port, carrier, folder)
    victim = bot("all", environment, "serve", log=folder / "all.log", ready=lambda: listens(port))
    victim.start()
    try:
        yield House(url, environment, [f"http://127.0.0.1:{port}"], [victim])
    finally:
        victim.kill()


def _play(
    house: House, carrier: FakeServer, played: Played, people: int, clients: int, seed: int, killer: Killer
) -> None:
    engine = open_engine(house.database_url)
    troubles: list[BaseException] = []

    def share(number: int) -> None:
        dice = random.Random(seed * 1_000 + number)
        callers = [Client(door, TOKEN, timeout=15) for door in house.doors]
        try:
            for person in range(number, people, clients):
                killer.keep_pace(person / people)
                Customer(person, dice, engine, carrier, callers, played).play()
        except BaseException as trouble:
            troubles.append(trouble)
            killer.give_up()

    threads = [threading.Thread(target=share, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    killer.keep_pace(1)
    engine.dispose()
    if troubles:
        raise troubles[0]


_QUEUED = select(func.count()).where(
    messages.c.direction == "out", messages.c.state == "queued", messages.c.retry_of.is_(None)
)
_OPEN = select(func.count()).where(
    messages.c.direction == "out", messages.c.state.in_(["queued", "sending", "unknown"])
)
_TURNED = timedelta(minutes=1)  #: timers that are due so soon were turned forward


def _wait_until_quiet(database_url: str, seconds: float = 60.0) -> None:
    """Wait until timers have fired and what was queued is sent; what is unknown by then is settled later.

    Gives up when nothing has changed for `seconds`.
    """
    engine = open_engine(database_url)
    left, until = -1, time.monotonic() + seconds
    while left and time.monotonic() < until:
        time.sleep(0.5)
        with reading(engine) as conn:
            due = select(func.count()).where(timers.c.due_at <= datetime.now(UTC) + _TURNED)
            now_left = conn.execute(_QUEUED).scalar_one() + conn.execute(due).scalar_one()
        if now_left != left:
            left, until = now_left, time.monotonic() + seconds
    engine.dispose()


def _settle(house: House, carrier: FakeServer) -> None:
    """Do what the workers would do in the next forty minutes, with both clocks turned instead of waited for."""
    telemetry.configure("ERROR")
    shop = build_services(load_settings({**house.environment, "REGULARS_ROLE": "worker", "BROKER_URL": ""}))
    turned, before = timedelta(seconds=0), -1
    while turned < timedelta(minutes=40):
        carrier.carrier.behaviour.clock_ahead = turned.total_seconds()
        shop.delivery.drain(SystemClock(turned).now)
        with reading(shop.engine) as conn:
            left = conn.execute(_OPEN).scalar_one()
        if not left:
            break
        if left == before:
            turned += timedelta(minutes=1)
        before = left
    shop.engine.dispose()


def _judge(database_url: str, carrier: FakeServer, played: Played, outcome: Outcome) -> None:
    engine = open_engine(database_url)
    log = [entry for entry in list(carrier.carrier.log) if entry["direction"] != "inbound"]
    outcome.counts["in"] = len(played.answered)
    outcome.counts["out"] = len(log)
    with reading(engine) as conn:
        outcome.faults += judge(conn, log, played, outcome.counts)
    engine.dispose()


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--on", choices=("postgres", "sqlite"), nargs="+", default=["postgres", "sqlite"])
    options = parser.parse_args(arguments)
    outcomes = []
    for kind in options.on:
        outcomes.append(outbound(kind, options.messages, options.kills, options.clients, options.seed))
        print(outcomes[-1], flush=True)
    return 1 if any(outcome.faults for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

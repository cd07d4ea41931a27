"""Outbound with real processes: two workers beside one, and what a campaign costs a customer who writes meanwhile.

`python -m tests.bench.outbound --workers 2` and `--campaign 100000`; everything runs on a fresh PostgreSQL database
with the fake carrier in a process of its own, whose answers take `--latency` as a real one's do.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, func, select, update

from bot.carrier.fake import ACCOUNT, TOKEN
from bot.settings import ROOT
from storage import processes
from storage.customers import customers
from storage.database import open_engine, reading, writing
from storage.messages import messages
from storage.migrate import upgrade
from tests.bench.load import phone_number
from tests.bench.postgres import fresh_database
from tests.bench.servers import free_port, product_environment
from tests.chaos.client import Client

Fill = Callable[[Engine, int, str, datetime], None]
_FAR = datetime(2099, 1, 1, 12, tzinfo=UTC)
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
_SAMPLES = 200  #: texts whose answers are timed, each time
_PAUSE = 0.02  #: seconds between them: somebody writes now and then, not all the time


@dataclass(frozen=True)
class Worker:
    """A process of the product."""

    process: subprocess.Popen[bytes]

    @property
    def memory(self) -> int:
        """Return what it holds, in MB."""
        return round(int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_MB)


def compare_workers(fill: Fill, carrier: str, count: int, most: int, latency: float, rounds: int) -> None:
    """Drain `count` texts with one worker process and with `most`, in turns, and print the ratio."""
    _behave(carrier, latency=latency, callbacks=False)
    ratios = []
    with _database() as (url, engine):
        for _ in range(rounds):
            rates = {workers: _drained(fill, engine, url, carrier, count, workers) for workers in (1, most)}
            ratios.append(rates[most] / rates[1])
            told = ", ".join(f"{workers} {rate:,.0f}/s" for workers, rate in rates.items())
            print(f"PostgreSQL, worker processes: {told}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"PostgreSQL, {most} workers beside one: median ratio {statistics.median(ratios):.2f}")


def _drained(fill: Fill, engine: Engine, url: str, carrier: str, count: int, workers: int) -> float:
    with _running(url, carrier, ["worker"] * workers, "unlimited"):
        _hold_back(engine, fill, count)
        _await(lambda: _alive(engine) >= workers)
        started = time.perf_counter()
        _release(engine)
        _await(lambda: _waiting(engine) == 0)
        return count / (time.perf_counter() - started)


def under_campaign(fill: Fill, carrier: str, count: int, latency: float, rate: str) -> None:
    """Time a customer's texts with nothing to do and while a campaign drains, and print both and the ratio."""
    _behave(carrier, latency=latency, callbacks=True)
    port = free_port()
    with (
        _database() as (url, engine),
        _running(url, carrier, ["serve --web-only", "worker", "scheduler"], rate, port) as team,
    ):
        door = f"http://127.0.0.1:{port}"
        _await(lambda: _answers(door))
        client, worker = Client(door, TOKEN), team[1]
        numbers = itertools.count()
        for person in range(20):
            for body in ("JOIN", "YES"):
                client.text(phone_number(person), body, f"SMjoin{person}{body}")
        _samples(client, numbers)
        idle = _samples(client, numbers)
        _hold_back(engine, fill, count)
        before, most, started = worker.memory, worker.memory, time.perf_counter()
        _release(engine)
        busy = _samples(client, numbers)
        while left := _waiting(engine):
            busy += _samples(client, numbers, 20)
            most = max(most, worker.memory)
            if rate != "unlimited" and len(busy) >= 10 * _SAMPLES:
                break  # it goes on like this for as long as the sender's rate says
        seconds = time.perf_counter() - started
        if not left:
            idle += _samples(client, numbers)  # the machine may have changed meanwhile
        _print_campaign(count, count - left, seconds, rate, idle, busy)
        print(f"memory of the worker: {before} MB before, {most} MB at most, {worker.memory} MB after")


def _print_campaign(count: int, sent: int, seconds: float, rate: str, idle: list[float], busy: list[float]) -> None:
    print(f"campaign of {count:,} at {rate}: {sent:,} sent in {seconds:.0f} s, {sent / seconds:,.0f}/s")
    for name, part in (("p50", 0.5), ("p95", 0.95)):
        alone, meanwhile = (sorted(each)[int(part * (len(each) - 1))] * 1000 for each in (idle, busy))
        print(f"a text's answer, {name}: {alone:.1f} ms idle, {meanwhile:.1f} ms meanwhile: {meanwhile / alone:.2f}")


def _samples(client: Client, numbers: Iterator[int], count: int = _SAMPLES) -> list[float]:
    """Ask for the balance again and again; return how long each answer took, in seconds."""
    found = []
    for number in itertools.islice(numbers, count):
        time.sleep(_PAUSE)
        started = time.perf_counter()
        status, replies = client.text(phone_number(number % 20), "BALANCE", f"SMbalance{number}")
        found.append(time.perf_counter() - started)
        assert status == 200, status
        assert replies, "no answer"
    return found


@contextmanager
def _database() -> Iterator[tuple[str, Engine]]:
    with fresh_database() as url:
        upgrade(url)
        engine = open_engine(url)
        try:
            yield url, engine
        finally:
            engine.dispose()


@contextmanager
def _running(url: str, carrier: str, roles: list[str], rate: str, port: int = 0) -> Iterator[list[Worker]]:
    """Run processes of the product until the block ends."""
    more = {"TWILIO_API_BASE_URL": carrier, "SENDING_RATE": rate, "SENDING_DAILY_CAP": "0"}
    more |= {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    environment = product_environment(url, port, **more)
    with Path(os.devnull).open("wb") as log, ExitStack() as stack:
        team = [
            Worker(
                subprocess.Popen(
                    [sys.executable, "-m", "bot", *role.split()], cwd=ROOT, env=environment, stdout=log, stderr=log
                )
            )
            for role in roles
        ]
        for each in team:
            stack.callback(_stop, each)
        yield team


def _stop(worker: Worker) -> None:
    worker.process.terminate()
    worker.process.wait(60)


def _hold_back(engine: Engine, fill: Fill, count: int) -> None:
    """Queue a campaign that is not due yet."""
    for start in range(0, count, 10_000):
        fill(engine, min(10_000, count - start), "marketing", _FAR)
    with writing(engine) as conn:
        # It is two in the afternoon where they are, so that no quiet hours are in the way.
        ahead = (14 - datetime.now(UTC).hour + 12) % 24 - 12
        conn.execute(update(customers).values(zone=f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"))


def _release(engine: Engine) -> None:
    with writing(engine) as conn:
        conn.execute(update(messages).where(messages.c.state == "queued").values(send_after=datetime.now(UTC)))


def _waiting(engine: Engine) -> int:
    time.sleep(0.05)
    with reading(engine) as conn:
        return conn.execute(
            select(func.count()).where(messages.c.flow == "campaign", messages.c.state.in_(["queued", "sending"]))
        ).scalar_one()


def _alive(engine: Engine) -> int:
    with reading(engine) as conn:
        return sum(each.alive(datetime.now(UTC)) for each in processes.known(conn))


def _answers(door: str) -> bool:
    try:
        urllib.request.urlopen(door + "/readyz", timeout=1).close()
    except OSError:
        return False
    return True


def _await(done: Callable[[], bool], span: timedelta = timedelta(minutes=30)) -> None:
    until = time.monotonic() + span.total_seconds()
    while not done():
        if time.monotonic() > until:
            raise TimeoutError("it took too long")
        time.sleep(0.02)


def _behave(carrier: str, **behaviour: object) -> None:
    body: Mapping[str, object] = behaviour
    request = urllib.request.Request(carrier + "/behaviour", json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request, timeout=5).close()

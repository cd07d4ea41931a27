"""What open inboxes cost the texts: `python -m tests.bench.inboxes [--inboxes 200] [--rounds N] [--database ...]`.

The journey of `tests.bench.load` is played on the real server in turns, without and with people who have the
inbox open: each is signed in, holds a connection and asks for the list every two seconds as the page's script does,
from a process of its own. What counts are the ratios within a round; on a busy machine the processor time of one
question is the steadiest figure.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from bot.desk import accounts
from bot.desk.actor import Actor
from storage import staff
from storage.database import open_engine, writing
from storage.migrate import upgrade
from tests.bench.load import Result, percentile, play
from tests.bench.postgres import fresh_database
from tests.bench.servers import TOKEN, Server, product

EVERY = 2.0  #: seconds, as the page's script asks
MOST = 1.2  #: how much longer the slowest hundredth of texts may take while people look
VIEWS = ("needs_person", "unanswered", "mine", "recent")
_SECRET = "bench-secret"
_HEAD = re.compile(rb"HTTP/1.1 (\d+)")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_LATER = re.compile(rb"retry-after: (\d+)", re.IGNORECASE)
_ETAG = re.compile(rb'etag: ("[^"]+")', re.IGNORECASE)


@dataclass
class Looked:
    """What people with an open inbox saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    answered: list[tuple[float, float]] = field(default_factory=list)  #: when, by the monotonic clock, and how long

    def during(self, begun: float, ended: float) -> list[float]:
        """Return how long those questions took that were answered in this time, in order."""
        return sorted(took for at, took in self.answered if begun <= at <= ended)

    def shares(self) -> str:
        """Return what was answered, in percent."""
        asked = max(1, sum(self.statuses.values()))
        return ", ".join(f"{status} {100 * count / asked:.0f}%" for status, count in self.statuses.most_common())


@dataclass
class Round:
    """One play without and one with people who look."""

    alone: Result
    watched: Result
    alone_cpu: float  #: seconds of processor time
    watched_cpu: float
    looked: Looked
    seconds: list[float]  #: each question of the watched play, in order

    def line(self) -> str:
        """Return what the people saw while texts came."""
        p50, p99 = percentile(self.seconds, 50), percentile(self.seconds, 99)
        rate = len(self.seconds) / self.watched.seconds
        return f"{rate:.0f} questions/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {self.looked.shares()}"

    @property
    def question_ms(self) -> float:
        """Return the processor time of one question, as what the watched play took more for each message."""
        more = self.watched_cpu - self.alone_cpu * self.watched.messages / self.alone.messages
        return 1000 * more / len(self.seconds)


def sessions(database_url: str, count: int) -> list[str]:
    """Hire staff who are signed in; return the cookies of their browsers."""
    engine, now = open_engine(database_url), datetime.now(UTC)
    app = Flask("cookies")
    app.secret_key = _SECRET
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    cookies = []
    with writing(engine) as conn:
        for number in range(count):
            by = Actor(None, "bench", "admin")
            staff_id = accounts.add(conn, by, f"look{number}@example.com", f"Look {number}", "support", now)
            row = staff.by_id(conn, staff_id)
            assert row is not None
            token = accounts.open_session(conn, row, now, "127.0.0.1", "bench", second_factor_due=False)
            cookies.append(f"regulars={signer.dumps({'token': token, '_permanent': True})}")
    engine.dispose()
    return cookies


async def _look(address: tuple[str, int], cookie: str, view: str, looked: Looked, stop: Any) -> None:
    """Ask for a list again and again over one connection."""
    path = f"/console/inbox/list?view={view}"
    head = f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nCookie: {cookie}\r\nX-Requested-With: fetch\r\n"
    etag, reader, writer = "", None, None
    await asyncio.sleep(random.random() * EVERY)
    while not stop.is_set():
        begun, pause = time.perf_counter(), EVERY
        try:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
            writer.write(f"{head}{etag}\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            length, status = _LENGTH.search(answer), _HEAD.match(answer)
            if length is not None:
                await reader.readexactly(int(length[1]))
        except (OSError, asyncio.IncompleteReadError):
            looked.statuses["connection lost"] += 1
            reader = writer = None
        else:
            looked.statuses[status[1].decode() if status else "?"] += 1
            looked.answered.append((time.monotonic(), time.perf_counter() - begun))
            if found := _ETAG.search(answer):
                etag = f"If-None-Match: {found[1].decode()}\r\n"
            if later := _LATER.search(answer):
                pause = max(EVERY, float(later[1]))
        await asyncio.sleep(pause)  # as the script: from the answer on
    if writer is not None:
        writer.close()


def _watch(address: tuple[str, int], cookies: Sequence[str], views: Sequence[str], stop: Any, results: Any) -> None:
    """Be all these people; the main of their process."""
    looked = Looked()

    async def everybody() -> None:
        await asyncio.gather(
            *(_look(address, cookie, views[number % len(views)], looked, stop) for number, cookie in enumerate(cookies))
        )

    with suppress(KeyboardInterrupt):
        asyncio.run(everybody())
    results.put(looked)


@contextmanager
def watching(server: Server, cookies: Sequence[str], views: Sequence[str]) -> Iterator[Looked]:
    """Let people look at the inbox during the block; what they saw is there when it has ended."""
    parts = urlsplit(server.url)
    context = multiprocessing.get_context("spawn")
    stop, results, seen = context.Event(), context.Queue(), Looked()
    address = (parts.hostname, parts.port)
    process = context.Process(target=_watch, args=(address, cookies, views, stop, results))
    process.start()
    try:
        time.sleep(2.5 * EVERY)  # the process starts, everybody has asked once
        yield seen
    finally:
        stop.set()
        found = results.get(timeout=60)
        seen.statuses, seen.answered = found.statuses, found.answered
        process.join()


def _play(server: Server, options: argparse.Namespace, first: int) -> tuple[Result, float]:
    before = server.cpu_seconds()
    result = play(server.url, TOKEN, server.url, options.customers, connections=options.connections, first=first)
    if result.failures:
        raise SystemExit(f"wrong answers {dict(result.failures)}")
    return result, server.cpu_seconds() - before


def one_round(server: Server, cookies: Sequence[str], options: argparse.Namespace, number: int) -> Round:
    """Play without and with people who look, in either order, with new customers each time."""
    plays: dict[bool, tuple[Result, float]] = {}
    looked, begun, ended = Looked(), 0.0, 0.0
    order = [False, True]
    random.shuffle(order)
    for watched in order:
        first = (2 * number + watched) * options.customers
        if watched:
            with watching(server, cookies, options.views) as looked:
                begun = time.monotonic()
                plays[True] = _play(server, options, first)
                ended = time.monotonic()
        else:
            plays[False] = _play(server, options, first)
    (alone, alone_cpu), (with_them, watched_cpu) = plays[False], plays[True]
    seconds = looked.during(begun, ended) or [0.0]
    return Round(alone, with_them, alone_cpu, watched_cpu, looked, seconds)


@contextmanager
def served(kind: str, options: argparse.Namespace) -> Iterator[tuple[Server, list[str]]]:
    """Run the product on a fresh database with people signed in."""
    with ExitStack() as stack:
        if kind == "postgres":
            url, workers = stack.enter_context(fresh_database()), options.web_workers
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url, workers = f"sqlite:///{Path(folder) / 'inboxes.db'}", 1
        upgrade(url)
        cookies = sessions(url, options.inboxes)
        yield stack.enter_context(product(url, WEB_WORKERS=str(workers))), cookies


def measure(kind: str, options: argparse.Namespace) -> float:
    """Play all rounds on one database, print, and return the median ratio of p99."""
    print(f"\n{options.inboxes} open inboxes, {options.connections} connections, {options.rounds} rounds, {kind}")
    rounds = []
    with served(kind, options) as (server, cookies):
        _play(server, argparse.Namespace(customers=50, connections=options.connections), first=900_000)
        for number in range(options.rounds):
            rounds.append(one_round(server, cookies, options, number))
            print("  " + rounds[-1].line(), flush=True)
    print(f"{'':10} {'without':>10} {'with':>10} {'ratio':>8}   (least to greatest)")
    for name in ("p50", "p95", "p99", "rate"):
        without = [getattr(each.alone, name) for each in rounds]
        watched = [getattr(each.watched, name) for each in rounds]
        ratios = sorted(a / b for a, b in zip(watched, without, strict=True))
        middle = statistics.median(ratios)
        figures = f"{statistics.median(without):10.1f} {statistics.median(watched):10.1f} {middle:8.2f}"
        print(f"{name:10} {figures}   ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    question = statistics.median(each.question_ms for each in rounds)
    message = statistics.median(1000 * each.alone_cpu / each.alone.messages for each in rounds)
    print(f"processor time of one question {question:.2f} ms, of one text {message:.2f} ms", flush=True)
    return statistics.median(each.watched.p99 / each.alone.p99 for each in rounds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; exit 1 when the slowest texts take more than a fifth longer while people look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inboxes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--customers", type=int, default=1_500)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--database", choices=("sqlite", "postgres"), nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--views", nargs="+", default=VIEWS, help="what they look at, in turn")
    parser.add_argument("--web-workers", type=int, default=1, help="the product's processes on PostgreSQL")
    options = parser.parse_args(arguments)
    return 0 if max(measure(kind, options) for kind in options.database) <= MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())

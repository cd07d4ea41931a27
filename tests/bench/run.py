"""`make bench`: the real server beside the conventional floor, in turns, in the same run.

These machines are noisy: single figures drift, so each round plays the floor and the product one after
the other and what counts is the ratio within a round. Usage: `python -m tests.bench.run [--rounds N]
[--customers N] [--connections 16 64] [--crowd 1000000] [--database sqlite postgres]`. On PostgreSQL both
get a fresh database each, on the server TEST_POSTGRES_URL names or the one of this machine.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage.database import open_engine
from storage.migrate import upgrade
from tests.bench.crowd import fill
from tests.bench.load import Result, play
from tests.bench.postgres import fresh_database
from tests.bench.servers import TOKEN, Server, floor, product


@dataclass
class Measured:
    """All rounds of one server."""

    server: Server
    results: list[Result] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  #: microseconds of processor time for each message

    def play(self, customers: int, connections: int, first: int) -> None:
        before = self.server.cpu_seconds()
        result = play(self.server.url, TOKEN, self.server.url, customers, connections=connections, first=first)
        if result.failures:
            raise SystemExit(f"{self.server.name}: wrong answers {dict(result.failures)}")
        self.results.append(result)
        self.cpu.append((self.server.cpu_seconds() - before) / result.messages * 1e6)

    def median(self, figure: Callable[[Result], float]) -> float:
        return statistics.median(figure(result) for result in self.results)

    def line(self) -> str:
        rate, p50, p95, p99 = (self.median(f) for f in FIGURES)
        cpu = statistics.median(self.cpu)
        return f"{self.server.name:24} {rate:7.0f} {p50:8.1f} {p95:8.1f} {p99:8.1f} {cpu:9.0f}"


def _rate(result: Result) -> float:
    return result.rate


def _p50(result: Result) -> float:
    return result.p50


def _p95(result: Result) -> float:
    return result.p95


def _p99(result: Result) -> float:
    return result.p99


FIGURES = (_rate, _p50, _p95, _p99)
HEAD = f"{'':24} {'msg/s':>7} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'CPU us/msg':>9}"


def ratio(ours: Measured, theirs: Measured, figure: Callable[[Result], float]) -> tuple[float, float, float]:
    """Return the least, the median and the greatest ratio of a figure over the rounds."""
    ratios = sorted(figure(a) / figure(b) for a, b in zip(ours.results, theirs.results, strict=True))
    return ratios[0], statistics.median(ratios), ratios[-1]


@contextmanager
def pair_on(kind: str, folder: Path, connections: int, web_workers: int) -> Iterator[tuple[Server, Server]]:
    """Run the floor and the product, each on a database of its own."""
    with ExitStack() as stack:
        if kind == "postgres":
            theirs, ours = (stack.enter_context(fresh_database()) for _ in range(2))
            more = {"WEB_WORKERS": str(web_workers)}
        else:
            theirs, ours = str(folder / f"floor{connections}.db"), f"sqlite:///{folder / f'product{connections}.db'}"
            more = {}
        yield stack.enter_context(floor(theirs)), stack.enter_context(product(ours, **more))


def against_floor(
    folder: Path, rounds: int, customers: int, connections: int, kind: str = "sqlite", web_workers: int = 1
) -> float:
    """Play the journey on both, in turns; print figures and return the median ratio of msg/s."""
    print(f"\nJourney of 8 texts, {customers} customers a round, {connections} connections, {rounds} rounds, {kind}")
    with pair_on(kind, folder, connections, web_workers) as (their_server, our_server):
        theirs, ours = Measured(their_server), Measured(our_server)
        for server in (theirs, ours):
            server.play(50, connections, first=900_000)  # warm up
            server.results.clear()
            server.cpu.clear()
        for number in range(rounds):
            pair = [theirs, ours]
            random.shuffle(pair)
            for each in pair:
                each.play(customers, connections, first=number * customers)
    print(HEAD, theirs.line(), ours.line(), sep="\n")
    for name, figure in (("msg/s", _rate), ("p50", _p50), ("p95", _p95), ("p99", _p99)):
        low, middle, high = ratio(ours, theirs, figure)
        print(f"ratio to the floor, {name:6} {middle:5.2f}   ({low:.2f} to {high:.2f})", flush=True)
    return ratio(ours, theirs, _rate)[1]


def against_size(folder: Path, rounds: int, customers: int, crowd: int, small: int = 1_000) -> float:
    """Play on a small and a large database in turns; return the ratio of the cost of a message."""
    print(f"\nThe same with {small:,} and with {crowd:,} customers in the database, 16 connections")
    urls = {}
    for size in (small, crowd):
        urls[size] = f"sqlite:///{folder / f'crowd{size}.db'}"
        upgrade(urls[size])
        engine = open_engine(urls[size])
        fill(engine, size)
        engine.dispose()
    dice = random.Random(7)
    with ExitStack() as stack:
        few = Measured(stack.enter_context(product(urls[small], f"{small:,} customers")))
        many = Measured(stack.enter_context(product(urls[crowd], f"{crowd:,} customers")))
        for each in (few, many):
            each.play(50, 16, first=1_900_000)
            each.results.clear()
            each.cpu.clear()
        for number in range(rounds):
            pair = [few, many]
            random.shuffle(pair)
            for each in pair:
                size = small if each is few else crowd
                count = min(customers, small // max(1, rounds))
                start = number * count if each is few else dice.randrange(size - count)
                each.play(count, 16, first=start)
    print(HEAD, few.line(), many.line(), sep="\n")
    costs = sorted(b / a for a, b in zip(few.cpu, many.cpu, strict=True))
    print(
        f"cost of a message, {crowd:,} to {small:,}: {statistics.median(costs):.2f} ({costs[0]:.2f} to {costs[-1]:.2f})"
    )
    slower = sorted(a.rate / b.rate for a, b in zip(few.results, many.results, strict=True))
    print(f"time of a message, {crowd:,} to {small:,}: {statistics.median(slower):.2f}")
    return statistics.median(costs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; exit 1 when the product is slower than the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--customers", type=int, default=400)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--crowd", type=int, default=0, help="also compare 1,000 customers with this many")
    parser.add_argument("--database", choices=("sqlite", "postgres"), nargs="+", default=["sqlite"])
    parser.add_argument(
        "--web-workers", type=int, default=1, help="the product's processes on PostgreSQL; the floor has two"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ratios = [
            against_floor(folder, options.rounds, options.customers, count, kind, options.web_workers)
            for kind in options.database
            for count in options.connections
        ]
        if options.crowd:
            against_size(folder, options.rounds, options.customers, options.crowd)
    return 0 if min(ratios) >= 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())

"""How fast the console is when the shop is large: `python -m tests.bench.console [--customers N] [--texts N]`.

Makes a database with customers and texts of a year and their index, and asks each query many times. On
PostgreSQL it makes a fresh database on the server TEST_POSTGRES_URL names, or the one of this machine, and drops it.
`--keep URL` uses a database that a run before has made, or makes it there. More pages: add to `PAGES`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from bot.desk import searching
from bot.desk.actor import Actor
from storage import customers
from storage.database import open_engine, reading
from storage.migrate import upgrade
from tests.bench.postgres import fresh_database
from tests.bench.shop import code, make

Page = Callable[[Engine], object]
CODE = code(500)
LISA = Actor(None, "bench", "support")


@contextmanager
def database(kind: str, keep: str | None) -> Iterator[Engine]:
    """Give an engine on a migrated database: a fresh one, or the one to keep."""
    with tempfile.TemporaryDirectory() as folder:
        if keep:
            url = keep
            upgrade(url)
            engine = open_engine(url)
            yield engine
            engine.dispose()
        elif kind == "sqlite":
            url = f"sqlite:///{Path(folder) / 'console.db'}"
            upgrade(url)
            engine = open_engine(url)
            yield engine
            engine.dispose()
        else:
            with fresh_database() as url:
                upgrade(url)
                engine = open_engine(url)
                yield engine
                engine.dispose()


#: What is asked, and how: each query of a line once in every round.
SEARCHES = {
    "rare word": ("walnut", "quokka", "w1a2f walnut", "nobodysword"),
    "common word": ("coffee", "my", "points", "reply"),
    "common words": ("coffee points", "reply coffee", "my card lost", "thank you shop"),
    "common words never together": ("dog reply", "balance coffee", "open lost", "yes never"),
    "a season's word": ("pumpkin", "pumpkin coffee"),
    "phrase": ('"never got my coffee"', '"my usual"', '"got coffee my"', '"you do i"'),
    "beginning": ("co", "cof", "nev", "po", "w1", "w1a", "never got my cof"),
    "part of a number": ("555", "2015", "0123", "5550", "77019", "201 555", "(201) 001-"),
    "name": ("ana lopez", "müller", "ana", "lop", "rosa mul", "ana 0123"),
    "e-mail": ("ana.lopez1540@example.com", "example.com", "lopez1540"),
    "code": (CODE, CODE[:4], CODE[:2], "K7MR-2X", "k7mr", "2A"),
    "as one types": ("n", "ne", "nev", "never", "never g", "never go", "never got", "never got m", "never got my c"),
}


def measure(engine: Engine, rounds: int, pages: dict[str, Page]) -> None:
    """Print how long each page takes, in milliseconds."""
    print(f"{'':32} {'median':>8} {'p95':>8} {'undisturbed, the slowest':>25}")
    for name, page in pages.items():
        _print(name, [_timed(engine, rounds, page)])
    everything: list[list[float]] = []
    for name, queries in SEARCHES.items():
        found = [_timed(engine, rounds, partial(_search, query)) for query in queries]
        everything += found
        _print("search: " + name, found)
    _print("search: all of these", everything)


def _search(query: str, engine: Engine) -> object:
    return searching.find(engine, LISA, query, datetime.now(UTC))


def _timed(engine: Engine, rounds: int, page: Page) -> list[float]:
    page(engine)
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        page(engine)
        times.append((time.perf_counter() - begun) * 1000)
    return times


def _print(name: str, found: list[list[float]]) -> None:
    """Print all times together; and, of the least time of each query, the greatest: on a busy machine what counts."""
    times = sorted(time for each in found for time in each)
    p95 = times[int(len(times) * 0.95)]
    print(f"{name:32} {statistics.median(times):8.1f} {p95:8.1f} {max(map(min, found)):25.1f}", flush=True)


#: Other pages of the console, by name.
PAGES: dict[str, Page] = {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, index, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--database", choices=("sqlite", "postgres"), nargs="+", default=["postgres", "sqlite"])
    parser.add_argument("--keep", help="URL of a database to use or to make and keep")
    options = parser.parse_args(arguments)
    for kind in ["kept"] if options.keep else options.database:
        print(f"\n{options.customers:,} customers, {options.texts:,} texts, {kind}", flush=True)
        with database(kind, options.keep) as engine:
            with reading(engine) as conn:
                empty = customers.count(conn) == 0
            begun = time.perf_counter()
            if empty:
                make(engine, options.customers, options.texts)
                print(f"made in {time.perf_counter() - begun:.0f} s", flush=True)
            measure(engine, options.rounds, PAGES)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What a shop of any size needs on PostgreSQL: measured bytes and rates, and the arithmetic to 100 million customers.

Plays the journey through the real turns on a fresh database, measures what a text leaves behind (heap, indexes,
write-ahead log) and how many turns a second one connection makes; then prints the table of docs/scaling.md.
`python -m tests.bench.capacity [--customers 300]`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from bot.app import build_services
from bot.engine.events import MessageReceived
from bot.services import Services
from bot.settings import load_settings
from storage.database import reading
from storage.ids import moment_of, next_id
from tests.bench.load import JOURNEY, SHOP, phone_number
from tests.bench.postgres import fresh_database
from tests.bench.servers import product_environment

SIZES = (100_000, 1_000_000, 10_000_000, 100_000_000)
TEXTS_IN = 1.5  #: a month from each customer, an assumption
TEXTS_OUT = 5.5  #: a month to each customer: answers, service, and at most 4 marketing texts, an assumption
PEAK = 12  #: the busiest second beside the average one, an assumption: a campaign's answers at noon
SHARD_BYTES = 1_000_000_000_000  #: a backup of more takes longer than a night
HEADROOM = 0.4  #: of the measured rate is planned with
BUCKETS = 4_096
TEN_DLC = 75  #: segments a second of the best 10DLC campaign; a short code does 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What one database showed."""

    turns_a_second: float
    bytes_in: float  #: heap and indexes that one text with its answer leaves behind
    bytes_customer: float  #: the customer's own row with its indexes
    wal: float  #: bytes of write-ahead log for one text with its answer


def _sizes(engine: Engine) -> dict[str, int]:
    query = "select relname, pg_total_relation_size(oid) as size from pg_class where relkind = 'r' and relnamespace ="
    with reading(engine) as conn:
        return {row.relname: row.size for row in conn.execute(text(query + " 'public'::regnamespace"))}


def _position(engine: Engine) -> int:
    with reading(engine) as conn:
        return int(conn.execute(text("select pg_current_wal_lsn() - '0/0'::pg_lsn")).scalar_one())


def _play(shop: Services, first: int, count: int, group: int) -> int:
    turns = 0
    for base in range(first, first + count, group):
        for step, body in enumerate(JOURNEY):
            now = shop.clock.now()
            numbers = range(base, min(base + group, first + count))
            texts = [MessageReceived(f"SM{i}-{step}", phone_number(i), SHOP, body, now) for i in numbers]
            shop.turns.take(texts, now)
            turns += len(texts)
    return turns


def measure(count: int, group: int = 8) -> Measured:
    """Play `count` journeys in groups on a fresh database."""
    with fresh_database() as url:
        shop = build_services(load_settings(product_environment(url, 8000)))
        _play(shop, 0, group, group)  # plans and caches
        before, log = _sizes(shop.engine), _position(shop.engine)
        started = time.perf_counter()
        turns = _play(shop, 1_000, count, group)
        seconds = time.perf_counter() - started
        after, wal = _sizes(shop.engine), _position(shop.engine) - log
        shop.engine.dispose()
    grown = {name: after[name] - before[name] for name in after}
    people = grown.pop("customers")
    return Measured(turns / seconds, sum(grown.values()) / turns, people / count, wal / turns)


@dataclass(frozen=True, slots=True)
class Plan:
    """What so many customers need."""

    customers: int
    in_peak: float
    month: float  #: bytes a month
    partition: float  #: bytes of one month's messages on one shard
    shards: int
    wal: float  #: bytes of write-ahead log in the busiest second, all shards
    senders: int


def plan(customers: int, seen: Measured) -> Plan:
    """Return what so many customers need, with thirteen months of messages kept."""
    second = 30 * 86_400
    in_peak = customers * TEXTS_IN / second * PEAK
    out_alone = customers * (TEXTS_OUT - TEXTS_IN)
    message = seen.bytes_in / 2  # a text and its answer are two
    month = customers * TEXTS_IN * seen.bytes_in + out_alone * message
    kept = customers * seen.bytes_customer + 13 * month
    by_size, by_rate = kept / SHARD_BYTES, in_peak / (seen.turns_a_second * HEADROOM)
    shards = max(1, int(-(-max(by_size, by_rate) // 1)))
    wal = in_peak * seen.wal
    senders = max(1, int(-(-(customers * TEXTS_OUT / 22 / (10 * 3_600)) // TEN_DLC)))  # 22 days of 10 open hours
    return Plan(customers, in_peak, month, month / shards, shards, wal, senders)


def balance(count: int = 400_000, processes: int = 40) -> dict[str, float]:
    """Return how full the fullest of 4,096 buckets is beside the average, by two ways of choosing a bucket."""
    dice = random.Random(3)
    nodes = [dice.getrandbits(15) << 7 for _ in range(processes)]
    start = (next_id() >> 22) << 22
    ids = [start + (dice.randrange(10**9) << 22) + dice.choice(nodes) for _ in range(count)]
    found = {}
    for name, bucket in (("id % 4096", lambda i: i % BUCKETS), ("hash(id) % 4096", lambda i: mixed(i) % BUCKETS)):
        full = Counter(map(bucket, ids))
        found[name] = max(full.values()) / (count / BUCKETS)
    return found


def mixed(identifier: int) -> int:
    """Return an id's bits well stirred (splitmix64), as a router in any language can."""
    value = (identifier ^ (identifier >> 30)) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & (1 << 64) - 1
    return value ^ (value >> 31)


def partition_bounds(year: int, month: int) -> tuple[int, int]:
    """Return the ids between which all messages of a month lie: ids begin with their moment."""
    first = datetime(year, month, 1, tzinfo=UTC)
    after = (first + timedelta(days=32)).replace(day=1)
    epoch = moment_of(0)
    low, high = (int((moment - epoch) / timedelta(milliseconds=1)) << 22 for moment in (first, after))
    return low, high


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, calculate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rounds = [measure(options.customers) for _ in range(options.rounds)]
    seen = Measured(*(statistics.median(getattr(each, name) for each in rounds) for name in Measured.__slots__))
    print(f"one writer: {seen.turns_a_second:,.0f} turns/s; a text and its answer leave {seen.bytes_in:,.0f} bytes,")
    print(f"{seen.wal:,.0f} bytes of write-ahead log; a customer {seen.bytes_customer:,.0f} bytes\n")
    print("| customers | texts in, peak/s | GB a month | shards | GB a partition | WAL peak, MB/s | 10DLC senders |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for size in SIZES:
        each = plan(size, seen)
        print(
            f"| {size:,} | {each.in_peak:,.1f} | {each.month / 1e9:,.1f} | {each.shards} | {each.partition / 1e9:,.1f}"
            f" | {each.wal / 1e6:,.2f} | {each.senders:,} |"
        )
    print()
    for name, fullest in balance().items():
        print(f"{name}: the fullest of {BUCKETS} buckets holds {fullest:.2f} times the average")
    low, high = partition_bounds(2026, 12)
    print(f"messages of December 2026: ids from {low} up to, not including, {high}")


if __name__ == "__main__":
    main()

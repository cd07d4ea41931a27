"""Outbound: the drain of a full outbox beside a bare sender, in the same run.

The bare sender posts the same texts with the same HTTP client and concurrency, and no database. The carrier
is the fake one, in a process of its own. `python -m tests.bench.outbound --messages 3000` prints both rates
and their ratio, on SQLite and on PostgreSQL (TEST_POSTGRES_URL, else localhost) when there is one. `--workers 2`
compares two worker processes with one instead, `--campaign 100000` a customer's answer while a campaign drains with
the same when nothing else is to be done; `--latency` is the carrier's then, `--rate` what the sender may.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine

from bot.carrier.fake import ACCOUNT, TOKEN
from bot.carrier.port import Outgoing, StatusReported
from bot.carrier.twilio import TwilioCarrier
from bot.catalog import Catalog
from bot.delivery import Delivery, Statuses
from bot.delivery.crew import Crew, Outcome
from bot.settings import ROOT, Settings
from storage import consent, customers, messages
from storage.database import open_engine, reading, writing
from storage.ids import next_id
from storage.migrate import upgrade
from storage.rows import Row
from tests.bench import campaign
from tests.bench.servers import free_port
from tests.databases import CANDIDATES, Server
from tests.shop import NOON

SHOP = "+12015550100"
TEXT = "Your points are waiting: 120 of them buy a latte today. Reply STOP to leave."


@contextmanager
def fake_carrier() -> Iterator[str]:
    """Run the fake carrier as a process of its own and give its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "fake-carrier", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(url + "/log", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def carrier_at(url: str) -> TwilioCarrier:
    """Return the product's own client for it."""
    return TwilioCarrier(
        Settings(
            database_url="sqlite:///unused.db",
            secret_key="bench",
            account_sid=ACCOUNT,
            auth_tokens=(TOKEN,),
            sender=SHOP,
            api_base_url=url,
        )
    )


def bare(carrier: TwilioCarrier, count: int, concurrency: int) -> tuple[float, float]:
    """Post `count` texts from threads, nothing else; return texts a second and our CPU for each in µs."""

    def attempt(row: Row) -> Outcome:
        return Outcome(row, "sent", carrier.send(Outgoing(row["id"], row["to"], SHOP, TEXT, "")).sid)

    rows = [{"id": i, "customer_id": i, "to": f"+1303{i:07}"} for i in range(count)]
    started, cpu = time.perf_counter(), time.process_time()
    with Crew(attempt, concurrency) as crew:
        crew.give(rows)
        while crew.in_flight:
            crew.gather()
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count * 1e6


def fill(engine: Engine, count: int, purpose: str, at: datetime = NOON) -> None:
    """Queue `count` texts, due `at`, to customers of their own."""
    with reading(engine) as conn:
        before = customers.count(conn)
    people = [
        {"id": next_id(), "phone": f"+1303{before + i:07}", "zone": "America/New_York", "created_at": NOON}
        for i in range(count)
    ]
    rows = [
        {
            "id": next_id(),
            "customer_id": one["id"],
            "direction": "out",
            "sender": SHOP,
            "recipient": one["phone"],
            "body": TEXT,
            "state": "queued",
            "purpose": purpose,
            "flow": "campaign",
            "segments": 1,
            "created_at": at,
            "send_after": at,
        }
        for one in people
    ]
    with writing(engine) as conn:
        customers.insert_missing(conn, people)
        agreed = {"status": "subscribed", "how": "keyword", "at": NOON}
        consent.insert(conn, [{"id": next_id(), "customer_id": one["id"], **agreed} for one in people])
        messages.insert(conn, rows)


def drain(engine: Engine, carrier: TwilioCarrier, count: int, concurrency: int, purpose: str) -> tuple[float, float]:
    """Fill the outbox and drain it as the worker does; return texts a second and our CPU for each in µs."""
    fill(engine, count, purpose)
    catalog = Catalog(engine, ROOT / "flows")
    catalog.refresh(NOON)
    delivery = Delivery(engine, catalog, carrier, "", concurrency=concurrency)
    started, cpu = time.perf_counter(), time.process_time()
    done = delivery.work(lambda: NOON)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert done == count, (done, count)
    return count / seconds, cpu / count * 1e6


def statuses(engine: Engine, count: int) -> float:
    """Apply two callbacks for each of `count` sent texts in the server's groups of 64; return callbacks a second."""
    ids = [next_id() for _ in range(count)]
    with writing(engine) as conn:
        row: dict[str, Any] = {"direction": "out", "sender": SHOP, "recipient": "+13035550100", "state": "sending"}
        messages.insert(
            conn, [{**row, "id": i, "purpose": "service", "created_at": NOON, "send_after": NOON} for i in ids]
        )
    reports = [
        StatusReported(f"SM{i:032x}", state, None, i, {"MessageSid": f"SM{i:032x}", "To": "+13035550100"}, NOON)
        for i in ids
        for state in ("sent", "delivered")
    ]
    taker, started = Statuses(engine), time.perf_counter()
    for first in range(0, len(reports), 64):
        taker.take(reports[first : first + 64])
    return len(reports) / (time.perf_counter() - started)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give a fresh SQLite file and, where there is a server, a fresh PostgreSQL database."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"SQLite": f"sqlite:///{Path(folder) / 'bench.db'}"}
        server, database = None, ""
        for url in CANDIDATES:
            try:
                server = Server(url)
                database = server.create()
                found["PostgreSQL"] = server.url_of(database)
                break
            except psycopg.OperationalError:
                server = None
        try:
            yield found
        finally:
            if server is not None:
                server.drop(database)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--purpose", default="marketing", choices=("reply", "service", "marketing"))
    parser.add_argument("--workers", type=int, help="so many worker processes beside one")
    parser.add_argument("--campaign", type=int, help="texts of a campaign that drains while a customer writes")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds until the carrier answers, for those two")
    parser.add_argument("--rate", default="unlimited", help="SENDING_RATE during the campaign")
    options = parser.parse_args()
    if options.workers or options.campaign:
        with fake_carrier() as url:
            if options.workers:
                campaign.compare_workers(fill, url, options.messages, options.workers, options.latency, options.rounds)
            if options.campaign:
                campaign.under_campaign(fill, url, options.campaign, options.latency, options.rate)
        return
    with fake_carrier() as url, databases() as urls:
        carrier = carrier_at(url)
        bare(carrier, 200, options.concurrency)
        for name, database_url in urls.items():
            upgrade(database_url)
            engine = open_engine(database_url)
            _compare(name, engine, carrier, options)
            engine.dispose()
        print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _compare(name: str, engine: Engine, carrier: TwilioCarrier, options: argparse.Namespace) -> None:
    pairs = []
    for _ in range(options.rounds):
        (alone, alone_cpu), (drained, drained_cpu) = (
            bare(carrier, options.messages, options.concurrency),
            drain(engine, carrier, options.messages, options.concurrency, options.purpose),
        )
        pairs.append((alone, drained))
        cpu = f"our CPU for each {alone_cpu:.0f} and {drained_cpu:.0f} µs"
        print(f"{name}: bare {alone:,.0f}/s, drain {drained:,.0f}/s, ratio {drained / alone:.2f}; {cpu}")
    print(f"{name}: median ratio {statistics.median(drained / alone for alone, drained in pairs):.2f}")
    print(f"{name}: status callbacks {statuses(engine, options.messages):,.0f}/s")


if __name__ == "__main__":
    main()

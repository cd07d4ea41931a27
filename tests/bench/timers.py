"""Many timers due at once: how fast they are drained, beside a bare loop that only claims and deletes.

    python -m tests.bench.timers --count 1000000 --database sqlite

Two kinds. `void`: deadlines of conversations that have moved on, the usual fate of a timer. `live`: reminders
that start a flow and say something: a conversation, a message, a tag and the next timer for each. The bare
loop claims the same rows in the same groups in the same run and does nothing with them.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from bot import schedule, telemetry
from bot.catalog import Catalog
from bot.schedule import Schedule
from bot.settings import ROOT, Settings
from bot.turn import Turns
from storage import consent, customers, migrate, timers
from storage.database import open_engine, writing
from storage.ids import next_id
from storage.rows import insert_rows
from tests.bench.load import phone_number
from tests.bench.postgres import fresh_database

NOW = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
_CHUNK = 20_000
_PAGE = 4096  # bytes, as /proc counts


def main() -> None:
    """Fill, drain bare, fill again, drain through the turns; print rates and memory."""
    about = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    about.add_argument("--count", type=int, default=1_000_000, help="timers due at once, one for each customer")
    about.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    about.add_argument("--kind", choices=("void", "live"), default="void")
    about.add_argument("--batch", type=int, default=schedule.BATCH, help="timers in one transaction")
    given = about.parse_args()
    telemetry.configure("CRITICAL")
    schedule.BATCH = given.batch
    with _database(given.database) as url:
        migrate.upgrade(url)
        engine = open_engine(url)
        people = _people(engine, given.count)
        _fill(engine, people, given.kind)
        bare = _timed("bare claim and delete", given.count, lambda: _drain_bare(engine, given.batch))
        _fill(engine, people, given.kind)
        settings = Settings(database_url=url, secret_key="bench", auth_tokens=("t",), sender="+12015550100")
        catalog = Catalog(engine, ROOT / "flows")
        catalog.refresh(NOW)
        ticking = Schedule(engine, catalog, Turns(engine, catalog, settings))
        ours = _timed("timers into turns", given.count, lambda: _drain(ticking))
        print(f"{given.database}, {given.kind}, groups of {given.batch}: {ours / bare:.2f} of the bare loop")
        engine.dispose()


def _timed(what: str, count: int, drain: object) -> float:
    """Run a drain and print its rate and how the process grew."""
    assert callable(drain)
    before, started = _resident(), time.perf_counter()
    done = drain()
    seconds = time.perf_counter() - started
    assert done == count, (done, count)
    print(f"{what}: {count:,} in {seconds:.1f} s, {count / seconds:,.0f}/s; memory {before} -> {_resident()} MB")
    return count / seconds


def _drain_bare(engine: Engine, batch: int) -> int:
    done = 0
    while True:
        with writing(engine) as conn:
            rows = timers.take_due(conn, NOW, batch)
        if not rows:
            return done
        done += len(rows)


def _drain(ticking: Schedule) -> int:
    """Fire until none is left, and say on the way how much memory is held."""
    done = 0
    while fired := ticking.fire_timers(NOW):
        done += fired
        print(f"  {done:,} fired, {_resident()} MB")
    return done


def _people(engine: Engine, count: int) -> list[int]:
    """Make subscribed customers; return their ids."""
    found = []
    for start in range(0, count, _CHUNK):
        chunk = [(next_id(), phone_number(index)) for index in range(start, min(count, start + _CHUNK))]
        with writing(engine) as conn:
            rows = [{"id": who, "phone": phone, "language": "en", "created_at": NOW} for who, phone in chunk]
            insert_rows(conn, customers.customers, rows)
            agreed = {"status": "subscribed", "how": "import", "at": NOW - timedelta(days=1)}
            consent.insert(conn, [{**agreed, "id": next_id(), "customer_id": who} for who, _ in chunk])
        found += [who for who, _ in chunk]
    return found


def _fill(engine: Engine, people: list[int], kind: str) -> None:
    for start in range(0, len(people), _CHUNK):
        rows = [_timer(who, kind) for who in people[start : start + _CHUNK]]
        with writing(engine) as conn:
            timers.insert(conn, rows)


def _timer(who: int, kind: str) -> dict[str, object]:
    base = {"id": next_id(), "customer_id": who, "due_at": NOW - timedelta(minutes=1), "slots": {}}
    if kind == "live":
        return {**base, "kind": "reminder", "scope": "welcome", "flow": "welcome"}
    return {**base, "kind": "deadline", "scope": "1:1", "conversation_id": 1, "turn_no": 1, "step": 0}


@contextmanager
def _database(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with fresh_database() as url:
            yield url
        return
    folder = tempfile.mkdtemp()
    try:
        yield f"sqlite:///{Path(folder) / 'timers.db'}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _resident() -> int:
    """Return the memory this process holds, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE // 1_000_000


if __name__ == "__main__":
    main()

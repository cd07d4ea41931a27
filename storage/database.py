"""How the database is opened, and what a transaction is.

SQLite and PostgreSQL are equals: `open_engine` hides the difference in connecting, `reading` and
`writing` hide the difference in locking, `storage.columns` the difference in types.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError

from storage.columns import to_json

BUSY_SECONDS = 5.0
_POSTGRES_OPTIONS = f"-c timezone=UTC -c lock_timeout={int(BUSY_SECONDS * 1000)}"


def normal_url(url: str) -> URL:
    """Return the URL with its driver: `postgres://` and `postgresql://` mean psycopg 3.

    Raises ValueError for another database than SQLite (in a file) or PostgreSQL.
    """
    if url.startswith("postgres://"):
        url = "postgresql" + url.removeprefix("postgres")
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ValueError(f"neither SQLite nor PostgreSQL: {parsed.drivername}")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("the embedded database needs a file, such as sqlite:///var/regulars.db")
    return parsed


def open_engine(url: str) -> Engine:
    """Return an engine for `sqlite:///file` or `postgresql://...`. Nothing connects yet."""
    parsed = normal_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed)
    engine = create_engine(
        parsed,
        pool_size=10,
        max_overflow=20,
        pool_timeout=30,
        query_cache_size=2000,
        hide_parameters=True,  # they are texts and numbers of customers; errors are logged
        connect_args={"options": _POSTGRES_OPTIONS} if "options" not in parsed.query else {},
        json_serializer=to_json,
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_ping_when_idle, engine.dialect))
    return engine


_IDLE_SECONDS = 2.0


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_when_idle(dialect: Dialect, connection: Any, record: Any, _proxy: object) -> None:
    """Look whether a connection still lives, unless it was used a moment ago: a look costs as much as a statement."""
    used = record.info.get("used")
    if used is None or time.monotonic() - used < _IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except Exception as trouble:
        raise DisconnectionError from trouble


def _open_sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=56,
        query_cache_size=2000,
        hide_parameters=True,
        connect_args={
            "check_same_thread": False,
            "isolation_level": None,  # BEGIN is ours, see _begin
            "timeout": BUSY_SECONDS,
            "cached_statements": 1024,
        },
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    for pragma in (
        f"busy_timeout = {int(BUSY_SECONDS * 1000)}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -65536",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


_queues: dict[str, threading.Lock] = {}

_queues_guard = threading.Lock()


def _queue_of(engine: Engine) -> threading.Lock:
    """Return the lock on which writers of this process wait for a SQLite file.

    SQLite's own wait is a sleep that grows to 100 ms; threads wake each other up at once.
    """
    path = str(Path(engine.url.database or "").resolve())
    with _queues_guard:
        return _queues.setdefault(path, threading.Lock())


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that may write; commit at the end, roll back on an error."""
    calls: Sequence[Callable[[], object]] = ()
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            connection.info.pop(_AFTER, None)  # of a transaction that was rolled back
            with connection.begin():
                yield connection
            calls = connection.info.pop(_AFTER, ())
    else:
        queue = _queue_of(engine)
        if not queue.acquire(timeout=6 * BUSY_SECONDS):
            raise TimeoutError("the embedded database was busy for too long")
        try:
            with engine.connect() as connection:
                connection = connection.execution_options(writes=True)
                connection.info.pop(_AFTER, None)
                with connection.begin():
                    yield connection
                calls = connection.info.pop(_AFTER, ())
        finally:
            queue.release()
    for call in calls:
        call()


_AFTER = "after commit"


def after_commit(connection: Connection, call: Callable[[], object]) -> None:
    """Let `writing` make this call once the transaction is committed; a rollback forgets it."""
    connection.info.setdefault(_AFTER, []).append(call)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that only reads. It never waits for writers."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def alone(engine: Engine) -> Iterator[Any]:
    """Give the driver's own connection outside any transaction, for what allows none, such as VACUUM.

    Other writers of this process wait meanwhile where the database has but one. The connection is not used again.
    """
    queue = _queue_of(engine) if engine.dialect.name == "sqlite" else threading.Lock()
    if not queue.acquire(timeout=6 * BUSY_SECONDS):
        raise TimeoutError("the embedded database was busy for too long")
    try:
        connection = engine.raw_connection()
        try:
            if engine.dialect.name == "postgresql":
                cast(Any, connection.driver_connection).autocommit = True
            yield connection.driver_connection
        finally:
            connection.invalidate()
    finally:
        queue.release()

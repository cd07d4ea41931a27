"""Scrubbing: the database's own files are rewritten, so that what was deleted lies in none of them any more.

A deleted row is gone for every query, but its bytes stay in the file until they are overwritten. SQLite's VACUUM
copies what is left into new pages and the checkpoint empties the write-ahead log; PostgreSQL's VACUUM FULL writes
new files for tables and indexes, and its ANALYZE forgets sample values. https://sqlite.org/lang_vacuum.html,
https://www.postgresql.org/docs/current/sql-vacuum.html
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine

from storage import search
from storage.database import alone, reading, writing
from storage.holdings import HOLDINGS
from storage.shelves import vocabulary

BUSY = (sqlite3.Error, psycopg.Error)  #: what a driver raises when somebody else holds on to the files
_IN_MEMORY = 64 * 1024 * 1024  # bytes; a larger file is copied by way of the disk
_PATIENCE = 25  # looks, a fifth of a second apart, for transactions that began before the erasure to end
_NAMES = sorted({vocabulary.name, *(holding.table.name for holding in HOLDINGS if holding.erasing != "keep")})
#: VACUUM FULL carries over what any transaction may still see: one of this database that began before, and by way of
#: its own snapshot whatever is older than the oldest one that is being written in the whole cluster.
_ALL_PAST = """SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %(now)s::xid8 AND NOT EXISTS (
    SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()
    AND age(backend_xmin) > age(%(now)s::xid))"""
#: Columns whose sample values PostgreSQL keeps although the table is empty: ANALYZE passes over an empty table.
_SAMPLED = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    JOIN pg_stats USING (attname) WHERE attrelid = %s::regclass AND tablename = %s AND schemaname = current_schema()"""


def securely(connection: Connection) -> None:
    """Let SQLite overwrite with zeros what this connection deletes from now on. PostgreSQL has nothing like it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def size(engine: Engine) -> int:
    """Return how many bytes would be rewritten."""
    if engine.dialect.name == "sqlite":
        return Path(engine.url.database or "").stat().st_size
    with reading(engine) as connection:
        found = connection.exec_driver_sql(
            "SELECT coalesce(sum(pg_total_relation_size(name::regclass)), 0) FROM unnest(%s::text[]) AS name", (_NAMES,)
        )
        return int(found.scalar_one())


def scrub(engine: Engine) -> bool:
    """Rewrite the files; False when somebody still reads what was deleted, so that it has to be done again.

    On SQLite writers wait meanwhile and readers do not; on PostgreSQL each table is locked while it is rewritten.
    Raises BUSY or TimeoutError when somebody else holds a lock for too long.
    """
    with writing(engine) as connection:
        search.scrub(connection)
    with alone(engine) as driver:
        return _scrub_file(driver, size(engine)) if engine.dialect.name == "sqlite" else _scrub_tables(driver)


def _scrub_file(driver: Any, bytes_: int) -> bool:
    if bytes_ > _IN_MEMORY:
        driver.execute("PRAGMA temp_store = FILE")
    driver.execute("VACUUM")
    busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _scrub_tables(driver: Any) -> bool:
    if not _alone_with_now(driver):
        return False
    driver.execute("VACUUM (FULL, ANALYZE) " + ", ".join(f'"{name}"' for name in _NAMES))
    for name in _NAMES:
        _forget_samples(driver, name)
    if not _alone_with_now(driver):  # somebody may have begun meanwhile who still sees the old samples
        return False
    driver.execute("VACUUM (FULL) pg_catalog.pg_statistic")
    return True


def _alone_with_now(driver: Any) -> bool:
    """Wait until nobody sees what was there before this moment; False when somebody takes too long."""
    horizon = driver.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()[0]
    for _ in range(_PATIENCE):
        if driver.execute(_ALL_PAST, {"now": horizon}).fetchone()[0]:
            return True
        driver.execute("SELECT pg_sleep(0.2)")
    return False


def _forget_samples(driver: Any, table: str) -> None:
    """Make PostgreSQL forget the samples of an empty table; declaring a column's type anew is what does."""
    if driver.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone():  # noqa: S608 (a name of ours)
        return
    for column, type_ in driver.execute(_SAMPLED, (table, table)).fetchall():
        driver.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {type_}')

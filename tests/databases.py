"""Databases for tests: a migrated one for every test, made cheaply, on SQLite and on PostgreSQL.

`database_url` runs each test on both. PostgreSQL is found by TEST_POSTGRES_URL, else on localhost;
without one its tests are skipped, under CI=true they fail. Each session makes its own database and drops it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from storage import migrate
from storage.database import open_engine

CANDIDATES = ("postgresql://root@127.0.0.1:5432/test", "postgresql://postgres@127.0.0.1:5432/postgres")
BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@dataclass
class Server:
    """A PostgreSQL server on which databases may be made."""

    url: str
    _cleaners: dict[str, psycopg.Connection[tuple[object, ...]]] = field(default_factory=dict, repr=False)

    def connect(self, database: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url_of(database) if database else self.url, autocommit=True, connect_timeout=3)

    def url_of(self, database: str) -> str:
        head, _, query = self.url.partition("?")
        return f"{head.rpartition('/')[0]}/{database}{'?' if query else ''}{query}"

    def create(self) -> str:
        database = f"regulars_test_{os.getpid()}_{secrets.token_hex(4)}"
        with self.connect() as connection:
            name = sql.Identifier(database)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
            # A test's database need not outlive a power cut, so no commit waits for the disk.
            connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
        return database

    def drop(self, database: str) -> None:
        if database in self._cleaners:
            self._cleaners.pop(database).close()
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def empty(self, database: str) -> None:
        """Remove every row. Triggers are off meanwhile, as some of them exist to forbid this."""
        connection = self._cleaner(database)
        with connection.transaction():
            filled = [table for (table,) in connection.execute(_FILLED)]
            deletes = (sql.SQL("DELETE FROM {}").format(sql.Identifier(str(table))) for table in filled)
            connection.execute(sql.SQL("; ").join(deletes))

    def _cleaner(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """Return the connection that empties a database, the same each time."""
        if database not in self._cleaners:
            connection = self._cleaners[database] = self.connect(database)
            connection.execute("SET lock_timeout = '10s'; SET session_replication_role = replica")
        return self._cleaners[database]


_FILLED = sql.SQL(" UNION ALL ").join(
    sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(table, sql.Identifier(table))
    for table in migrate.metadata.tables
)


@pytest.fixture(scope="session")
def postgres_server() -> Server:
    """The PostgreSQL server, or a skip (under CI a failure) that says what was tried."""
    given = os.environ.get("TEST_POSTGRES_URL")
    tried = []
    for url in (given,) if given else CANDIDATES:
        try:
            server = Server(url)
            server.connect().close()
            return server
        except psycopg.OperationalError as error:
            tried.append(f"{url}: {str(error).splitlines()[0]}")
    reason = f"no PostgreSQL server ({'; '.join(tried)})"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: Server) -> Iterator[str]:
    database = postgres_server.create()
    try:
        migrate.upgrade(postgres_server.url_of(database))
        yield database
    finally:
        postgres_server.drop(database)


@pytest.fixture(scope="session")
def _sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "regulars.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database without a row; the test runs once on each kind."""
    if request.param == "sqlite":
        path = tmp_path / "regulars.db"
        shutil.copyfile(request.getfixturevalue("_sqlite_file"), path)
        return f"sqlite:///{path}"
    database: str = request.getfixturevalue("_postgres_database")
    server: Server = request.getfixturevalue("postgres_server")
    server.empty(database)
    return server.url_of(database)


@pytest.fixture(params=BOTH)
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database nothing was ever done to, for tests of migrations."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
        return
    server: Server = request.getfixturevalue("postgres_server")
    database = server.create()
    try:
        yield server.url_of(database)
    finally:
        server.drop(database)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`, closed at the end."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()

"""Migrations: what the tables say and what the migrations build is one thing."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from storage import migrate
from storage.database import normal_url, open_engine, reading, writing
from storage.shelves import is_declared

ROOT = Path(__file__).parents[2]


def test_it_says_none_before_and_the_head_after(bare_database_url: str) -> None:
    """A new database has no revision; an upgraded one has the newest."""
    assert migrate.current(bare_database_url) is None
    migrate.upgrade(bare_database_url)
    assert migrate.current(bare_database_url) == migrate.head() is not None


def test_it_may_be_asked_twice(database_url: str) -> None:
    """Upgrading what is up to date changes nothing."""
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == migrate.head()


def test_it_finds_no_difference_between_tables_and_migrations(database_url: str) -> None:
    """Alembic itself sees nothing to migrate."""
    engine = open_engine(database_url)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": is_declared})
        assert compare_metadata(context, migrate.metadata) == []
    engine.dispose()


def _catalog(connection: Connection) -> set[tuple[object, ...]]:
    """Return every column, constraint and index as the database itself describes them."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(
            text("SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL")
        )
        found = {(kind, name, _parts(sql)) for kind, name, sql in rows}
    else:
        found = {
            tuple(row)
            for query in (
                "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
                " WHERE table_schema = 'public'",
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = 'public'::regnamespace",
                "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            )
            for row in connection.execute(text(query))
        }
    return {row for row in found if not any("alembic_version" in str(part) for part in row)}


def _parts(sql: str) -> frozenset[str]:
    """Return the parts of a statement in any order: columns that came later stand behind the constraints."""
    head, _, rest = " ".join(sql.split()).partition("(")
    body, _, tail = rest.rpartition(")")
    return frozenset(part.strip() for part in (head, tail, *re.split(r",(?![^(]*\))", body)))


def test_it_builds_exactly_what_the_tables_declare(bare_database_url: str) -> None:
    """Columns, checks, keys and partial indexes are the same, to the letter, made either way."""
    migrate.upgrade(bare_database_url)
    engine = open_engine(bare_database_url)
    with writing(engine) as connection:
        migrated = _catalog(connection)
        migrate.metadata.drop_all(connection)
        migrate.metadata.create_all(connection)
        assert _catalog(connection) == migrated
    engine.dispose()


def test_it_can_be_taken_back(bare_database_url: str) -> None:
    """The downgrade leaves nothing but Alembic's own table, and the upgrade works again."""
    migrate.upgrade(bare_database_url)
    engine = open_engine(bare_database_url)
    with writing(engine) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with reading(engine) as connection:
        assert _catalog(connection) == set()
    engine.dispose()
    migrate.upgrade(bare_database_url)
    assert migrate.current(bare_database_url) == migrate.head()


def test_it_is_safe_when_several_processes_start_together(bare_database_url: str) -> None:
    """Six processes upgrade the same new database at once; each finds it migrated, none fails."""
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        pool.map(migrate.upgrade, [bare_database_url] * 6, chunksize=1)
    assert migrate.current(bare_database_url) == migrate.head()


def test_it_serves_the_alembic_command_too(bare_database_url: str) -> None:
    """A developer's `alembic current` works from the project's folder."""
    migrate.upgrade(bare_database_url)
    url = normal_url(bare_database_url).render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"url={url}", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

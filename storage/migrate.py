"""Bring a database to the schema of this release, once, however many processes start together."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from storage import (  # every table must be known to `metadata`
    answers,
    approvals,
    audit,
    budgets,
    consent,
    conversations,
    customers,
    desk,
    erasures,
    facts,
    handoffs,
    lessons,
    loyalty,
    merging,
    messages,
    notes,
    outbox,
    outreach,
    profile_changes,
    revisions,
    saved,
    seals,
    shelves,
    staff,
    starts,
    statuses,
    stock,
    switches,
    tags,
    tallies,
    timers,
    vouchers,
)
from storage.columns import metadata
from storage.database import normal_url, open_engine, reading, writing

__all__ = ["NOUNS", "current", "head", "metadata", "upgrade"]

NOUNS = (
    customers,
    messages,
    outbox,
    outreach,
    budgets,
    conversations,
    timers,
    loyalty,
    vouchers,
    consent,
    facts,
    handoffs,
    revisions,
    starts,
    statuses,
    stock,
    switches,
    tags,
    staff,
    audit,
    desk,
    answers,
    notes,
    saved,
    lessons,
    approvals,
    profile_changes,
    seals,
    shelves,
    erasures,
    merging,
    tallies,
)
_LOCK = 0x7265_6775_6C61_7273  # "regulars", the advisory lock of those who migrate


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@cache
def head() -> str | None:
    """Return the revision this release needs. Looked for once: it costs more than a look into a database."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(url: str) -> None:
    """Migrate to the newest revision in one transaction; a SQLite file and its folder are created.

    Processes that come at the same time wait for the first and find nothing left to do: PostgreSQL by an
    advisory lock, SQLite by being the one writer.
    """
    parsed = normal_url(url)
    if parsed.get_backend_name() == "sqlite":
        Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(url)
    try:
        if _current(engine) == head():
            return
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = 0"))  # whoever migrates may take long
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def current(url: str) -> str | None:
    """Return the revision a database is at, None when it was never migrated."""
    engine = open_engine(url)
    try:
        return _current(engine)
    finally:
        engine.dispose()


def _current(engine: Engine) -> str | None:
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return MigrationContext.configure(connection).get_current_revision()

"""Opening databases, transactions and column types."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from storage import customers, switches
from storage.columns import to_json
from storage.conditions import among
from storage.customers import customers as table
from storage.database import normal_url, open_engine, reading, writing
from tests.storage.people import NOW, customer, new_customer

both = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    ("given_url", "driver"),
    [
        ("sqlite:///var/x.db", "sqlite"),
        ("postgres://u:p%40ss@h:5/d?sslmode=require", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
    ],
)
def test_it_takes_the_usual_forms_of_urls(given_url: str, driver: str) -> None:
    """Heroku's and libpq's forms lead to psycopg 3; nothing else of the URL changes."""
    url = normal_url(given_url)
    assert url.drivername == driver
    assert url.render_as_string(hide_password=False).partition("://")[2] == given_url.partition("://")[2]


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://h/d"])
def test_it_refuses_other_databases(url: str) -> None:
    """A database of another kind, or one that each thread would see its own of, is refused."""
    with pytest.raises(ValueError):
        normal_url(url)


def test_it_keeps_sqlite_durable_and_strict(tmp_path: Path) -> None:
    """WAL, an fsync for each commit, foreign keys on."""
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    with reading(engine) as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_it_commits_at_the_end_and_rolls_back_on_an_error(engine: Engine) -> None:
    """What a failed transaction wrote is gone, what a finished one wrote is there."""
    with writing(engine) as connection:
        kept = new_customer(connection)
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:  # noqa: PT012
        lost = new_customer(connection)
        raise ZeroDivisionError
    with reading(engine) as connection:
        assert set(customers.by_ids(connection, [kept, lost])) == {kept}


def test_it_lets_readers_in_while_somebody_writes(engine: Engine) -> None:
    """A reader neither waits for the writer nor sees what is not committed."""
    with writing(engine) as writer:
        new_customer(writer)
        with reading(engine) as reader:
            assert customers.count(reader) == 0
    with reading(engine) as reader:
        assert customers.count(reader) == 1


def test_it_queues_writers(engine: Engine) -> None:
    """Eight threads that read a number and write it back raised by one lose no step."""
    with writing(engine) as connection:
        identifier = new_customer(connection)

    def raise_it() -> None:
        for _ in range(10):
            with writing(engine) as connection:
                row = customers.lock_by_id(connection, [identifier])[identifier]
                customers.change(connection, [(identifier, {"purchases": row["purchases"] + 1})])

    threads = [threading.Thread(target=raise_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert customer(connection, identifier)["purchases"] == 80


@both
@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])))
def test_it_gives_moments_back_in_utc_to_the_microsecond(engine: Engine, moment: datetime) -> None:
    """Whatever the zone, the same moment comes back as UTC, and compares in SQL as in Python."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return
    with engine.connect() as connection, connection.begin() as transaction:
        identifier = new_customer(connection, joined_at=moment)
        found = customer(connection, identifier)["joined_at"]
        later = connection.execute(select(table.c.id).where(table.c.joined_at > NOW)).scalars().all()
        transaction.rollback()
    assert (found, found.tzinfo) == (moment, UTC)
    assert bool(later) == (moment > NOW)


def test_it_refuses_naive_moments(engine: Engine) -> None:
    """A datetime without a zone is a mistake, not a moment."""
    with pytest.raises(ValueError, match="naive"), writing(engine) as connection:
        new_customer(connection, joined_at=datetime(2026, 1, 1))


texts = st.text(st.characters(blacklist_categories=()), max_size=20)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3),
    max_leaves=6,
)


def _sendable(value: object) -> object:
    """Return what a database can hold of a value: NUL and lone surrogates become U+FFFD."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode(errors="surrogatepass").decode(errors="replace")
    if isinstance(value, list):
        return [_sendable(part) for part in value]
    if isinstance(value, dict):
        return {_sendable(key): _sendable(part) for key, part in value.items()}
    return value


@both
@given(documents.filter(lambda value: value is not None))
def test_it_gives_documents_back(engine: Engine, value: object) -> None:
    """Any JSON comes back as it was, but for characters no database takes."""
    with engine.connect() as connection, connection.begin() as transaction:
        switches.set(connection, "x", value)
        found = switches.get(connection, "x")
        transaction.rollback()
    assert found == _sendable(value)


def test_it_writes_mappings_sets_and_dates_as_json_can() -> None:
    """Frozen mappings are objects, sets sorted lists, dates ISO text; anything else is refused."""
    value = MappingProxyType({"day": NOW.date(), "tags": frozenset({"vip", "staff"}), "é": "\\u0000"})
    assert to_json(value) == '{"day":"2026-11-22","tags":["staff","vip"],"é":"\\\\u0000"}'
    with pytest.raises(TypeError, match="object"):
        to_json({"x": object()})


@both
@given(texts, texts)
def test_it_takes_any_text(engine: Engine, name: str, phone: str) -> None:
    """Hostile text is stored and found again; NUL and lone surrogates never reach the database."""
    with engine.connect() as connection, connection.begin() as transaction:
        identifier = new_customer(connection, name=name, phone=phone or "x")
        row = customer(connection, identifier)
        by_phone = customers.by_phone(connection, phone or "x")
        locked = customers.lock_by_phone(connection, [phone or "x", "nobody"])
        transaction.rollback()
    assert row["name"] == _sendable(name)
    assert by_phone is not None
    assert list(locked) == [_sendable(phone or "x")]


def test_it_looks_lists_up_by_index(engine: Engine) -> None:
    """A list of ids or numbers is one parameter, and still uses the index in SQLite."""
    if engine.dialect.name != "sqlite":
        return
    for column, index in ((table.c.id, "PRIMARY KEY"), (table.c.phone, "phone")):
        statement = select(table.c.id).where(among(column, "list"))
        with reading(engine) as connection:
            plan = connection.execute(
                text(f"EXPLAIN QUERY PLAN {statement.compile(connection)}".replace("?", "'[]'"))
            ).all()
        assert "SEARCH customers" in str(plan)
        assert index in str(plan)

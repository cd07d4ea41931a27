"""Erasing a customer: nothing of the person stays, nobody else loses anything, and there is proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, text, update
from sqlalchemy.exc import IntegrityError

from bot.desk import erasing
from bot.desk.actor import Actor, NotPossible
from bot.desk.proving import certificate
from bot.suppression import digest_of
from storage import holdings, search, statuses
from storage.columns import EPOCH
from storage.consent import consent_records
from storage.database import reading, writing
from storage.erasures import erasures
from storage.loyalty import ledger
from storage.migrate import metadata
from storage.statuses import status_log
from tests.desk.known import MARKS, PHONE, index, known_customer
from tests.shop import ALICE, Shop, open_shop

_ALL = 'SELECT * FROM "{}"'
MANAGER = Actor(None, "Mia", "manager")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop on each database."""
    with open_shop(database_url) as shop:
        yield shop


def scrubbed(shop: Shop) -> None:
    """Scrub until it is done: on a server that others use, their transactions have to end first."""
    for _ in range(20):
        if erasing.scrub(shop.services.engine, shop.clock.now()):
            return
    raise AssertionError("somebody else's transaction lasted too long")


def erased(shop: Shop, customer_id: int, confirmed: str = PHONE[-4:], actor: Actor = MANAGER) -> list[int]:
    services = shop.services
    return erasing.erase(services.engine, services.settings.secret_key, actor, customer_id, confirmed, shop.clock.now())


def files_of(engine: Engine) -> bytes:
    """Return the raw bytes of the database's files, in lower case."""
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database))
        return b"".join(each.read_bytes() for each in path.parent.glob(path.name + "*")).lower()
    with writing(engine) as conn:
        conn.execute(text("CHECKPOINT"))
        names = conn.execute(
            text(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'i', 't')"
                " AND pg_relation_filepath(oid) IS NOT NULL"
                " AND (relnamespace = 'public'::regnamespace OR relname ~ '^pg_(toast|statistic)')"
            )
        ).scalars()
        read = text("SELECT pg_read_binary_file(pg_relation_filepath(CAST(:name AS regclass)))")
        return b"".join(bytes(conn.execute(read, {"name": name}).scalar_one()) for name in names.all()).lower()


def tables_of(engine: Engine) -> str:
    """Return the text form of every row of every table, whoever made the table, in lower case."""
    with reading(engine) as conn:
        if engine.dialect.name == "sqlite":
            names = conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
            rows = [str(row) for name in names for row in conn.exec_driver_sql(_ALL.format(name))]
        else:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            names = conn.execute(text(query)).scalars().all()
            rows = [str(row) for name in names for row in conn.exec_driver_sql(_ALL.format(name))]
            rows += [str(row) for row in conn.execute(text("SELECT * FROM pg_stats WHERE schemaname = 'public'"))]
    return "\n".join(rows).lower()


def test_it_leaves_no_trace(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    """Number, name, mail and texts are in no table, no index, no raw file and no log; the certificate says so."""
    engine = shop.services.engine
    customer_id = known_customer(shop)
    with writing(engine) as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text("ANALYZE"))
    before, raw = tables_of(engine), files_of(engine)
    assert [mark for mark in MARKS if mark not in before] == []
    assert [mark for mark in MARKS if mark.encode() not in raw] == []

    assert erased(shop, customer_id) == [customer_id]

    scrubbed(shop)
    engine.dispose()
    after, raw = tables_of(engine), files_of(engine)
    assert [mark for mark in MARKS if mark in after] == []
    assert [mark for mark in MARKS if mark.encode() in raw] == []
    said = "".join(capfd.readouterr()).lower()
    assert [mark for mark in MARKS if mark in said] == []


def test_it_leaves_a_shell_and_a_digest(shop: Shop) -> None:
    """What stays: a row with a pseudonym, entries with amounts and no words that sum up to nothing, the digest."""
    customer_id = known_customer(shop)
    amounts = shop.rows("SELECT id, kind, points FROM ledger WHERE customer_id = :c ORDER BY id", c=customer_id)
    erased(shop, customer_id)
    scrubbed(shop)

    row = shop.rows("SELECT * FROM customers WHERE id = :c", c=customer_id)[0]
    assert row["phone"].startswith("erased:")
    assert (row["consent"], row["points"], row["qualifying"]) == ("unsubscribed", 0, 0)
    full = [name for name in ("name", "email", "birthday", "zone", "referral_code", "tier", "joined_at") if row[name]]
    assert full == []
    entries = shop.rows("SELECT * FROM ledger WHERE customer_id = :c ORDER BY id", c=customer_id)
    assert [{name: entry[name] for name in ("id", "kind", "points")} for entry in entries][:-1] == amounts
    assert sum(entry["points"] for entry in entries) == 0
    assert {entry["reason"] for entry in entries} == {""}
    assert all(entry["key"] == f"erased:{entry['id']}" for entry in entries)
    noted = shop.rows("SELECT * FROM erasures")[0]
    assert noted["number_digest"] == digest_of("test secret", PHONE)
    assert noted["by"] == "Mia"
    assert noted["scrubbed_at"] is not None
    with reading(shop.services.engine) as conn:
        left = holdings.counts(conn, customer_id).keys()
    assert left == {"customers", "ledger", "lots", "seals", "audit_log", "erasures"}


def test_the_search_index_does_not_learn_it_again(shop: Shop) -> None:
    """What the index notes of a shell is that there is nothing to find; the certificate still says nothing is left."""
    customer_id = known_customer(shop)
    erased(shop, customer_id)
    index(shop)
    shop.execute("UPDATE switches SET value = NULL WHERE key = 'search'")  # as when it is built anew
    index(shop)
    services = shop.services
    with reading(services.engine) as conn:
        proof = certificate(conn, services.catalog.book.programme.shop, customer_id, shop.clock.now())
        found = search.find(conn, PHONE, 10)
    assert (proof["left"], found.customers, found.texts) == ({}, [], [])
    assert proof["deleted"]["search_texts"] > 0


def test_it_touches_nobody_else(shop: Shop) -> None:
    """Another customer with as much behind them keeps every row."""
    erased_one, other = known_customer(shop), known_customer(shop, ALICE, "Ana")
    with reading(shop.services.engine) as conn:
        before = {holding.table.name: list(holdings.rows(conn, holding, other)) for holding in holdings.HOLDINGS}
    erased(shop, erased_one)
    with reading(shop.services.engine) as conn:
        after = {holding.table.name: list(holdings.rows(conn, holding, other)) for holding in holdings.HOLDINGS}
    assert after == before


def refused(engine: Engine, statement: Any) -> None:
    with pytest.raises(IntegrityError, match="append-only"), writing(engine) as conn:
        conn.execute(statement)


def test_the_triggers_open_for_the_erased_alone(shop: Shop) -> None:
    """Nobody else's consent, status or ledger rows can be deleted or blanked, and amounts not even theirs."""
    engine = shop.services.engine
    shop.joined(ALICE)
    customer_id = known_customer(shop)
    alice = int(shop.one("SELECT id FROM customers WHERE phone = :p", p=ALICE))
    with writing(engine) as conn:
        report = {"sid": "SMalice", "status": "sent", "at": shop.clock.now()}
        out = int(shop.one("SELECT id FROM messages WHERE customer_id = :c AND direction = 'out'", c=alice))
        statuses.move_forward(conn, [{**report, "message_id": out}])
    erased(shop, customer_id)

    mine = ledger.c.customer_id == alice
    refused(engine, delete(consent_records).where(consent_records.c.customer_id == alice))
    refused(engine, delete(status_log).where(status_log.c.message_id == out))
    refused(engine, delete(ledger).where(mine))
    refused(engine, update(ledger).where(mine).values(reason=""))
    theirs = ledger.c.customer_id == customer_id
    refused(engine, delete(ledger).where(theirs))
    for change in ({"points": 1}, {"kind": "earn"}, {"at": EPOCH}, {"customer_id": alice}, {"key": "x"}):
        refused(engine, update(ledger).where(theirs).values(**change))
    refused(engine, delete(erasures))
    refused(engine, update(erasures).values(by="somebody else"))
    refused(engine, update(erasures).values(scrubbed_at=None))


def test_it_asks_for_the_last_digits_and_the_right_role(shop: Shop) -> None:
    """A wrong number typed, or a role that may not, erases nothing; nobody is erased twice."""
    customer_id = known_customer(shop)
    with pytest.raises(NotPossible, match="last four digits"):
        erased(shop, customer_id, "0000")
    with pytest.raises(NotPossible, match="manager"):
        erased(shop, customer_id, actor=Actor(None, "Sam", "support"))
    assert shop.one("SELECT phone FROM customers WHERE id = :c", c=customer_id) == PHONE
    erased(shop, customer_id)
    with pytest.raises(NotPossible, match="already"):
        erased(shop, customer_id)


def test_the_preview_counts_what_goes(shop: Shop) -> None:
    """Before anybody confirms, the numbers of rows are those the erasure notes afterwards."""
    customer_id = known_customer(shop)
    with reading(shop.services.engine) as conn:
        seen = erasing.preview(conn, customer_id)
    erased(shop, customer_id)
    with reading(shop.services.engine) as conn:
        gone = erasing.erasures.of(conn, customer_id)["counts"]  # type: ignore[index]
    stays = {holding.table.name for holding in holdings.HOLDINGS if holding.erasing != "delete"}
    assert {name: count for name, count in seen.counts.items() if name not in stays} == {
        name: (count, False) for name, count in gone.items() if name != "ledger"
    }
    assert seen.numbers == [PHONE]


def test_the_preview_counts_no_further_than_it_must(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody with very many texts it says "at least", also of what stands beside texts; the certificate knows."""
    customer_id = known_customer(shop)
    monkeypatch.setattr(erasing, "MOST", 3)
    with reading(shop.services.engine) as conn:
        counts = holdings.counts(conn, customer_id)
        seen = erasing.preview(conn, customer_id).counts
    assert counts["messages"] > 3
    assert counts["status_log"] > 0
    assert seen.keys() <= counts.keys()
    beside = {"messages", "status_log", "search_texts", "staff_answers"}
    for name, count in seen.items():
        assert count.rows <= min(counts[name], 3), name
        assert count.more == (name in beside or counts[name] > 3), name
        assert count.more or count.rows == counts[name], name
    erased(shop, customer_id)
    with reading(shop.services.engine) as conn:
        proof = certificate(conn, shop.services.catalog.book.programme.shop, customer_id, shop.clock.now())
    assert proof["deleted"]["messages"] == counts["messages"]


def test_every_table_is_in_the_list() -> None:
    """A table that has a customer, a message or a note in it is in HOLDINGS; any other is known to have none."""
    listed = {holding.table.name for holding in holdings.HOLDINGS}
    assert listed | holdings.NOBODYS == set(metadata.tables)
    assert not listed & holdings.NOBODYS
    linked = {
        table.name
        for table in metadata.tables.values()
        if {"customer_id", "message_id", "note_id"} & set(table.columns.keys())
        or any(key.column.table.name in listed for key in table.foreign_keys)
    }
    assert linked - listed == set()

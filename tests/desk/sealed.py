"""A shop whose consent records are sealed, and what somebody who owns its database could do to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bot.desk import sealing
from bot.desk.actor import Actor
from bot.desk.evidence import evidence
from storage.database import writing
from storage.migrate import upgrade
from tests.shop import ALICE, BOB, Shop, open_shop

SECRET = "test secret"
LAWYER = Actor(None, "the lawyer", "admin")
_KEEPERS = ("consent_records", "seals")


@contextmanager
def a_shop(database_url: str) -> Iterator[Shop]:
    """A shop where Alice and Bob joined, and Bob left."""
    with open_shop(database_url) as opened:
        opened.joined(ALICE)
        opened.wait(timedelta(minutes=20))
        opened.joined(BOB)
        opened.wait(timedelta(days=1))
        opened.says(BOB, "STOP")
        opened.wait(timedelta(minutes=1))
        yield opened


def seal(shop: Shop) -> int:
    """Let the scheduler seal what is there."""
    return sealing.seal(shop.services.engine, SECRET, shop.clock.now())


def found(shop: Shop) -> list[tuple[str, int | None]]:
    """Return what the walk along the chain finds: what it is, and which record."""
    return [(each.what, each.record_id) for each in sealing.check(shop.services.engine, SECRET).findings]


def records(shop: Shop) -> list[dict[str, Any]]:
    return shop.rows("SELECT * FROM consent_records ORDER BY id")


def behind_the_guard(shop: Shop, query: str, **values: object) -> None:
    """Change rows as somebody does who owns the database: the triggers are off while it happens."""
    with writing(shop.services.engine) as conn:
        if conn.dialect.name == "postgresql":
            conn.execute(text("SET LOCAL session_replication_role = replica"))
            conn.execute(text(query), values)
            return
        kept = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        guards = [(name, sql) for name, sql in kept if name.startswith(_KEEPERS) and "_no_" in name]
        for name, _ in guards:
            conn.exec_driver_sql(f"DROP TRIGGER {name}")
        conn.execute(text("PRAGMA defer_foreign_keys = ON"))
        conn.execute(text(query), values)
        for _, sql in guards:
            conn.exec_driver_sql(sql)


def file_of(shop: Shop, number: str) -> bytes:
    """Return the evidence file of a number."""
    customer = shop.one("SELECT id FROM customers WHERE phone = :number", number=number)
    programme = shop.services.catalog.book.programme
    return evidence(shop.services.engine, programme.shop, SECRET, LAWYER, customer, shop.clock.now()).encode()


@contextmanager
def sealed_shop(folder: Path) -> Iterator[Shop]:
    """A shop on SQLite where Bob joined and left, and everything is sealed."""
    url = f"sqlite:///{folder / 'shop.db'}"
    upgrade(url)
    with open_shop(url) as shop:
        shop.joined(BOB)
        shop.says(BOB, "STOP")
        shop.wait(timedelta(minutes=1))
        seal(shop)
        yield shop

"""The demo's year: believable, lawful, the same every time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from bot.demo.people import PEOPLE
from storage.database import reading
from tests.demo import play_year

NOW = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database with the demo's year."""
    engine = play_year(tmp_path_factory.mktemp("demo") / "demo.db", NOW)
    yield engine
    engine.dispose()


_WRONG_BALANCES = (
    """SELECT count(*) FROM customers c WHERE c.points <>
       coalesce((SELECT sum(points) FROM ledger x WHERE x.customer_id = c.id), 0)""",
    """SELECT count(*) FROM customers c WHERE c.points <>
       coalesce((SELECT sum(remaining) FROM lots x WHERE x.customer_id = c.id), 0)""",
)
_TWICE_A_DAY = """SELECT count(*) FROM messages a JOIN messages b ON a.customer_id = b.customer_id AND a.id < b.id
    WHERE a.purpose = 'marketing' AND b.purpose = 'marketing' AND abs(a.sent_at - b.sent_at) < 86400000000"""
_WITHOUT_CONSENT = """SELECT count(*) FROM messages m WHERE m.purpose = 'marketing' AND m.state = 'delivered'
    AND NOT EXISTS (SELECT 1 FROM consent_records r
    WHERE r.customer_id = m.customer_id AND r.status = 'subscribed' AND r.at <= m.sent_at)"""


def _count(conn: Connection, rest: str, **values: Any) -> int:
    """Count rows: `_count(conn, "customers WHERE tier = :tier", tier="gold")`."""
    return int(conn.execute(text("SELECT count(*) FROM " + rest), values).scalar_one())  # noqa: S608 - ours


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def test_every_number_is_kept_for_fiction() -> None:
    """555-0100 to 555-0199, each once, in several area codes and time zones."""
    phones = [person.phone for person in PEOPLE]
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", phone) for phone in phones)
    assert len(set(phones)) == len(phones) >= 40
    assert len({phone[2:5] for phone in phones}) >= 10


def test_balances_are_the_sums_of_their_ledgers(seeded: Engine) -> None:
    """And of the lots that are left."""
    with reading(seeded) as conn:
        assert [conn.execute(text(query)).scalar() for query in _WRONG_BALANCES] == [0, 0]
        assert _count(conn, "ledger") > 500


def test_there_is_somebody_in_every_situation(seeded: Engine) -> None:
    """Opted out, undecided, gold, lapsed, Spanish, with codes, asking for a person."""
    lapsed = _microseconds(NOW - timedelta(days=170))
    with reading(seeded) as conn:
        assert _count(conn, "customers WHERE consent = 'unsubscribed'") >= 1
        assert _count(conn, "customers WHERE consent = 'pending'") == 1
        assert _count(conn, "customers WHERE tier = 'gold'") >= 1
        assert _count(conn, "customers WHERE language = 'es'") >= 5
        assert _count(conn, "customers WHERE last_purchase_at < :lapsed", lapsed=lapsed) >= 4
        assert _count(conn, "handoffs") >= 1
        for status in ("issued", "redeemed", "expired"):
            assert _count(conn, "vouchers WHERE status = :status", status=status) >= 1


def test_nothing_is_left_hanging(seeded: Engine) -> None:
    """No turn broke, every text of the past arrived or was held back, nothing of the past is still due."""
    now = _microseconds(NOW)
    with reading(seeded) as conn:
        assert _count(conn, "messages WHERE state IN ('failed', 'sending', 'sent', 'unknown')") == 0
        assert _count(conn, "messages WHERE created_at > :now", now=now) == 0
        assert _count(conn, "messages WHERE state = 'queued' AND send_after <= :now", now=now) == 0
        assert _count(conn, "timers WHERE due_at <= :now", now=now) == 0
        assert _count(conn, "facts WHERE handled_at IS NULL AND due_at <= :now", now=now) == 0


def test_marketing_kept_to_the_rules(seeded: Engine) -> None:
    """Only subscribed customers got it, and nobody twice within a day."""
    with reading(seeded) as conn:
        assert conn.execute(text(_TWICE_A_DAY)).scalar() == 0
        assert conn.execute(text(_WITHOUT_CONSENT)).scalar() == 0


def test_it_is_the_same_year_every_time(seeded: Engine, tmp_path: Path) -> None:
    """Who bought what when, and every balance, do not change between two seedings of the same moment."""
    story = "SELECT c.phone, c.points, c.purchases, c.spent_minor, c.last_purchase_at FROM customers c ORDER BY c.phone"
    again = play_year(tmp_path / "again.db", NOW)
    with reading(seeded) as first, reading(again) as second:
        assert first.execute(text(story)).all() == second.execute(text(story)).all()
    again.dispose()

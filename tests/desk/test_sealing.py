"""Consent records are sealed in one chain; any later change is found, and the record is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from bot.desk import sealing
from storage import consent, seals
from storage.database import writing
from storage.ids import distance, next_id
from tests.desk.sealed import SECRET, a_shop, behind_the_guard, found, records, seal, sealed_shop
from tests.shop import ALICE, BOB, CHARLIE, Shop

_OF_MESSAGE = "UPDATE messages SET {} WHERE id = (SELECT message_id FROM consent_records WHERE id = :id)"


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop where Alice and Bob joined, and Bob left."""
    with a_shop(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def bobs_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A sealed shop, made once for many edits."""
    with sealed_shop(tmp_path_factory.mktemp("sealed")) as opened:
        yield opened


def test_it_seals_every_record_once(shop: Shop) -> None:
    """Records get their places in the order they were made; a second look finds nothing left to seal."""
    made = records(shop)
    assert seal(shop) == len(made) == 5
    assert seal(shop) == 0
    chain = shop.rows("SELECT * FROM seals ORDER BY number")
    assert [row["record_id"] for row in chain] == [row["id"] for row in made]
    assert [row["number"] for row in chain] == [1, 2, 3, 4, 5]
    assert [row["previous"] for row in chain] == [sealing.FIRST, *(row["digest"] for row in chain[:-1])]
    assert found(shop) == []


def test_it_leaves_the_youngest_for_the_next_look(shop: Shop) -> None:
    """A record waits a moment, as older ones may still be on their way; the check says how many wait."""
    seal(shop)
    shop.says(CHARLIE, "JOIN")
    assert seal(shop) == 0
    walk = sealing.check(shop.services.engine, SECRET)
    assert (walk.sealed, walk.waiting, walk.findings) == (5, 1, [])
    shop.wait(sealing.SETTLED)
    assert seal(shop) == 1


def test_it_continues_the_chain_over_several_batches(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many records wait, the chain has no gap and no branch."""
    monkeypatch.setattr(sealing, "BATCH", 2)
    assert seal(shop) == 5
    assert found(shop) == []


@pytest.mark.parametrize(
    "change",
    ["UPDATE seals SET number = number + 10", "DELETE FROM seals", "UPDATE seals SET digest = 'x'"],
)
def test_a_seal_can_only_be_added(shop: Shop, change: str) -> None:
    """The database itself refuses to change or remove a seal."""
    seal(shop)
    with pytest.raises(IntegrityError, match="append-only"):
        shop.execute(change)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE consent_records SET text = 'You agreed to everything' WHERE id = :id", "changed"),
        ("UPDATE consent_records SET status = 'subscribed', how = 'form' WHERE id = :id", "changed"),
        ("UPDATE consent_records SET reason = 'asked at the till' WHERE id = :id", "changed"),
        (_OF_MESSAGE.format("body = 'YES!'"), "changed"),
        (_OF_MESSAGE.format("sender = '+12015550199'"), "changed"),
        ("UPDATE consent_records SET message_id = NULL WHERE id = :id", "changed"),
        ("UPDATE consent_records SET staff_id = 7 WHERE id = :id", "changed"),
        ("UPDATE seals SET at = (SELECT MIN(created_at) FROM customers) WHERE record_id = :id", "changed"),
        ("DELETE FROM consent_records WHERE id = :id", "missing"),
        ("UPDATE seals SET key = 'another' WHERE record_id = :id", "other key"),
    ],
)  # fmt: skip
def test_it_names_the_first_record_that_was_changed(shop: Shop, change: str, what: str) -> None:
    """A row changed behind the triggers' back is found and named, whichever column it is."""
    seal(shop)
    victim = records(shop)[2]["id"]
    behind_the_guard(shop, change, id=victim)
    assert found(shop)[0] == (what, victim)


def test_a_value_that_is_none_is_found(shop: Shop) -> None:
    """A moment no calendar has does not stop the walk: the record is named, and those behind it are looked at."""
    seal(shop)
    first, third = records(shop)[0]["id"], records(shop)[2]["id"]
    postgres = shop.services.engine.dialect.name == "postgresql"
    far = "TIMESTAMPTZ '20000-01-01'" if postgres else "999999999999999999"
    behind_the_guard(shop, f"UPDATE consent_records SET at = {far} WHERE id = :id", id=first)  # noqa: S608
    behind_the_guard(shop, "UPDATE consent_records SET text = 'more' WHERE id = :id", id=third)
    assert found(shop) == [("changed", first), ("changed", third)]


def test_it_finds_a_seal_taken_out_of_the_chain(shop: Shop) -> None:
    """Taking record and seal away together leaves a gap."""
    seal(shop)
    victim, after = records(shop)[2]["id"], records(shop)[3]["id"]
    behind_the_guard(shop, "DELETE FROM consent_records WHERE id = :id", id=victim)
    behind_the_guard(shop, "DELETE FROM seals WHERE record_id = :id", id=victim)
    assert ("seal missing", after) in found(shop)


def test_it_finds_a_chain_that_was_numbered_anew(shop: Shop) -> None:
    """Closing the gap does not help: the next seal does not continue the one before it."""
    seal(shop)
    victim, after = records(shop)[2]["id"], records(shop)[3]["id"]
    behind_the_guard(shop, "DELETE FROM consent_records WHERE id = :id", id=victim)
    behind_the_guard(shop, "DELETE FROM seals WHERE record_id = :id", id=victim)
    for number in (4, 5):
        behind_the_guard(shop, "UPDATE seals SET number = number - 1 WHERE number = :number", number=number)
    assert found(shop)[0] == ("chain broken", after)


def insert_record(shop: Shop, identifier: int, **values: Any) -> None:
    bob = shop.one("SELECT id FROM customers WHERE phone = :number", number=BOB)
    row = {"id": identifier, "customer_id": bob, "status": "subscribed", "how": "keyword", "at": shop.clock.now()}
    with writing(shop.services.engine) as conn:
        consent.insert(conn, [{**row, **values}])


def test_a_record_put_among_sealed_ones_is_found(shop: Shop) -> None:
    """A record with an old id never gets a seal, and the check says why that is wrong."""
    seal(shop)
    forged = records(shop)[0]["id"] - distance(timedelta(days=30))
    insert_record(shop, forged, at=shop.clock.now() - timedelta(days=30))
    shop.wait(timedelta(minutes=1))
    assert seal(shop) == 0
    assert found(shop) == [("inserted later", forged)]


def test_a_record_that_bears_an_earlier_day_is_found(shop: Shop) -> None:
    """A new record that pretends to be old is sealed after younger ones, which shows."""
    seal(shop)
    forged = next_id()
    insert_record(shop, forged, at=shop.clock.now() - timedelta(days=30))
    shop.wait(timedelta(minutes=1))
    assert seal(shop) == 1
    assert found(shop) == [("inserted later", forged)]


def test_an_import_may_bear_the_day_it_happened(shop: Shop) -> None:
    """Imported consent names an earlier day, honestly: `how` says that it was imported."""
    seal(shop)
    insert_record(shop, next_id(), how="import", at=shop.clock.now() - timedelta(days=300))
    assert seal(shop) == 1
    assert found(shop) == []


def test_who_does_not_know_the_key_cannot_mend_the_chain(shop: Shop) -> None:
    """A chain made anew with another key is not taken for ours."""
    seal(shop)
    behind_the_guard(shop, "UPDATE consent_records SET text = 'more' WHERE id = :id", id=records(shop)[0]["id"])
    behind_the_guard(shop, "DELETE FROM seals")
    sealing.seal(shop.services.engine, "a guess", shop.clock.now())
    assert {what for what, _ in found(shop)} == {"other key"}


def test_the_words_that_prove_consent_outlive_retention(shop: Shop) -> None:
    """When the words of old messages are deleted, those behind consent records stay, and the chain holds."""
    seal(shop)
    shop.says(ALICE, "what is my balance")
    shop.wait(timedelta(days=800))
    bodies = {row["body"] for row in shop.rows("SELECT body FROM messages WHERE direction = 'in'")}
    assert bodies == {"JOIN", "YES", "STOP", ""}
    assert shop.rows("SELECT id FROM messages WHERE purpose = 'opt_out_confirmation' AND body = ''") == []
    assert found(shop) == []


def test_two_processes_seal_at_once(shop: Shop) -> None:
    """While one seals, another finds the place taken and leaves; nothing is sealed twice."""
    engine = shop.services.engine
    if engine.dialect.name == "sqlite":
        assert sum(seal(shop) for _ in range(3)) == 5
        return
    with writing(engine) as conn:
        assert seals.try_lock(conn)
        assert seal(shop) == 0
    assert seal(shop) == 5


_COLUMNS = {
    "consent_records": ("status", "how", "wording", "version", "text", "language", "reason", "at"),
    "messages": ("sid", "direction", "sender", "recipient", "body", "created_at"),
}
_PLACES = [(table, column) for table, columns in _COLUMNS.items() for column in columns]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(_PLACES),
    which=st.integers(0, 2),
    words=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    number=st.integers(0, 2**62),
)
def test_no_edit_of_a_sealed_row_goes_unnoticed(
    bobs_shop: Shop, place: tuple[str, str], which: int, words: str, number: int
) -> None:
    """Whatever column of a sealed record, or of the text behind it, is changed to whatever: the record is named."""
    table, column = place
    record = records(bobs_shop)[which]
    row_id = record["id"] if table == "consent_records" else record["message_id"]
    query = f"SELECT {column} AS value FROM {table} WHERE id = :id"  # noqa: S608 (names from the list above)
    before = bobs_shop.one(query, id=row_id)
    allowed = {"status": "pending", "how": "form", "direction": "out"}
    value = allowed.get(column, number if isinstance(before, int) else words)
    change = f"UPDATE {table} SET {column} = :value WHERE id = :id"  # noqa: S608
    if column == "direction":
        change = change.replace("SET", "SET state = 'sent',")
    assume(value != before)
    behind_the_guard(bobs_shop, change, value=value, id=row_id)
    try:
        assert ("changed", record["id"]) in found(bobs_shop)
    finally:
        back = change.replace("state = 'sent'", "state = 'received'")
        behind_the_guard(bobs_shop, back, value=before, id=row_id)
    assert found(bobs_shop) == []

"""Consent evidence: records are sealed in one chain, and one signed file tells one number's whole story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bot.delivery.recording import record_carrier_opt_out
from bot.desk import sealing
from bot.desk.actor import Actor
from bot.desk.evidence import evidence
from bot.desk.evidence_compare import compare
from bot.desk.evidence_file import public_key, signed, verify
from storage import consent, seals
from storage.database import reading, writing
from storage.ids import distance, next_id
from storage.migrate import upgrade
from tests.shop import ALICE, BOB, CHARLIE, Shop, open_shop

SECRET = "test secret"
LAWYER = Actor(None, "the lawyer", "admin")
_OF_MESSAGE = "UPDATE messages SET {} WHERE id = (SELECT message_id FROM consent_records WHERE id = :id)"
_KEEPERS = ("consent_records", "seals")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
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


# The chain.


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


# The file.


def test_the_file_tells_the_whole_story(shop: Shop) -> None:
    """Wording, cause, confirmation and seal of each record are there, in order."""
    seal(shop)
    data = json.loads(file_of(shop, BOB))
    about, asked, agreed, left = data["entries"]
    assert about["number"] == BOB
    assert about["records"] == 3
    assert about["consent_now"] == "unsubscribed"
    assert about["made_at"]["local"].endswith("-05:00")
    assert [entry["status"] for entry in (asked, agreed, left)] == ["pending", "subscribed", "unsubscribed"]
    wording = shop.services.catalog.book.programme.wordings["join"]
    assert agreed["text"] == wording.texts["en"]
    assert (agreed["wording"], agreed["version"]) == ("join", 1)
    assert agreed["message"]["body"] == "YES"
    assert agreed["message"]["sid"].startswith("SM")
    assert any("Corner Cup" in reply["body"] for reply in agreed["confirmations"])
    [goodbye] = left["confirmations"]
    assert goodbye["purpose"] == "opt_out_confirmation"
    assert goodbye["recipient"] == BOB
    assert left["seal"]["number"] == 5


def test_the_file_is_good_as_it_was_made(shop: Shop) -> None:
    """An untouched file passes, also for who knows the shop's key or its fingerprint."""
    content = file_of(shop, BOB)
    verdict = verify(content)
    assert (verdict.good, verdict.problems) == (True, [])
    for key in (public_key(SECRET), verdict.fingerprint, verdict.fingerprint.upper().replace(" ", ":")):
        assert verify(content, key).good


def test_another_key_is_noticed(shop: Shop) -> None:
    """Whoever writes a file anew and signs it with a key of their own does not pass for the shop."""
    entries = json.loads(file_of(shop, BOB))["entries"]
    forged = signed(
        [{k: v for k, v in e.items() if k not in ("entry", "previous", "digest")} for e in entries], "guess"
    )
    assert verify(forged.encode()).good
    assert "Another key signed" in verify(forged.encode(), public_key(SECRET)).problems[0]


def test_it_is_the_same_for_the_same_data(shop: Shop) -> None:
    """Two files made at the same moment are equal to the byte."""
    assert file_of(shop, BOB) == file_of(shop, BOB)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda entries: entries[2].update(text="You agreed to everything."), "Entry 2 (subscribed"),
        (lambda entries: entries[2].update(digest="0" * 64), "Entry 2 (subscribed"),
        (lambda entries: entries.pop(2), "Place 2 holds entry 3"),
        (lambda entries: entries.pop(), "The head names 4 entries, the file has 3"),
        (lambda entries: entries.insert(1, entries.pop(2)), "Place 1 holds entry 2"),
        (lambda entries: entries.append(entries[-1]), "Place 4 holds entry 3"),
        (lambda entries: entries[3]["confirmations"].clear(), "Entry 3 (unsubscribed"),
    ],
)
def test_it_says_what_was_changed(shop: Shop, edit: Any, words: str) -> None:
    """Each kind of change is found and named."""
    data = json.loads(file_of(shop, BOB))
    edit(data["entries"])
    problems = verify(json.dumps(data, ensure_ascii=False, indent=2).encode() + b"\n").problems
    assert any(words in problem for problem in problems), problems


def beside(shop: Shop, content: bytes) -> list[str]:
    """Compare a file with the database as it is now."""
    with reading(shop.services.engine) as conn:
        return compare(conn, verify(content).entries)


def test_what_goes_on_is_no_difference(shop: Shop) -> None:
    """Later records, seals and delivery reports do not contradict a file that was made before."""
    content = file_of(shop, BOB)
    seal(shop)
    shop.says(BOB, "START")
    shop.wait(timedelta(days=1))
    shop.execute("UPDATE messages SET state = 'delivered', sid = 'SM' || id WHERE direction = 'out'")
    assert beside(shop, content) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE consent_records SET text = 'More' WHERE text IS NOT NULL", "text is 'Corner Cup Regulars"),
        ("UPDATE messages SET body = 'NO' WHERE body = 'YES'", "message's body is 'YES' in the file and 'NO'"),
        ("UPDATE messages SET recipient = 'x' WHERE direction = 'out'", "confirmation 1's recipient is"),
        ("DELETE FROM messages WHERE direction = 'out'", "the file has 1 confirmations, the database 0"),
        ("UPDATE consent_records SET message_id = NULL", "the message is only in the file"),
        ("DELETE FROM consent_records", "is not in the database"),
        ("UPDATE seals SET digest = 'x'", "its seal is not the one in the file"),
        ("DELETE FROM seals WHERE number > 2", "The chain of seals ends before number 5"),
    ],
)
def test_it_says_what_differs_from_the_database(shop: Shop, change: str, words: str) -> None:
    """A good file beside a database that was changed: each difference with both values."""
    seal(shop)
    content = file_of(shop, BOB)
    behind_the_guard(shop, change)
    assert any(words in difference for difference in beside(shop, content)), beside(shop, content)


def test_what_the_carrier_reported_is_evidence(shop: Shop) -> None:
    """An opt-out the carrier tells us of points to the message it refused."""
    [message] = shop.rows("SELECT * FROM messages WHERE direction = 'out' AND recipient = :to LIMIT 1", to=ALICE)
    with writing(shop.services.engine) as conn:
        record_carrier_opt_out(conn, message["customer_id"], message["id"], shop.clock.now())
    left = json.loads(file_of(shop, ALICE))["entries"][-1]
    assert (left["status"], left["how"], left["reason"]) == ("unsubscribed", "carrier", "carrier error 21610")
    assert (left["message"]["direction"], left["message"]["recipient"]) == ("out", ALICE)
    assert left["confirmations"] == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": "regulars-consent-evidence/1", "entries": []}',
     b'{"format": "regulars-consent-evidence/1", "entries": [{"a": 1e999}]}',
     b'{"format": "regulars-consent-evidence/1", "entries": [{"a": "\\ud800"}]}',
     b'{"format": "regulars-consent-evidence/1", "entries": [{"a": 1, "a": 2}]}'],
)  # fmt: skip
def test_what_is_no_evidence_is_said_to_be_none(content: bytes) -> None:
    """Whatever the file holds, the answer is a sentence."""
    assert verify(content).problems


@pytest.fixture(scope="module")
def bobs_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A sealed shop on SQLite, made once for many edits."""
    url = f"sqlite:///{tmp_path_factory.mktemp('evidence') / 'shop.db'}"
    upgrade(url)
    with open_shop(url) as shop:
        shop.joined(BOB)
        shop.says(BOB, "STOP")
        shop.wait(timedelta(minutes=1))
        seal(shop)
        yield shop


@pytest.fixture(scope="module")
def bobs_file(bobs_shop: Shop) -> bytes:
    return file_of(bobs_shop, BOB)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_edit_of_the_file_goes_unnoticed(bobs_file: bytes, data: st.DataObject) -> None:
    """Whatever bytes are replaced, removed or put in: the file does not pass."""
    at = data.draw(st.integers(0, len(bobs_file)))
    end = data.draw(st.integers(at, min(len(bobs_file), at + 40)))
    put = data.draw(
        st.one_of(st.binary(max_size=20), st.text(max_size=10).map(lambda words: words.encode(errors="replace")))
    )
    edited = bobs_file[:at] + put + bobs_file[end:]
    assert verify(edited).good == (edited == bobs_file)


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

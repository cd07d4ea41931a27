"""One signed file tells one number's whole story of consent; any change of it is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.delivery.recording import record_carrier_opt_out
from bot.desk.evidence_compare import compare
from bot.desk.evidence_file import public_key, signed, verify
from storage.database import reading, writing
from tests.desk.sealed import SECRET, a_shop, behind_the_guard, file_of, seal, sealed_shop
from tests.shop import ALICE, BOB, Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop where Alice and Bob joined, and Bob left."""
    with a_shop(database_url) as opened:
        yield opened


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
def bobs_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Bob's evidence, made once for many edits."""
    with sealed_shop(tmp_path_factory.mktemp("sealed")) as opened:
        return file_of(opened, BOB)


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

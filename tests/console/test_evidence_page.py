"""Consent evidence and the audit log in the console: read by those who may, and every download written down."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from html import unescape
from io import StringIO
from typing import Any

import pytest

from bot.desk import erasing, sealing
from bot.desk.evidence_file import public_key, verify
from bot.desk.evidence_pdf import verify_pdf
from bot.desk.merging import merge
from tests.console.conftest import Hire
from tests.console.people import Person
from tests.shop import ALICE, BOB, Shop

ATTACK = "<script>alert(1)</script> =HYPERLINK(1)"


@pytest.fixture
def bob(shop: Shop) -> int:
    """Bob joined, wrote something nasty and left."""
    shop.joined(BOB)
    shop.says(BOB, "STOP")
    shop.wait(timedelta(minutes=1))
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=BOB))


def logged(shop: Shop) -> list[str]:
    """Return the actions about customers that the log has."""
    return [
        row["action"] for row in shop.rows("SELECT action FROM audit_log WHERE customer_id IS NOT NULL ORDER BY id")
    ]


def test_the_timeline_can_be_read(shop: Shop, bob: int, hiring: Hire) -> None:
    """Wording, cause and answer of each record stand on the page; support may read it, and that is noted."""
    seen = unescape(hiring("support").read(f"/console/customers/{bob}/evidence"))
    wording = shop.services.catalog.book.programme.wordings["join"].texts["en"]
    for words in (wording, "JOIN", "YES", "STOP", "Consent was withdrawn", "3 records."):
        assert words in seen
    assert "evidence.json" not in seen
    assert logged(shop) == ["evidence.viewed"]


def test_the_signed_file_comes_out(shop: Shop, bob: int, hiring: Hire) -> None:
    """A manager downloads JSON and PDF; both pass, name who made them, and each download is noted."""
    mia = hiring("manager")
    answer = mia.get(f"/console/customers/{bob}/evidence.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert 'filename="consent-12015550122-20260302.json"' in answer.headers["Content-Disposition"]
    assert verify(answer.data, public_key("test secret")).good
    entries = json.loads(answer.data)["entries"]
    assert entries[0]["made_by"] == "Mia"
    assert all(entry["seal"] for entry in entries[1:])
    paper = mia.get(f"/console/customers/{bob}/evidence.pdf")
    assert paper.content_type == "application/pdf"
    assert verify_pdf(paper.data, public_key("test secret")).good
    assert logged(shop) == ["evidence.exported", "evidence.exported"]


def test_support_takes_nothing_out(shop: Shop, bob: int, hiring: Hire) -> None:
    """The signed file is for managers; a refused download is no download."""
    sam = hiring("support")
    for form in ("json", "pdf"):
        assert sam.get(f"/console/customers/{bob}/evidence.{form}").status_code == 403
    assert logged(shop) == []


def test_somebody_without_consent_has_an_empty_page(shop: Shop, hiring: Hire) -> None:
    """No record: the page says what that means."""
    shop.says(ALICE, "hello?")
    alice = shop.one("SELECT id FROM customers")
    assert "No consent on record" in hiring("support").read(f"/console/customers/{alice}/evidence")


def test_customers_words_are_shown_and_never_run(shop: Shop, hiring: Hire) -> None:
    """A text with markup that withdraws consent stands on the page as text."""
    shop.joined(BOB)
    shop.says(BOB, f"STOP {ATTACK}")
    shop.says(BOB, "unsubscribe me please <img src=x onerror=alert(1)>")
    shop.execute("UPDATE customers SET name = :name", name=ATTACK)
    bob = shop.one("SELECT id FROM customers")
    page = hiring("support").read(f"/console/customers/{bob}/evidence")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("customer_id", [1, (1 << 63) - 1, 1 << 63, 1 << 80])
def test_nobody_is_nobody(hiring: Hire, customer_id: int) -> None:
    """An id of nobody is answered with a page, whatever its size."""
    ada = hiring("admin")
    for form in ("evidence", "evidence.json", "evidence.pdf"):
        assert ada.get(f"/console/customers/{customer_id}/{form}").status_code == 404
    assert "Nobody has this number" in ada.read(f"/console/audit?customer={customer_id}" + "9" * 5000)


def test_an_erased_customer_has_no_evidence(shop: Shop, bob: int, hiring: Hire) -> None:
    """After erasure the page says what became of the records, and the chain holds."""
    engine, now = shop.services.engine, shop.clock.now()
    sealing.seal(engine, "test secret", now)
    ada = hiring("admin")
    erasing.erase(engine, "test secret", ada.actor, bob, BOB[-4:], now)
    answer = ada.get(f"/console/customers/{bob}/evidence")
    assert answer.status_code == 409
    assert "This customer was erased" in answer.get_data(as_text=True)
    walk = sealing.check(engine, "test secret")
    assert (walk.sealed, walk.erased, walk.findings) == (3, 3, [])
    assert "erased</span>" in ada.read(f"/console/audit?customer={bob}")


def entries(person: Person, customer_id: int) -> list[dict[str, Any]]:
    """Return the entries of somebody's file, as a member of staff downloads it."""
    found: list[dict[str, Any]] = json.loads(person.get(f"/console/customers/{customer_id}/evidence.json").data)[
        "entries"
    ]
    return found


def test_merged_numbers_are_in_one_file(shop: Shop, hiring: Hire) -> None:
    """The file of who was kept holds the records of both numbers, and who of the staff ended the old one's consent."""
    shop.joined(BOB)
    shop.wait(timedelta(minutes=1))
    shop.joined(ALICE)
    shop.wait(timedelta(minutes=1))
    bob, alice = (row["id"] for row in shop.rows("SELECT id FROM customers ORDER BY id"))
    mia = hiring("manager")
    merge(shop.services.engine, shop.services.catalog.book.programme, mia.actor, bob, alice, shop.clock.now())
    shop.wait(timedelta(minutes=1))
    for customer_id in (alice, bob):
        about, *events = entries(mia, customer_id)
        assert (about["number"], about["merged_numbers"]) == (ALICE, [BOB])
        assert [event["number"] for event in events] == [BOB, BOB, ALICE, ALICE, BOB]
        assert (events[-1]["reason"], events[-1]["staff"]) == ("merged", {"id": str(mia.id), "name": "Mia"})
    shop.says(BOB, "JOIN")  # whoever has the number now
    assert [event["number"] for event in entries(mia, alice)[1:]] == [ALICE, ALICE]
    assert entries(mia, bob)[0]["number"] == BOB
    assert sealing.check(shop.services.engine, "test secret").findings == []


def test_staff_opt_somebody_out_who_asked(shop: Shop, hiring: Hire) -> None:
    """Said at the till: consent ends at once, what waits is not sent, and the evidence says who and why."""
    shop.joined(ALICE)
    alice = shop.one("SELECT id FROM customers")
    shop.execute("UPDATE messages SET state = 'queued', send_after = created_at WHERE direction = 'out'")
    sam = hiring("support")
    where = f"/console/customers/{alice}"
    refused = sam.post(f"{where}/opt-out", {"reason": "  "}, follow_redirects=True)
    assert "Say why" in refused.get_data(as_text=True)
    done = sam.post(f"{where}/opt-out", {"reason": "said so at the <b>till</b>"}, follow_redirects=True)
    page = done.get_data(as_text=True)
    assert "said so at the &lt;b&gt;till&lt;/b&gt;" in page
    assert f"{where}/opt-out" not in page
    assert shop.one("SELECT consent FROM customers") == "unsubscribed"
    assert {row["state"] for row in shop.rows("SELECT state FROM messages WHERE direction = 'out'")} == {"suppressed"}
    shop.wait(timedelta(minutes=1))
    record = entries(hiring("manager"), alice)[-1]
    assert (record["how"], record["staff"]) == ("staff", {"id": str(sam.id), "name": "Sam"})
    assert record["seal"]["number"] == 3
    again = sam.post(f"{where}/opt-out", {"reason": "again"}, follow_redirects=True)
    assert "opted out already" in again.get_data(as_text=True)
    assert "consent.withdrawn" in logged(shop)


def test_the_log_can_be_filtered(shop: Shop, bob: int, hiring: Hire) -> None:
    """By person, action, customer and day; numbers are masked."""
    sam, mia = hiring("support"), hiring("manager")
    sam.read(f"/console/customers/{bob}/evidence")
    mia.get(f"/console/customers/{bob}/evidence.json")
    for query, there, away in (
        ("", "evidence.json", None),
        (f"person={sam.id}", "looked at the consent evidence", "took the consent evidence out</td>"),
        ("action=evidence.exported", "took the consent evidence out</td>", "looked at the consent evidence</td>"),
        ("customer=%28201%29+555-0122", "took the consent evidence out</td>", "added an account</td>"),
        (f"customer={bob}", "took the consent evidence out</td>", "added an account</td>"),
        ("from=2026-03-02&to=2026-03-02", "added an account</td>", None),
        ("from=2026-03-03", "No entries", "added an account</td>"),
        ("person=-", "added an account</td>", "took the consent evidence out</td>"),
        ("customer=%2B12015550199", "Nobody has this number", "added an account</td>"),
        ("from=yesterday", "That is no day", "added an account</td>"),
    ):
        page = mia.read(f"/console/audit?{query}")
        if query:
            assert there in page, query
        assert away is None or away not in page, query
        assert BOB not in page


def test_older_entries_are_a_page_away(shop: Shop, hiring: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log goes back page by page, keeping the filter, each entry once."""
    monkeypatch.setattr("bot.console.auditing.PAGE", 2)
    mia = hiring("manager")
    for number in range(4):
        hiring("support", f"Sam{number}")
    page = mia.read("/console/audit?action=staff.added")
    assert page.count("added an account</td>") == 2
    [older] = [part.partition('"')[0] for part in page.split('rel="next" href="')[1:]]
    assert "action=staff.added" in unescape(older)
    page = mia.read(unescape(older))
    assert page.count("added an account</td>") == 2
    assert "Newest" in page


def test_the_log_comes_out_as_a_safe_table(shop: Shop, bob: int, hiring: Hire) -> None:
    """A name that looks like a formula is words in the CSV, and taking it out is noted."""
    shop.execute("UPDATE staff SET name = 'x'")
    mia = hiring("manager", "=1+1")
    answer = mia.get("/console/audit/table.csv?action=audit")
    rows = list(csv.DictReader(StringIO(answer.get_data(as_text=True))))
    assert [(row["action"], row["who"]) for row in rows] == [("audit.exported", "'=1+1")]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-2026-03-02.csv"'


def test_the_log_is_not_for_everybody(hiring: Hire) -> None:
    """Support and marketing do not read what colleagues did."""
    for role in ("support", "marketer"):
        person = hiring(role)
        assert person.get("/console/audit").status_code == 403
        assert person.get("/console/audit/table.csv").status_code == 403

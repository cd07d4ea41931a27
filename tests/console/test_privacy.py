"""The privacy pages: export, merge and erasure as a manager does them, and what each role may."""

from __future__ import annotations

import json
import re

import pytest

from bot.desk import erasing
from tests.console.conftest import Hire
from tests.desk.known import MARKS, NAME, PHONE, known_customer
from tests.shop import ALICE, Shop


def path(customer_id: int, rest: str = "") -> str:
    return f"/console/customers/{customer_id}/privacy{rest}"


def test_a_manager_exports_both_ways(shop: Shop, hiring: Hire) -> None:
    """The JSON and the page are downloads that no cache keeps, complete, and both are in the audit log."""
    customer_id = known_customer(shop)
    mia = hiring("manager")
    assert "Download JSON" in mia.read(path(customer_id))
    for form, kind in (("json", "application/json"), ("html", "text/html; charset=utf-8")):
        answer = mia.post(path(customer_id, f"/export.{form}"))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="customer-{customer_id}.{form}"'
        assert answer.headers["Cache-Control"] == "no-store"
        text = answer.get_data(as_text=True).lower()
        assert [mark for mark in MARKS if mark not in text and not mark.isdigit()] == []
    noted = shop.rows("SELECT who, detail FROM audit_log WHERE action = 'customer.exported' ORDER BY id")
    assert [each["who"] for each in noted] == ["Mia", "Mia"]


def test_a_manager_erases_after_a_second_look(shop: Shop, hiring: Hire) -> None:
    """The page says what goes; wrong digits change nothing and say so; the right ones lead to the certificate."""
    customer_id = known_customer(shop)
    mia = hiring("manager")
    look = mia.read(path(customer_id, "/erase"))
    assert NAME in look
    assert "Consent records" in look
    refused = mia.post(path(customer_id, "/erase"), {"digits": "0000"}, follow_redirects=True)
    assert "Nothing was erased" in refused.get_data(as_text=True)
    assert shop.one("SELECT name FROM customers WHERE id = :c", c=customer_id) == NAME

    done = mia.post(path(customer_id, "/erase"), {"digits": PHONE[-4:]}, follow_redirects=True)
    page = done.get_data(as_text=True)
    assert "Certificate of erasure" in page
    assert "Nothing is left in the" in page
    assert "Mia" in page
    assert [mark for mark in MARKS if mark in page.lower()] == []
    proof = json.loads(mia.get(path(customer_id, "/certificate.json")).get_data(as_text=True))
    assert (proof["left"], proof["erased_by"]) == ({}, "Mia")
    assert shop.one("SELECT count(*) FROM erasures WHERE customer_id = :c", c=customer_id) == 1


def test_very_many_rows_are_not_counted_to_the_last(shop: Shop, hiring: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look before an erasure says "at least" where it stopped counting, and plain numbers elsewhere."""
    customer_id = known_customer(shop)
    monkeypatch.setattr(erasing, "MOST", 3)
    page = hiring("manager").read(path(customer_id, "/erase"))
    assert "<dt>Texts</dt><dd>at least 3</dd>" in page
    assert re.search(r"<dt>Notes</dt><dd>\d+</dd>", page)


def test_an_erased_customer_has_no_other_page(shop: Shop, hiring: Hire) -> None:
    """A manager is led to the certificate, others find nothing; exporting or merging what is left is refused."""
    customer_id = known_customer(shop)
    shop.joined(ALICE)
    mia = hiring("manager")
    mia.post(path(customer_id, "/erase"), {"digits": PHONE[-4:]})
    assert "Certificate of erasure" in mia.read(f"/console/customers/{customer_id}")
    assert hiring("support").get(f"/console/customers/{customer_id}").status_code == 404
    conversation = mia.get(f"/console/conversations/{customer_id}").get_data(as_text=True).lower()
    assert [mark for mark in MARKS if mark in conversation] == []
    refused = mia.post(path(customer_id, "/export.json"), follow_redirects=True)
    assert "was erased" in refused.get_data(as_text=True)
    look = mia.post(path(customer_id, "/merge/look"), {"number": ALICE}, follow_redirects=True)
    assert "not there any more" in look.get_data(as_text=True)


def test_a_manager_merges_after_a_look(shop: Shop, hiring: Hire) -> None:
    """The preview names points, profile and consent; confirming twice merges once."""
    old = known_customer(shop)
    shop.joined(ALICE)
    new = int(shop.one("SELECT id FROM customers WHERE phone = :p", p=ALICE))
    points = shop.one("SELECT sum(points) FROM customers")
    mia = hiring("manager")
    mia.read(path(old))
    look = mia.post(path(old, "/merge/look"), {"number": "(201) 555-0111", "newer": "other"}).get_data(as_text=True)
    assert NAME in look
    assert "Subscribed → Opted out" in " ".join(re.sub(r"<[^>]+>", " ", look).split())
    form = dict(re.findall(r'name="(old|new|key)" value="([^"]+)"', look))
    assert (form["old"], form["new"]) == (str(old), str(new))
    for _ in range(2):
        assert mia.post(path(old, "/merge"), form).status_code == 303
    row = shop.rows("SELECT name, points FROM customers WHERE id = :c", c=new)[0]
    assert (row["name"], row["points"]) == (NAME, points)
    assert "merged into another customer" in mia.read(path(old))
    assert "Nobody has this number" in mia.post(
        path(new, "/merge/look"), {"number": "+12015550199"}, follow_redirects=True
    ).get_data(as_text=True)


@pytest.mark.parametrize("role", ["support", "marketer"])
def test_others_may_not(shop: Shop, hiring: Hire, role: str) -> None:
    """Support and marketing neither see the page nor can post to it, and are shown no way there."""
    customer_id = known_customer(shop)
    person = hiring(role)
    assert person.get(path(customer_id)).status_code == 403
    assert person.post(path(customer_id, "/erase"), {"digits": PHONE[-4:]}).status_code == 403
    assert person.post(path(customer_id, "/export.json")).status_code == 403
    assert "/privacy" not in person.read(f"/console/customers/{customer_id}")
    assert shop.one("SELECT count(*) FROM erasures") == 0


def test_script_in_a_name_is_inert(shop: Shop, hiring: Hire) -> None:
    """A name and an attribute with markup are shown as they are on every privacy page."""
    customer_id = known_customer(shop, name="<script>alert(1)</script>")
    shop.joined(ALICE)
    mia = hiring("manager")
    pages = [mia.read(path(customer_id)), mia.read(path(customer_id, "/erase"))]
    pages.append(mia.post(path(customer_id, "/merge/look"), {"number": ALICE}).get_data(as_text=True))
    for page in pages:
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page

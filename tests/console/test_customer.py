"""The customer's page over HTTP: what each role sees and changes, and what the books say afterwards."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.console.conftest import Hire
from tests.console.people import Person
from tests.shop import ALICE, BOB, Shop

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
_KEY = re.compile(r'name="key" value="([0-9a-f]+)"')
_SEEN = re.compile(r'name="seen" value="([0-9]+)"')


@pytest.fixture
def alice(shop: Shop) -> int:
    """Alice, who joined and has 60 points."""
    shop.joined(ALICE)
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def words(html: str) -> str:
    """Return what is to be read on a page, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def flashed(person: Person, answer: TestResponse) -> str:
    """Return the page after an action."""
    assert answer.status_code == 303, answer.status
    return words(person.read(answer.location))


class Page:
    """One customer's page in somebody's browser."""

    def __init__(self, person: Person, customer_id: int) -> None:
        self.person, self.path = person, f"/console/customers/{customer_id}"

    def read(self) -> str:
        return self.person.read(self.path)

    def post(self, where: str, **values: Any) -> TestResponse:
        """Post a form of the page with its key and what was seen."""
        html = self.read()
        key, seen = _KEY.search(html), _SEEN.search(html)
        hidden = {"key": key.group(1) if key else "", "seen": seen.group(1) if seen else ""}
        return self.person.post(f"{self.path}/{where}", {**hidden, **values})


def test_it_shows_who_the_customer_is(shop: Shop, hiring: Hire, alice: int) -> None:
    """Name, number, points with reason, consent with the exact wording, conversations, on one page."""
    shop.execute("UPDATE customers SET name = 'Alice Ruiz', tags = '[\"vip\"]' WHERE id = :id", id=alice)
    said = words(Page(hiring("support"), alice).read())
    for what in ("Alice Ruiz", "(201) 555-0111", "Subscribed", "60", "Welcome", "vip", "by text", "Regular"):
        assert what in said
    assert shop.one("SELECT text FROM consent_records WHERE status = 'subscribed'")[:60] in said
    assert "“YES”" in said or "YES" in said
    assert "Who did what here" not in said


def test_marketing_sees_no_number_and_gives_no_points(hiring: Hire, alice: int) -> None:
    """A marketer reads the profile with a masked number; no form for points or vouchers is there."""
    page = Page(hiring("marketer"), alice)
    html = page.read()
    assert "+120 ••• 11" in html
    assert "555-0111" not in html
    assert "Give or take" not in html
    assert page.post("points", points="5", reason="x").status_code == 403
    assert page.post("profile", tags="vip").status_code == 303
    assert page.post("profile", name="Eve").status_code == 303  # a field that is not theirs is not looked at
    assert "Eve" not in page.read()


def test_every_look_is_in_the_audit_log_once_an_hour(shop: Shop, hiring: Hire, alice: int) -> None:
    """Once for each person, customer and hour."""
    sam, mia = Page(hiring("support"), alice), Page(hiring("manager"), alice)
    looks = "SELECT count(*) FROM audit_log WHERE action = 'customer.viewed'"
    sam.read(), sam.read(), mia.read()
    assert shop.one(looks) == 2
    shop.clock.turn_to(shop.clock.now() + timedelta(minutes=61))
    sam.read()
    assert shop.one(looks) == 3


def test_points_are_given_with_a_reason(shop: Shop, hiring: Hire, alice: int) -> None:
    """50 points appear in the ledger with the reason and the giver; the manager sees it in the audit log."""
    sam = hiring("support")
    page = Page(sam, alice)
    said = flashed(sam, page.post("points", sign="give", points="50", reason="Spilled latte"))
    assert "50 points given: 110 now." in said
    assert "+50 By hand · Spilled latte · Sam" in said
    assert "You may give or take 50 more points today" in said
    assert "Sam gave or took points (+50)" in words(Page(hiring("manager"), alice).read())


@pytest.mark.parametrize(
    ("card", "form", "said"),
    [
        ("points", {"sign": "give", "points": "50", "reason": "Spilled"}, "50 points given: 110 now."),
        ("points", {"sign": "give", "points": "5000", "reason": "Much"}, "A manager has to allow it"),
        ("vouchers", {"name": "Any cake", "days": "30", "reason": "Sorry"}, "The voucher is "),
    ],
)
def test_what_was_done_stands_in_its_card(hiring: Hire, alice: int, card: str, form: dict[str, str], said: str) -> None:
    """The page opens at the card, so the message stands in it and nowhere else."""
    sam = hiring("support")
    answer = Page(sam, alice).post(card, **form)
    assert answer.location.endswith(f"#{card}")
    html = sam.read(answer.location)
    begin = html.index(f'id="{card}"')
    assert said in words(html[begin : html.index("</section>", begin)])
    assert html.count(said) == 1


def test_a_form_sent_twice_counts_once(shop: Shop, hiring: Hire, alice: int) -> None:
    """The same key again says that it was done."""
    sam = hiring("support")
    Page(sam, alice).read()
    form = {"key": "abc", "sign": "take", "points": "10", "reason": "Counted twice"}
    first = flashed(sam, sam.post(f"/console/customers/{alice}/points", form))
    again = flashed(sam, sam.post(f"/console/customers/{alice}/points", form))
    assert "10 points taken: 50 now." in first
    assert "done already" in again
    assert shop.one("SELECT points FROM customers WHERE id = :id", id=alice) == 50


@pytest.mark.parametrize("points", ["", "0", "-5", "1.5", "abc", "99999999999999999999", "1e3"])
def test_what_are_no_points_stays_in_the_form(shop: Shop, hiring: Hire, alice: int, points: str) -> None:
    """The page says what points look like, keeps the reason, and changes nothing."""
    answer = Page(hiring("support"), alice).post("points", sign="give", points=points, reason="Kept reason")
    assert answer.status_code == 409
    assert "Kept reason" in answer.get_data(as_text=True)
    assert shop.one("SELECT points FROM customers WHERE id = :id", id=alice) == 60


def test_a_second_person_allows_what_is_above_the_limit(shop: Shop, hiring: Hire, alice: int) -> None:
    """The asker waits, sees nothing to allow, and reads the manager's answer on the customer's page."""
    sam, mia = hiring("support"), hiring("manager")
    page = Page(sam, alice)
    assert "above your limit" in flashed(sam, page.post("points", sign="give", points="500", reason="Wedding"))
    waiting = shop.one("SELECT id FROM approvals")
    own = sam.read("/console/approvals")
    assert "waits for a second person" in own
    assert f"/approvals/{waiting}/allow" not in own
    assert sam.post(f"/console/approvals/{waiting}/allow").status_code == 403
    listed = words(mia.read("/console/approvals"))
    assert "+500" in listed
    assert "Wedding" in listed
    assert "asked by Sam" in listed
    assert ALICE not in listed
    said = flashed(mia, mia.post(f"/console/approvals/{waiting}/allow", {"answer": "Fine"}))
    assert "Allowed: +500 points, 560 now." in said
    assert "Mia allowed your +500 points." in words(page.read())
    assert "Mia decided that" in flashed(mia, mia.post(f"/console/approvals/{waiting}/refuse", {"answer": "No"}))


def test_a_refusal_is_read_by_who_asked(shop: Shop, hiring: Hire, alice: int) -> None:
    """Without a reason nobody refuses; with one the asker reads it."""
    sam, mia = hiring("support"), hiring("manager")
    Page(sam, alice).post("points", sign="give", points="101", reason="x")
    waiting = shop.one("SELECT id FROM approvals")
    path = f"/console/approvals/{waiting}/refuse"
    mia.read("/console/approvals")
    mia.post(path, {"answer": ""})
    assert shop.one("SELECT decision FROM approvals") is None
    mia.post(path, {"answer": "Ask for less"})
    assert "Mia refused your +101 points: Ask for less" in words(Page(sam, alice).read())


def test_a_manager_does_not_allow_their_own(shop: Shop, hiring: Hire, alice: int) -> None:
    """Posting the form by hand is refused in words."""
    mia = hiring("manager")
    Page(mia, alice).post("points", sign="give", points="1001", reason="x")
    waiting = shop.one("SELECT id FROM approvals")
    said = flashed(mia, mia.post(f"/console/approvals/{waiting}/allow"))
    assert "A second person has to decide" in said


def test_an_entry_is_taken_back_with_a_reason(shop: Shop, hiring: Hire, alice: int) -> None:
    """The entry is struck through, its reversal stands above it, and there is no second button."""
    sam = hiring("support")
    page = Page(sam, alice)
    entry = shop.one("SELECT id FROM ledger")
    assert f"points/{entry}/reverse" in page.read()
    said = flashed(sam, page.post(f"points/{entry}/reverse", reason="Joined twice"))
    assert "60 points taken: 0 now." in said
    assert "taken back" in said
    assert f"points/{entry}/reverse" not in page.read()
    assert "Say why" in flashed(sam, page.post(f"points/{entry}/reverse", reason=" "))


def test_a_long_ledger_has_pages_with_the_right_balances(shop: Shop, hiring: Hire, alice: int) -> None:
    """Each page goes on with the balance where the other ended."""
    from bot.desk import points

    mia = hiring("manager")
    for index in range(45):
        now = shop.clock.now()
        points.adjust(
            shop.services.engine, shop.services.catalog.book.programme, mia.actor, alice, 1, "x", str(index), now
        )
    html, seen = Page(mia, alice).read(), []
    while True:
        seen += [int(each.replace(",", "")) for each in re.findall(r"</span> = ([\d,]+)</span>", html)]
        older = re.search(r'href="([^"]+entries=\d+)#points">Older', html)
        if older is None:
            break
        html = mia.read(unescape(older.group(1)))
    assert seen == list(range(105, 59, -1))


def test_vouchers_are_given_and_taken_back(shop: Shop, hiring: Hire, alice: int) -> None:
    """Given by reward or by name, with who and why; taken back with a reason, the points with it."""
    sam = hiring("support")
    page = Page(sam, alice)
    said = flashed(sam, page.post("vouchers", reward="latte", days="7", reason="Cold coffee"))
    code = shop.one("SELECT code FROM vouchers")
    assert f"The voucher is {code}" in said
    assert "given by Sam: Cold coffee" in said
    assert page.post("vouchers", reward="", name=" ", days="7", reason="x").status_code == 409
    assert f"{code} is void." in flashed(sam, page.post(f"vouchers/{code}/revoke", reason="Mistake"))
    assert shop.one("SELECT status FROM vouchers") == "revoked"
    assert "was taken back" in flashed(sam, page.post(f"vouchers/{code}/revoke", reason="Mistake"))


def test_the_points_of_a_voucher_come_back_when_ticked(shop: Shop, hiring: Hire, alice: int) -> None:
    """A bought voucher offers its points; without the tick they stay spent."""
    for text in ("REDEEM", "1", "YES"):
        shop.says(ALICE, text)
    page = Page(hiring("support"), alice)
    code = shop.one("SELECT code FROM vouchers")
    assert "Give 60 points back" in words(page.read())
    page.post(f"vouchers/{code}/revoke", reason="Mistake", points_back="1")
    assert shop.one("SELECT points FROM customers WHERE id = :id", id=alice) == 60


def test_the_profile_is_changed_and_remembers(hiring: Hire, alice: int) -> None:
    """Name, birthday, tags and a new attribute are saved; the history says what they were and by whom."""
    sam = hiring("support")
    page = Page(sam, alice)
    values = {"name": "Ana", "birthday": "03-14", "tags": "vip", "new_attribute": "milk", "new_value": "oat"}
    said = flashed(sam, page.post("profile", **values))
    for what in ("Saved.", "Ana", "03-14", "vip", "oat", "Name : empty → Ana", "Sam"):
        assert what in said
    assert "Nothing was different." in flashed(sam, page.post("profile", name="Ana"))
    said = flashed(sam, page.post("profile", **{"attribute:milk": ""}))
    assert "milk : oat → empty" in said


def test_a_wrong_profile_keeps_what_was_typed(shop: Shop, hiring: Hire, alice: int) -> None:
    """The reason stands beside the form, which still holds everything."""
    answer = Page(hiring("support"), alice).post("profile", name="Ana", email="ana@", birthday="03-14")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "ana@ is no e-mail address" in words(html)
    assert 'value="Ana"' in html
    assert 'value="03-14"' in html
    assert shop.one("SELECT name FROM customers WHERE id = :id", id=alice) is None


def test_two_people_do_not_overwrite_each_other(hiring: Hire, alice: int) -> None:
    """Who was slower is told, and nothing of theirs is saved."""
    sam, mia = hiring("support"), hiring("manager")
    stale = _SEEN.search(Page(sam, alice).read())
    assert stale is not None
    Page(mia, alice).post("profile", name="Ana")
    answer = sam.post(f"/console/customers/{alice}/profile", {"seen": stale.group(1), "name": "Eva"})
    assert answer.status_code == 409
    assert "changed this profile meanwhile" in answer.get_data(as_text=True)
    assert "Ana" in words(Page(mia, alice).read())


def test_scripts_of_customers_and_staff_are_inert(shop: Shop, hiring: Hire, alice: int) -> None:
    """Markup in a name, an attribute, a tag, a reason or a text is shown as words."""
    from sqlalchemy import update

    from storage.customers import customers
    from storage.database import writing

    with writing(shop.services.engine) as conn:
        values = {"name": HOSTILE, "tags": [HOSTILE], "attributes": {HOSTILE: HOSTILE}, "email": HOSTILE}
        conn.execute(update(customers).where(customers.c.id == alice).values(**values))
    mia = hiring("manager")
    page = Page(mia, alice)
    page.post("points", sign="give", points="2000", reason=HOSTILE)
    page.post("points", sign="give", points="5", reason=HOSTILE)
    page.post("vouchers", reward="", name=HOSTILE, days="5", reason=HOSTILE)
    for html in (page.read(), mia.read("/console/approvals")):
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    assert words(page.read()).count("<script>alert(1)") >= 5


def test_nobody_is_a_page_that_says_so(hiring: Hire) -> None:
    """An id that is nobody's, or cannot be one, is not found; nothing is written into the audit log."""
    sam = hiring("support")
    for customer_id in ("4711", "9223372036854775808", "99999999999999999999999999"):
        assert sam.get(f"/console/customers/{customer_id}").status_code == 404
        assert sam.post(f"/console/customers/{customer_id}/points", {"points": "5"}).status_code in (303, 404)


def test_a_merged_customer_leads_to_where_everything_is(shop: Shop, hiring: Hire, alice: int) -> None:
    """The old address goes on working."""
    shop.joined(BOB)
    bob = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=BOB)
    shop.execute("UPDATE customers SET merged_into = :into WHERE id = :id", into=alice, id=bob)
    answer = hiring("support").get(f"/console/customers/{bob}")
    assert (answer.status_code, answer.location) == (302, f"/console/customers/{alice}")


def test_it_speaks_spanish(shop: Shop, hiring: Hire, alice: int) -> None:
    """The page follows the language of who reads it, as far as the catalogue goes; nothing breaks."""
    sam = hiring("support")
    shop.execute("UPDATE staff SET language = 'es' WHERE id = :id", id=sam.id)
    assert 'lang="es"' in Page(sam, alice).read()


def test_the_page_asks_the_database_a_bounded_number_of_things(shop: Shop, hiring: Hire, alice: int) -> None:
    """However much a customer has, the page costs the same number of statements."""
    from sqlalchemy import event

    page = Page(hiring("manager"), alice)
    page.read()
    counts = []
    for _ in range(2):
        seen: list[str] = []
        listen = lambda *given, seen=seen: seen.append(given[2])  # noqa: E731
        event.listen(shop.services.engine, "before_cursor_execute", listen)
        page.read()
        event.remove(shop.services.engine, "before_cursor_execute", listen)
        counts.append(len(seen))
        for number in range(6):
            page.post("points", sign="give", points="1", reason=str(number))
            page.post("vouchers", reward="latte", days="5", reason=str(number))
    assert counts[0] == counts[1] <= 25

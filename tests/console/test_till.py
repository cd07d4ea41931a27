"""The till over HTTP: what a code is good for, one button, a result nobody can mistake, and a minute to undo."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from threading import Barrier, Thread

import pytest

from bot import daycode
from tests.console.conftest import Hire
from tests.console.people import Person
from tests.console.test_customer import words
from tests.shop import ALICE, Shop

_KEY = re.compile(r'name="key" value="([0-9a-f]+)"')


@pytest.fixture
def code(shop: Shop) -> str:
    """The code of Alice's cookie."""
    shop.joined(ALICE)
    for text in ("REDEEM", "1", "YES"):
        shop.says(ALICE, text)
    shop.execute("UPDATE customers SET name = 'Alice'")
    return str(shop.one("SELECT code FROM vouchers"))


def look(person: Person, typed: str) -> str:
    """Type into the till's field and return the page."""
    person.get("/console/till")
    answer = person.post("/console/till", {"what": typed})
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def use(person: Person, code: str, key: str = "abc") -> str:
    """Press the button and return the page that comes of it."""
    answer = person.post("/console/till/redeem", {"code": code, "key": key})
    return person.read(answer.location) if answer.status_code == 303 else answer.get_data(as_text=True)


def test_the_field_and_the_days_code(shop: Shop, hiring: Hire) -> None:
    """The page has one field and today's code, because a flow asks for it."""
    html = hiring("support").read("/console/till")
    assert html.count('name="what"') == 1
    today = daycode.code_for(shop.services.settings.secret_key, "America/New_York", shop.clock.now())
    assert f"Today's code {today}" in words(html)


def test_a_code_shows_what_it_is_good_for_and_for_whom(hiring: Hire, code: str) -> None:
    """Name and reward, not the number; looking uses nothing up."""
    sam = hiring("support")
    for typed in (code, code.lower().replace("-", ""), f" {code[:4]} {code[5:]} "):
        html = look(sam, typed)
        said = words(html)
        for what in ("Good for", "Free cookie", "for Alice", code, "Use it now"):
            assert what in said
        assert "0111" not in html
        assert 'class="verdict ask"' in html


def test_a_number_lists_what_its_customer_can_use(shop: Shop, hiring: Hire, code: str) -> None:
    """One voucher shows at once; several as a list; the look is in the audit log, the number in no address."""
    sam = hiring("support")
    assert "Use it now" in look(sam, "(201) 555-0111")
    shop.execute(
        "INSERT INTO vouchers (id, customer_id, code, name, cost, status, issued_at, ends_at)"
        " SELECT id + 1, customer_id, 'AAAA-2222', 'Free latte', 0, status, issued_at, ends_at FROM vouchers"
    )
    said = words(look(sam, ALICE))
    assert "Alice : 2 vouchers" in said
    assert "Free latte" in said
    assert shop.one("SELECT count(*) FROM audit_log WHERE action = 'customer.viewed'") == 1


def test_it_is_used_once_and_says_so_unmistakably(shop: Shop, hiring: Hire, code: str) -> None:
    """Green for who used it; red for the next one, with when and by whom."""
    sam, ben = hiring("support"), hiring("support", "Ben")
    good = use(sam, code)
    assert 'class="verdict yes"' in good
    assert "Good. Hand it over Free cookie for Alice" in words(good)
    assert 'class="verdict yes"' in use(sam, code)  # the same press of the button, sent twice
    late = use(ben, code, "ben")
    assert 'class="verdict no"' in late
    assert f"{code} was used at 12:00 by Sam." in words(late)
    assert "Used already" in words(look(ben, code))
    assert shop.one("SELECT count(*) FROM audit_log WHERE action = 'voucher.redeemed'") == 1


def test_two_tills_at_the_same_moment(hiring: Hire, code: str) -> None:
    """One is told that it is good, the other by whom it was used."""
    tills, start, said = [hiring("support"), hiring("support", "Ben")], Barrier(2), []
    for person in tills:
        person.get("/console/till")

    def press(person: Person) -> None:
        start.wait()
        said.append(use(person, code, person.name))

    threads = [Thread(target=press, args=(person,)) for person in tills]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted('class="verdict yes"' in html for html in said) == [False, True]
    loser = next(html for html in said if 'class="verdict no"' in html)
    assert re.search(r"was used at 12:00 by (Sam|Ben)\.", words(loser))


def test_undo_lasts_a_minute(shop: Shop, hiring: Hire, code: str) -> None:
    """Within the minute the voucher is good again, and both are in the audit log; later there is no button."""
    sam = hiring("support")
    assert "/till/undo" in use(sam, code)
    answer = sam.post("/console/till/undo", {"code": code})
    html = sam.read(answer.location)
    assert "Undone. It is good again." in words(html)
    assert "Use it now" in words(html)
    use(sam, code, "again")
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=61))
    page = sam.read(f"/console/till?done={code}")
    assert "/till/undo" not in page
    assert 'class="verdict no"' in page
    late = sam.post("/console/till/undo", {"code": code})
    assert late.status_code == 409
    assert "for a minute" in late.get_data(as_text=True)
    actions = shop.rows("SELECT action FROM audit_log WHERE action LIKE 'voucher%' ORDER BY id")
    assert [row["action"] for row in actions] == [
        "voucher.redeemed",
        "voucher.redemption_undone",
        "voucher.redeemed",
    ]


def test_a_screenshot_shown_twice_is_used_already(shop: Shop, hiring: Hire, code: str) -> None:
    """Who used it a moment ago and types the code again sees red, when and by whom, and may still undo."""
    sam = hiring("support")
    use(sam, code)
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=12))
    for typed in (code, code.lower().replace("-", "")):
        html = look(sam, typed)
        assert 'class="verdict no"' in html
        assert "Hand it over" not in html
        assert "Used already Free cookie" in words(html)
        assert "12 seconds ago, by you Undo" in words(html)
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=50))
    assert "by you" not in words(look(sam, code))


def test_the_green_page_is_nobody_elses(hiring: Hire, code: str) -> None:
    """The address of the result shows another person the truth: it was used."""
    use(hiring("support"), code)
    html = hiring("support", "Ben").read(f"/console/till?done={code}")
    assert 'class="verdict no"' in html
    assert "Sam" in words(html)


@pytest.mark.parametrize("typed", ["AAAA-AAAA", "hello", "+12015559999", "0", '<script>alert(1)</script>"', "💥" * 30])
def test_what_is_not_found_says_so(hiring: Hire, code: str, typed: str) -> None:
    """Nothing found is red, repeats what was typed as words, and changes nothing."""
    html = look(hiring("support"), typed)
    assert 'class="verdict no"' in html
    assert "Nothing found" in html
    assert "<script>alert" not in html
    assert typed[:40] in unescape(html)


def test_what_is_over_or_void_says_so(shop: Shop, hiring: Hire, code: str) -> None:
    """Taken back with the reason, over with the day, each without a button."""
    sam = hiring("support")
    shop.execute("UPDATE vouchers SET status = 'revoked', reason = 'Wrong <b>one</b>'")
    said = look(sam, code)
    assert "Taken back" in said
    assert "Wrong &lt;b&gt;one" in said
    assert "Use it now" not in said
    assert "was taken back" in use(sam, code)
    shop.execute("UPDATE vouchers SET status = 'issued'")
    shop.clock.turn_to(shop.clock.now() + timedelta(days=40))
    sam = hiring("support", "Later")
    assert "Over" in words(look(sam, code))
    assert "was good until" in use(sam, code)

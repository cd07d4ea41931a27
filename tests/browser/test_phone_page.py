"""The phone page in a real browser, against the real server, through the real signed door."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
SMALL = pytest.mark.parametrize("page", [(390, 844)], ids=["phone"], indirect=True)
BOTH = pytest.mark.parametrize("page", [(1440, 900), (390, 844)], ids=["desktop", "phone"], indirect=True)
HOSTILE = '<script>alert(1)</script> <img src=x onerror=alert(2)> " onerror="alert(3)'


def expect(what: Any) -> Any:
    """Playwright's patient assertions, imported only where there is a browser."""
    from playwright.sync_api import expect as patiently

    return patiently(what, "")


def pick_up(page: Page, server: str) -> None:
    """Open the page with a number of its own."""
    page.goto(f"{server}/phone")
    expect(page.locator("#shop-name")).to_have_text("Corner Cup")


def last_answer(page: Page) -> Locator:
    """Return the newest text of the shop."""
    return page.locator(".line:not(.mine):not(.typing) .bubble").last


def say(page: Page, words: str, answer: str | re.Pattern[str]) -> None:
    """Type a text, send it, and wait for the answer."""
    page.fill("#text", words)
    page.keyboard.press("Enter")
    expect(page.locator(".line.mine .bubble").last).to_have_text(words)
    expect(last_answer(page)).to_contain_text(answer)


def turn(page: Page, button: str) -> None:
    """Press a button of the clock and wait until it stands again."""
    page.click(button)
    expect(page.locator("body")).not_to_have_class(re.compile("turning"), timeout=60_000)


def wait_for_noon(page: Page) -> None:
    """Turn the clock to an hour at which reminders may go out for hours to come, also on a Sunday."""
    for _ in range(24):
        moment = datetime.fromisoformat(str(page.locator("#now").get_attribute("datetime")))
        if 12 <= moment.astimezone(ZoneInfo("America/New_York")).hour < 15:
            return
        turn(page, "[data-minutes='60']")
    pytest.fail("it is never noon")


@BOTH
def test_from_joining_to_a_voucher(page: Page, server: str) -> None:
    """JOIN, YES, BALANCE, REDEEM, 1, YES: a code to show at the till, on a desk and on a phone."""
    pick_up(page, server)
    say(page, "JOIN", "Reply YES to join")
    say(page, "YES", "You start with 60 points")
    say(page, "BALANCE", "You have 60 points")
    say(page, "REDEEM", "1 Free cookie")
    say(page, "1", "Free cookie for 60 points?")
    say(page, "YES", re.compile(r"show the code [A-Z0-9]{4}-[A-Z0-9]{4} at the till"))
    expect(page.locator(".line:not(.mine)").last.locator(".ticks.all")).to_be_visible()


def test_the_machine_explains_itself(page: Page, server: str) -> None:
    """Beside the text stand the rule, the matched words, the way through the file, and the facts."""
    pick_up(page, server)
    say(page, "JOIN", "Reply YES to join")
    say(page, "YES", "You start with 60 points")
    say(page, "how many points do i have", "You have 60 points")
    card = page.locator(".turn-card").first
    expect(card).to_contain_text("“how many points do i have”")
    expect(card).to_contain_text("question")
    expect(card.locator("code", has_text=re.compile(r"balance\.yaml:\d+")).first).to_be_visible()
    expect(card).to_contain_text("1 segment, GSM-7")
    expect(page.locator("#facts")).to_contain_text("60 points")
    expect(page.locator("#facts")).to_contain_text("Subscribed")
    page.locator(".bubble", has_text="Reply YES to join").click()
    expect(page.locator(".turn-card.chosen")).to_contain_text("“JOIN”")


def test_turning_the_clock_brings_the_reminder(page: Page, server: str) -> None:
    """Who drifts away is reminded before one's eyes, at the hour it would be."""
    pick_up(page, server)
    wait_for_noon(page)
    say(page, "JOIN", "Reply YES to join")
    say(page, "YES", "You start with 60 points")
    say(page, "REDEEM", "1 Free cookie")
    before = page.locator("#now").get_attribute("datetime")
    turn(page, "[data-minutes='1440']")
    expect(page.locator(".bubble", has_text="Your 60 points are still waiting")).to_have_count(1)
    assert before is not None
    assert str(page.locator("#now").get_attribute("datetime")) > before
    expect(page.locator("#next")).to_contain_text("Next")


def test_news_for_others_leaves_a_mark(page: Page, server: str) -> None:
    """A text that arrives on another phone is marked until that phone is picked up."""
    pick_up(page, server)
    wait_for_noon(page)
    say(page, "JOIN", "Reply YES to join")
    say(page, "YES", "You start with 60 points")
    say(page, "REDEEM", "1 Free cookie")
    first = page.url.partition("#")[2]
    page.click("#new-number")
    expect(page.locator("#blank")).to_be_visible()
    turn(page, "[data-minutes='1440']")
    marked = page.locator(".person.unread", has_text=f"{first[5:8]}-{first[8:]}")
    expect(marked).to_have_count(1)
    marked.click()
    expect(last_answer(page)).to_be_visible()
    expect(page.locator(".person[aria-current=true]")).not_to_have_class(re.compile("unread"))


@BOTH
def test_hostile_texts_are_shown_and_do_nothing(page: Page, server: str) -> None:
    """Markup stays words in the bubble, in the list and in the inspector."""
    pick_up(page, server)
    page.fill("#text", HOSTILE)
    page.keyboard.press("Enter")
    expect(page.locator(".line.mine .bubble").last).to_have_text(HOSTILE)
    expect(page.locator(".turn-card .quote").first).to_have_text(f"“{HOSTILE}”")
    assert page.locator("main script, main img[src='x']").count() == 0


def test_what_was_not_taken_is_not_called_sent(page: Page, server: str) -> None:
    """Without the server the bubble says so and can be sent again."""
    pick_up(page, server)
    page.evaluate(
        """() => {
            window.fetchedBefore = window.fetch;
            window.fetch = (url, more) =>
                String(url).includes('/send') ? Promise.reject(new TypeError('gone')) : window.fetchedBefore(url, more);
        }"""
    )
    page.fill("#text", "JOIN")
    page.keyboard.press("Enter")
    expect(page.locator(".line.mine .meta.bad")).to_contain_text("Not sent")
    page.evaluate("() => { window.fetch = window.fetchedBefore; }")
    page.click(".line.mine .meta.bad button")
    expect(last_answer(page)).to_contain_text("Reply YES to join")
    expect(page.locator(".line.mine")).to_have_count(1)


def test_a_picture_can_be_sent(page: Page, server: str) -> None:
    """Chosen, seen, sent, shown; the machine recorded it."""
    pick_up(page, server)
    page.click("#add-picture")
    page.click("[data-picture=dog]")
    page.fill("#text", "May he come in?")
    page.keyboard.press("Enter")
    expect(page.locator(".line.mine img")).to_be_visible()
    expect(page.locator(".turn-card .quote").first).to_have_text("“May he come in?” with a picture")


@SMALL
def test_on_a_phone_everything_fits_and_can_be_touched(page: Page, server: str) -> None:
    """No sideways scrolling, targets of 44 px, sheets behind a tap that close again."""
    pick_up(page, server)
    say(page, "JOIN", "Reply YES to join")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44, button.inner_text()
        assert box["width"] >= 44, button.inner_text()
    for sheet, words in (("people", "Whose phone?"), ("clock", "+30 days"), ("inspector", "“JOIN”")):
        page.click(f"[data-sheet={sheet}]")
        expect(page.locator(".panel.open")).to_contain_text(words)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Escape")
        expect(page.locator(".panel.open")).to_have_count(0)


@BOTH
def test_every_control_has_a_name(page: Page, server: str) -> None:
    """Somebody who cannot see the page is told what each control does."""
    pick_up(page, server)
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, textarea, a')]
            .filter((node) => node.checkVisibility())
            .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
            .map((node) => node.outerHTML)"""
    )
    assert unnamed == []


def test_everything_can_be_done_from_the_keyboard(page: Page, server: str) -> None:
    """Slash goes to the typing field, Tab reaches the bubbles, Enter chooses one."""
    pick_up(page, server)
    say(page, "HELP", "Corner Cup")
    page.locator("#new-number").focus()
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    assert page.locator("#text").input_value() == ""
    page.locator(".bubble").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".turn-card.chosen")).to_have_count(1)


@BOTH
def test_the_landing_page_leads_to_the_phone(page: Page, server: str) -> None:
    """Where `make run` points to."""
    page.goto(server)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Corner Cup Regulars")
    page.get_by_text("Pick up the phone").click()
    expect(page.locator("#text")).to_be_visible()

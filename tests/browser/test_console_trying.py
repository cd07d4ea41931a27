"""Trying from here in a real browser: the phone of a masked copy, on desk and phone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.finding import customer_of
from tests.browser.test_console_conversation import PRIYA, open_conversation, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser
SIZES = pytest.mark.parametrize(
    ("page", "scheme"),
    [((1440, 900), "light"), ((390, 844), "dark")],
    ids=["desk-light", "phone-dark"],
    indirect=["page"],
)


def say(page: Page, words: str) -> None:
    """Send a text from the copy's phone and wait for what comes of it."""
    count = page.locator(".line.mine").count()
    page.get_by_label("The copy's text").fill(words)
    page.keyboard.press("Enter")
    expect(page.locator(".line.mine")).to_have_count(count + 1)
    expect(page.locator(".typing")).to_have_count(0)


@SIZES
def test_a_copy_answers_and_nothing_is_sent(page: Page, server: str, scheme: str) -> None:
    """Four texts in turn; earlier bubbles and codes stay; axe finds nothing; the conversation is as it was."""
    sign_in(page, server)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    address = open_conversation(page, server, PRIYA)
    before = page.locator("[data-entry]").last.get_attribute("id")
    page.get_by_role("link", name="Try from here").click()
    expect(page.get_by_text("A copy called Robin. Nothing is sent, nothing is kept.")).to_be_visible()
    for words in ("REDEEM", "1", "YES"):
        say(page, words)
    code = re.search(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", page.locator("#thread").inner_text())
    assert code is not None
    shown = page.locator(".line .bubble").all_inner_texts()
    say(page, "CODES")
    assert page.locator(".line .bubble").all_inner_texts()[: len(shown)] == shown
    expect(page.locator(".line .bubble").last).to_contain_text(code.group())
    assert "Priya" not in page.locator("main").inner_text()
    expect(page.get_by_role("heading", name="What would follow")).to_be_visible()
    page.locator(".line.mine .bubble").first.click()
    expect(page.locator(".turn-card.chosen")).to_contain_text("Starts")
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(address)
    assert page.locator("[data-entry]").last.get_attribute("id") == before


def test_it_waits_and_starts_over(page: Page, server: str) -> None:
    """Waiting turns the copy's clock to the next thing; starting over forgets everything and keeps the field."""
    sign_in(page, server)
    page.goto(customer_of(page, server, PRIYA) + "/try")
    say(page, "REDEEM")
    clock = page.locator("#as-whom").inner_text()
    page.get_by_role("button", name="Wait for it").click()
    expect(page.locator("#as-whom")).not_to_have_text(clock)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".line")).to_have_count(0)
    expect(page.get_by_text("No texts yet")).to_be_visible()
    expect(page.get_by_label("The copy's text")).to_be_focused()


def test_who_types_before_the_copy_is_there_is_heard(page: Page, server: str) -> None:
    """A text sent while the copy is still being made waits for it."""
    sign_in(page, server)
    address = customer_of(page, server, PRIYA) + "/try"
    held: list[Route] = []
    page.route(re.compile("/try/state$"), lambda route: held.append(route), times=1)
    with page.expect_request(re.compile("/try/state$")):
        page.goto(address)
    page.get_by_label("The copy's text").fill("BALANCE")
    page.keyboard.press("Enter")
    held[0].continue_()
    expect(page.locator(".line.mine")).to_have_count(1)
    expect(page.locator(".line .bubble").last).to_contain_text("points")


def test_without_script_a_form_plays_all_lines(browser: Browser, server: str) -> None:
    """A browser that runs no script gets the form, and what would be said."""
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{server}/console/sign-in")
        page.locator("button[name=role][value=support]").click()
        page.goto(f"{server}/console/search?q={PRIYA.removeprefix('+')}")
        page.locator("#search-results a[href*='/console/customers/']").first.click()
        page.goto(re.sub(r"(/customers/\d+).*", r"\1/try", page.url))
        page.get_by_label("What the customer would text").fill("REDEEM\n1")
        page.get_by_role("button", name="Play").click()
        expect(page.locator(".text.out")).to_have_count(2)
    finally:
        context.close()

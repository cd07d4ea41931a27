"""Taking over in a real browser: two people at once, one text however long Enter is held, night and saved replies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def expect(what: Any) -> Any:
    """Playwright's patient assertions, imported only where there is a browser."""
    from playwright.sync_api import expect as patiently

    return patiently(what, "")


def is_accessible(page: Page) -> None:
    """Hold the composer, as it stands, against the rules of axe."""
    from axe_playwright_python.sync_playwright import Axe

    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(page, context=".composer", options={"runOnly": rules}).response["violations"]
    assert [each["id"] for each in found] == []


def sign_in(page: Page, server: str, name: str) -> None:
    """Sign in as one of the demo's staff."""
    page.goto(f"{server}/console/sign-in")
    page.get_by_role("button", name=re.compile(name)).click()
    expect(page.locator(".menu-name")).to_have_text(name)


def write_in(page: Page, server: str, words: str) -> None:
    """Text the shop from a phone of one's own."""
    page.goto(f"{server}/phone")
    expect(page.locator("#shop-name")).to_have_text("Corner Cup")
    page.fill("#text", words)
    page.keyboard.press("Enter")
    expect(page.locator(".line.mine .bubble").last).to_have_text(words)
    expect(page.locator(".line:not(.mine):not(.typing) .bubble").last).to_contain_text("A person at Corner Cup")


@pytest.fixture
def colleague(browser: Browser) -> Iterator[Page]:
    """A second person's browser."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def open_conversation(page: Page, server: str) -> str:
    """Open the conversation of whoever has waited shortest; return its address."""
    page.goto(f"{server}/console/queue")
    link = page.locator("ol.rows a").last
    address = f"{server}{link.get_attribute('href')}"
    page.goto(address)
    return address


def send(page: Page, words: str) -> None:
    """Write an answer, hold Enter, and say yes when it is night."""
    page.keyboard.press("r")
    page.keyboard.insert_text(words)
    for _ in range(6):  # the browser repeats a key that is held
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    box = page.locator("[data-answer] textarea")
    question = page.locator("[data-ask-first]")
    page.wait_for_function(
        "() => !document.querySelector('[data-answer] textarea').value"
        " || !document.querySelector('[data-ask-first]').hidden"
    )
    if question.is_visible():
        expect(question).to_contain_text("Send it all the same?")
        is_accessible(page)
        question.locator("[data-confirm]").click()
    expect(box).to_have_value("")


def test_two_people_and_one_customer(page: Page, colleague: Page, server: str) -> None:
    """Sam answers once though Enter is held; Mia sees it, takes over with a reason, and Sam sees that and why."""
    write_in(page, server, "never got my coffee, let me talk to a human")
    sign_in(page, server, "Sam")
    address = open_conversation(page, server)
    expect(page.locator(".composer")).to_contain_text("The bot answers.")
    words = f"So sorry! Your coffee is on us. {HOSTILE}"
    page.locator("[data-answer] textarea").fill(words)
    expect(page.locator("[data-cost]")).to_contain_text("1 segment")
    page.locator("[data-answer] textarea").fill("")
    page.locator("h1").first.click()
    page.goto(address)
    send(page, words)
    expect(page.locator(".holder")).to_contain_text("Yours until")
    expect(page.locator(".text.by-staff .words")).to_have_text([words])
    page.locator(".holder summary").click()
    is_accessible(page)

    sign_in(colleague, server, "Mia")
    colleague.goto(address)
    expect(colleague.locator(".holder")).to_contain_text("Sam is talking with this customer until")
    expect(colleague.locator("[data-answer]")).to_be_hidden()
    is_accessible(colleague)
    colleague.fill(".holder input[name=reason]", "he asked for the manager")
    colleague.get_by_role("button", name="Take over").click()
    expect(colleague.locator(".holder")).to_contain_text("Yours until")
    expect(page.locator(".holder")).to_contain_text("Mia took over from you.", timeout=15_000)
    expect(page.locator(".holder")).to_contain_text("he asked for the manager")
    expect(page.locator("[data-answer]")).to_be_hidden()

    expect(colleague.locator("[data-bar]")).to_contain_text("asked for a person")
    colleague.locator(".holder summary").click()
    colleague.get_by_role("button", name="End the conversation").click()
    expect(colleague.locator(".holder")).to_contain_text("The bot answers.")
    expect(colleague.locator("[data-bar]")).not_to_contain_text("asked for a person")  # at once, not at the next look
    expect(page.locator(".holder")).to_contain_text("The bot answers.", timeout=15_000)


def test_a_saved_reply_is_put_where_the_cursor_is(page: Page, server: str) -> None:
    """In the words for this customer, with a hint at what it lacks."""
    write_in(page, server, "can i talk to someone")
    sign_in(page, server, "Sam")
    page.goto(f"{server}/console/replies")
    page.fill("#f-title", "Balance")
    page.fill("#f-body", "You have {points, points}, {name}.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".message")).to_contain_text("Saved.")
    open_conversation(page, server)
    page.locator("[data-answer] textarea").fill("Hello! ")
    page.get_by_role("button", name="Insert").click()
    expect(page.locator("[data-answer] textarea")).to_have_value(re.compile(r"^Hello! You have 0 points, .*\.$"))
    lacks = page.locator("[data-missing]")
    expect(lacks).to_contain_text("this customer has nothing for {name}")
    page.locator("[data-answer] textarea").fill("")
    expect(lacks).to_be_hidden()

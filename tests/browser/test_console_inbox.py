"""The inbox in a real browser: as it happens, two people at once, by keyboard, on a phone, without script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
NUMBERS = (f"+1303555{number:04}" for number in range(130, 190))
PATIENCE = 15_000  # two rounds of asking, on a machine that does much else


def expect(what: Any) -> Any:
    """Playwright's patient assertions, imported only where there is a browser."""
    from playwright.sync_api import expect as patiently

    return patiently(what, "")


def text(server: str, phone: str, words: str) -> None:
    """Text the shop from a customer's phone."""
    assert requests.post(f"{server}/phone/send", json={"phone": phone, "body": words}, timeout=20).ok


def ask(server: str, phone: str, words: str) -> None:
    """Ask for a person, and go on to say why."""
    text(server, phone, "AGENT")
    text(server, phone, words)


def sign_in(page: Page, server: str, role: str) -> None:
    """Sign in as one of the demo's staff."""
    page.goto(f"{server}/console/sign-in")
    page.locator(f"button[value={role}]").click()
    page.wait_for_url("**/console/**")


def entry(page: Page, words: str) -> Locator:
    """Return the entry of the list with these words."""
    return page.locator(".entry", has_text=words)


@pytest.fixture
def colleague(browser: Browser, server: str) -> Iterator[Page]:
    """Mia, the manager, at a desk of her own, looking at the inbox."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    sign_in(opened, server, "manager")
    opened.goto(f"{server}/console/inbox")
    yield opened
    context.close()


def test_two_people_see_what_happens_as_it_happens(page: Page, colleague: Page, server: str) -> None:
    """A customer asks for a person; Sam opens, writes, settles, and takes it back; Mia sees each step."""
    who, words = next(NUMBERS), "it is about my first coffee"
    sign_in(page, server, "support")
    page.goto(f"{server}/console/inbox")
    ask(server, who, words)
    for each in (page, colleague):
        expect(entry(each, words)).to_be_visible(timeout=PATIENCE)
        expect(entry(each, words)).to_have_class("entry unread")

    entry(page, words).locator("a").click()
    expect(page.locator(".pane .timeline")).to_contain_text(words)
    expect(entry(page, words)).not_to_have_class("entry unread")
    expect(entry(colleague, words)).to_contain_text("Sam is looking", timeout=PATIENCE)
    page.locator(".pane [data-answer] textarea").fill("One moment")
    expect(entry(colleague, words)).to_contain_text("Sam is answering", timeout=PATIENCE)
    expect(page.locator(".entry .there:visible")).to_have_count(0)
    page.locator(".pane [data-answer] textarea").fill("")

    page.locator(".pane").get_by_role("button", name="Done").click()
    expect(entry(page, words)).to_have_count(0)
    expect(entry(colleague, words)).to_have_count(0, timeout=PATIENCE)
    page.locator(".toasts").get_by_role("button", name="Undo").click()
    expect(entry(page, words)).to_be_visible()
    expect(entry(colleague, words)).to_be_visible(timeout=PATIENCE)


def test_it_is_worked_by_keyboard(page: Page, server: str) -> None:
    """Down, open, reply, back, done, help, search, and home again: no hand leaves the keys."""
    first, second = "the till is stuck", "the door is stuck"
    for words in (first, second):
        ask(server, next(NUMBERS), words)
    sign_in(page, server, "support")
    page.goto(f"{server}/console/inbox")
    page.keyboard.press("k")
    expect(entry(page, second).locator("a")).to_be_focused()
    page.keyboard.press("k")
    expect(entry(page, first).locator("a")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".pane .timeline")).to_contain_text(second)
    page.keyboard.press("r")
    expect(page.locator(".pane [data-answer] textarea")).to_be_focused()
    page.keyboard.press("Escape")
    expect(entry(page, second).locator("a")).to_be_focused()
    page.keyboard.press("e")
    expect(entry(page, second)).to_have_count(0)
    expect(page.locator(".entry > a:focus")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.locator(".list-head h2").click()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/console/inbox")


def test_a_conversation_is_assigned_and_put_aside(page: Page, server: str) -> None:
    """Chosen from a list, done at once; what is mine and what is snoozed have their views."""
    words = "my cup leaks"
    ask(server, next(NUMBERS), words)
    sign_in(page, server, "support")
    page.goto(f"{server}/console/inbox")
    entry(page, words).locator("a").click()
    page.get_by_label("Assign to").select_option(label="Me (Sam)")
    expect(entry(page, words)).to_contain_text("with Sam")
    page.get_by_label("Snooze until").select_option("4h")
    expect(entry(page, words)).to_have_count(0)
    page.get_by_role("link", name="Snoozed").click()
    expect(entry(page, words)).to_contain_text("back")
    entry(page, words).locator("a").click()
    page.get_by_role("button", name="Open again").click()
    expect(entry(page, words)).to_have_count(0)
    page.get_by_role("link", name="Mine").click()
    expect(entry(page, words)).to_be_visible()


@pytest.mark.parametrize("page", [(390, 844)], ids=["phone"], indirect=True)
def test_on_a_phone_there_is_one_thing_at_a_time(page: Page, server: str) -> None:
    """The list, then the conversation with what can be done about it, then the list again."""
    words = "I stand at the counter"
    ask(server, next(NUMBERS), words)
    sign_in(page, server, "support")
    page.goto(f"{server}/console/inbox")
    expect(page.locator(".pane")).to_be_hidden()
    page.locator(".views-fold > summary").tap()
    page.get_by_role("link", name="Unassigned").tap()
    entry(page, words).locator("a").tap()
    page.wait_for_url("**/conversation")
    page.get_by_role("button", name="Done").tap()
    expect(page.locator(".toasts")).to_contain_text("Done")
    expect(page.get_by_role("button", name="Open again")).to_be_visible()
    page.go_back()
    expect(page.locator(".list-scroll")).to_be_visible()
    expect(entry(page, words)).to_have_count(0, timeout=PATIENCE)


def test_it_works_without_script(browser: Browser, server: str) -> None:
    """Plain links and plain forms."""
    words = "my browser is old"
    ask(server, next(NUMBERS), words)
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    sign_in(plain, server, "support")
    plain.goto(f"{server}/console/inbox")
    plain.get_by_role("link", name="Unassigned").click()
    entry(plain, words).locator("a").click()
    plain.get_by_role("button", name="Done").click()
    expect(plain.locator(".message.good")).to_contain_text("Done.")
    plain.locator(".message.good").get_by_role("button", name="Undo").click()
    expect(plain.get_by_role("button", name="Done")).to_be_visible()
    context.close()


@pytest.mark.parametrize(
    ("page", "scheme"),
    [((1440, 900), "light"), ((390, 844), "dark")],
    ids=["desk-light", "phone-dark"],
    indirect=["page"],
)
def test_it_is_there_for_everybody(page: Page, server: str, scheme: str) -> None:
    """Nothing serious for axe, no sideways scrolling, nothing of a customer's obeyed."""
    who = next(NUMBERS)
    text(server, who, HOSTILE)
    text(server, who, "א" * 300 + "x" * 600)
    sign_in(page, server, "manager")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{server}/console/inbox?view=recent")
    expect(page.locator(".entry").first).to_be_visible()
    if page.locator(".pane").is_visible():
        page.locator(".entry > a").first.click()
        expect(page.locator(".pane [data-bar]")).to_be_visible()
        expect(page.locator(".pane[aria-busy]")).to_have_count(0)
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_facts_stand_beside_the_conversation(page: Page, server: str) -> None:
    """Four panes where there is room; else they fold out above the texts, which stay in sight."""
    sign_in(page, server, "manager")
    page.goto(f"{server}/console/inbox?view=recent")
    page.locator(".entry > a").first.click()
    facts, fold = page.locator(".pane .conversation-facts"), page.locator(".pane .facts-fold summary")
    expect(facts).to_be_visible()
    expect(fold).to_be_hidden()
    for words in ("Points", "Member since", "Vouchers", "Consent evidence"):
        expect(facts).to_contain_text(words)
    for width in (1200, 1000):
        page.set_viewport_size({"width": width, "height": 800})
        expect(facts).to_be_hidden()
        fold.click()
        expect(facts).to_be_visible()
        expect(page.locator(".pane .timeline")).to_be_visible()
        fold.click()

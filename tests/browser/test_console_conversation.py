"""A conversation in a real browser: as it happens, back to its beginning, notes, lessons, on desk and phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

pytest.importorskip("playwright")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.finding import customer_of

pytestmark = pytest.mark.browser
PRIYA = "+19175550118"


def text(server: str, phone: str, words: str) -> None:
    """Send a text from a customer's phone."""
    answer = requests.post(f"{server}/phone/send", json={"phone": phone, "body": words}, timeout=20)
    assert answer.ok, answer.text


def sign_in(page: Page, server: str, role: str = "support") -> None:
    page.goto(f"{server}/console/sign-in")
    page.locator(f"button[name=role][value={role}]").click()
    page.wait_for_url(re.compile("/console/(?!sign-in)"))


def open_conversation(page: Page, server: str, phone: str) -> str:
    """Find a customer by number and open the conversation; returns its address."""
    address = customer_of(page, server, phone) + "/conversation"
    page.goto(address)
    return address


@contextmanager
def colleague(browser: Browser, server: str, role: str) -> Iterator[Page]:
    """Somebody else in a browser of their own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        sign_in(page, server, role)
        yield page
    finally:
        context.close()


def last_bubble(page: Page) -> str:
    return page.locator(".timeline .text .words").last.inner_text()


def test_texts_appear_as_they_come(page: Page, server: str) -> None:
    """Without a reload, with their reasons; who reads at the end stays there, who reads above keeps the place."""
    text(server, PRIYA, "BALANCE")
    sign_in(page, server)
    open_conversation(page, server, PRIYA)
    text(server, PRIYA, "what tier am i <b>now</b>")
    incoming = page.locator(".text.in", has_text="what tier am i <b>now</b>")
    expect(incoming).to_be_visible()
    expect(incoming.locator(".why > summary")).to_contain_text("Starts")
    scroll = page.locator(".scroll")
    assert scroll.evaluate("node => node.scrollTop") == 0
    scroll.evaluate("node => { node.scrollTop = -600; }")
    before = scroll.evaluate("node => node.scrollTop")
    text(server, PRIYA, "HOURS")
    expect(page.locator(".jump")).to_be_visible()
    assert scroll.evaluate("node => node.scrollTop") <= before
    page.get_by_role("button", name="New below").click()
    expect(page.locator(".jump")).to_be_hidden()
    assert scroll.evaluate("node => node.scrollTop") == 0


def test_it_goes_back_to_the_beginning(page: Page, server: str) -> None:
    """The button for older entries puts them on top until the first; no entry twice, each day named once."""
    sign_in(page, server)
    open_conversation(page, server, PRIYA)
    for _ in range(12):
        older = page.locator("[data-older]")
        if older.count() == 0:
            break
        count = page.locator("[data-entry]").count()
        older.click()
        page.wait_for_function("count => document.querySelectorAll('[data-entry]').length > count", arg=count)
    keys = page.locator("[data-entry]").evaluate_all("nodes => nodes.map(node => node.id)")
    days = page.locator("[data-day]").evaluate_all("nodes => nodes.map(node => node.dataset.day)")
    assert page.locator("[data-older]").count() == 0
    assert len(keys) == len(set(keys)) > 100
    assert days == sorted(set(days))


def test_it_explains_and_is_taught(page: Page, server: str) -> None:
    """One click shows why; what was misunderstood is taught, and taken back, in place."""
    text(server, PRIYA, "frobnicate my gizmo")
    sign_in(page, server)
    open_conversation(page, server, PRIYA)
    entry = page.locator(".text.in", has_text="frobnicate my gizmo").last
    entry.locator(".why > summary").click()
    expect(entry.get_by_text("Nothing was close enough to guess.")).to_be_visible()
    entry.get_by_text("The bot misunderstood this").click()
    entry.get_by_label("It should have been").select_option("flow:redeem")
    entry.get_by_role("button", name="Teach").click()
    expect(entry.get_by_text("Taught: it should have been")).to_be_visible()
    entry.get_by_role("button", name="Take the lesson back").click()
    expect(entry.get_by_text("The bot misunderstood this")).to_be_visible()


def test_a_note_reaches_a_colleague(page: Page, browser: Browser, server: str) -> None:
    """A name is offered after an @; the colleague, signed in elsewhere, sees the note at once and among mentions."""
    with colleague(browser, server, "manager") as mia:
        name = mia.locator(".menu-name").inner_text()
        sign_in(page, server)
        address = open_conversation(page, server, PRIYA)
        page.get_by_text("Note for colleagues").click()
        page.get_by_label("Note", exact=True).press_sequentially(f"see this @{name[:2]}")
        page.get_by_role("button", name=f"@{name}").click()
        page.get_by_role("button", name="Add note").click()
        expect(page.locator(".happening.note", has_text=f"see this @{name}")).to_be_visible()
        mia.goto(f"{server}/console/mentions")
        expect(mia.get_by_text("1 note waits for you.")).to_be_visible()
        mia.goto(address)
        expect(mia.locator(".happening.note", has_text="see this")).to_be_visible()
        mia.goto(f"{server}/console/mentions")
        expect(mia.get_by_text("You have read everything that mentions you.")).to_be_visible()


def test_a_picture_is_shown(page: Page, server: str) -> None:
    """A picture sent from the phone is drawn, from this server alone."""
    body = {"phone": PRIYA, "body": "look", "picture": "latte"}
    assert requests.post(f"{server}/phone/send", json=body, timeout=20).ok
    sign_in(page, server)
    open_conversation(page, server, PRIYA)
    drawn = page.locator(".picture img").last
    expect(drawn).to_be_visible()
    page.wait_for_function("() => document.querySelector('.picture img').naturalWidth > 0")
    assert "/console/pictures/" in (drawn.get_attribute("src") or "")


@pytest.mark.parametrize(
    ("page", "scheme"),
    [((1440, 900), "light"), ((390, 844), "dark")],
    ids=["desk-light", "phone-dark"],
    indirect=["page"],
)
def test_it_is_there_for_everybody(page: Page, server: str, scheme: str) -> None:
    """axe finds nothing serious, nothing is wider than the screen, with an explanation open."""
    sign_in(page, server)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    open_conversation(page, server, PRIYA)
    page.locator(".why > summary").last.click()
    page.get_by_text("Note for colleagues").click()
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

"""Search in a real browser: results while one types, by keyboard, on desk and phone."""

from __future__ import annotations

import re

import pytest
import requests

pytest.importorskip("playwright")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
WALT = "+12125550177"


def text(server: str, words: str) -> None:
    """Send a text from a customer's phone."""
    answer = requests.post(f"{server}/phone/send", json={"phone": WALT, "body": words}, timeout=20)
    assert answer.ok, answer.text


def sign_in(page: Page, server: str) -> None:
    page.goto(f"{server}/console/sign-in")
    page.locator(
        "form[action$='/demo'] button[value=support], form[action$='/demo']:has([value=support]) button"
    ).first.click()
    page.wait_for_url(re.compile("/console/(?!sign-in)"))


def test_results_come_while_one_types(page: Page, server: str) -> None:
    """Slash goes to the field; Enter opens the page; typing on changes what is shown; a hit opens the customer."""
    text(server, "never got my <i>oatmilk</i> coffee")
    sign_in(page, server)
    page.keyboard.press("/")
    page.keyboard.type("never got my oatm")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/console/search\?q="))
    for _ in range(20):  # the index follows within a second or two
        if page.locator("mark", has_text="oatmilk").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(page.locator(".found-text").first).to_contain_text("never got my <i>oatmilk</i> coffee")
    assert page.locator(".found-text i").count() == 0

    field = page.get_by_role("searchbox", name="Name, number, code or words").last
    page.evaluate("window.stayed = true")
    field.fill(WALT[-4:])
    hit = page.locator("section", has=page.get_by_role("heading", name="Customers")).get_by_role("link").first
    expect(hit).to_have_text("(212) 555-0177")
    assert page.evaluate("window.stayed") is True
    hit.click()
    page.wait_for_url(re.compile("/conversation"))


def test_it_says_when_nothing_fits(page: Page, server: str) -> None:
    """Words and a way on, not an empty page."""
    sign_in(page, server)
    page.goto(f"{server}/console/search?q=zzzzzz")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


@pytest.mark.parametrize(
    ("size", "scheme"), [((1440, 900), "light"), ((390, 844), "dark")], ids=["desk-light", "phone-dark"]
)
def test_everybody_can_use_it(page: Page, server: str, size: tuple[int, int], scheme: str) -> None:
    """Nothing serious for axe, no sideways scrolling, at a desk and on a phone, light and dark."""
    text(server, "coffee " + "x" * 200)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(page, server)
    page.goto(f"{server}/console/search?q=coffee")
    serious = [
        each["id"] for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

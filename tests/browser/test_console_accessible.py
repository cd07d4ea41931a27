"""Every page of the console against the rules of axe (WCAG 2.2 A and AA), light at desk size and dark at phone size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = (
    "/console/inbox",
    "/console/inbox?view=recent",
    "/console/search?q=points",
    "/console/queue",
    "/console/replies",
    "/console/mentions",
    "/console/till",
    "/console/approvals",
    "/console/reports?days=90",
    "/console/teaching",
    "/console/audit",
    "/console/staff",
    "/console/account",
    "/console/no-such-page",
)
OF_CUSTOMER = ("", "/conversation", "/evidence", "/privacy", "/try")


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=str)
def desk(browser: Browser, server: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser in which an administrator is signed in."""
    width, scheme = request.param
    height = 900 if width > 500 else 844
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        is_mobile=width < 500,
        has_touch=width < 500,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{server}/console/sign-in")
    page.click("button[value=admin]")
    yield page
    context.close()


def broken_rules(page: Page, address: str) -> list[str]:
    """Return the rules a page breaks, and what is too wide for it."""
    from axe_playwright_python.sync_playwright import Axe

    page.goto(address)
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response["violations"]
    path = re.sub(r"^https?://[^/]+", "", address)
    broken = [f"{path}: {rule['id']} ({rule['impact']}) {[n['target'] for n in rule['nodes']][:3]}" for rule in found]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*broken, f"{path}: {wide} px too wide"] if wide > 0 else broken


def test_no_page_breaks_a_rule(desk: Page, server: str) -> None:
    """No violation on any page, nothing wider than the screen."""
    desk.goto(f"{server}/console/inbox?view=recent")
    link = desk.locator("a[href*='/console/customers/']").first.get_attribute("href") or ""
    found = re.search(r"/console/customers/\d+", link)
    assert found is not None
    addresses = [*PAGES, *(found.group() + page for page in OF_CUSTOMER)]
    assert [line for path in addresses for line in broken_rules(desk, server + path)] == []


def test_signing_in_breaks_no_rule(browser: Browser, server: str) -> None:
    """The first page anybody sees."""
    context = browser.new_context()
    try:
        assert broken_rules(context.new_page(), f"{server}/console/sign-in") == []
    finally:
        context.close()

"""Export, merge and erasure in a real browser, on a desk and on a phone in the dark."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Page, expect

from tests.browser.test_console_customer import good, open_customer, sign_in, text

pytestmark = pytest.mark.browser
_NUMBERS = count(700)
PICTURES = os.environ.get("PRIVACY_PICTURES")  #: a folder for what a person wants to look at


def newcomer(server: str) -> str:
    """Make a member of a number nobody has used here, and return it."""
    phone = f"+12125550{next(_NUMBERS)}"
    text(server, phone, "JOIN", "YES", "my name is Wilhelmina")
    return phone


def look(page: Page, name: str, heading: str) -> None:
    """Hold the page with this heading to the rules, and take its picture when somebody wants to see it."""
    expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_visible()
    page.wait_for_load_state()
    good(page)
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{page.viewport_size['width']}.png", full_page=True)  # type: ignore[index]


@pytest.mark.parametrize("page", [(1440, 900), (390, 844)], indirect=True, ids=["desk", "phone"])
def test_a_manager_exports_merges_and_erases(page: Page, server: str) -> None:
    """All three by hand, with a second look before what cannot be undone, and the certificate at the end."""
    if page.viewport_size["width"] < 500:  # type: ignore[index]
        page.emulate_media(color_scheme="dark")
    old, new = newcomer(server), newcomer(server)
    sign_in(page, server, "manager")
    open_customer(page, server, old)
    page.get_by_role("link", name="Export, merge, erase").click()
    look(page, "privacy", "Privacy")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    assert json.loads(download.value.path().read_text())["numbers"] == [old]

    page.get_by_label("The other number").fill(new)
    page.get_by_role("button", name="Look at what would move").click()
    expect(page.get_by_role("heading", name="Consent stays with each number")).to_be_visible()
    look(page, "merge", "Merge two numbers")
    page.get_by_role("button", name="Merge the two").click()
    expect(page.get_by_text("The two numbers are one customer now.")).to_be_visible()

    page.get_by_role("link", name="Look at what would go").click()
    look(page, "erase", "Erase the customer")
    page.get_by_label("The last four digits of the number").fill("0000")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("Nothing was erased.")).to_be_visible()
    page.get_by_label("The last four digits of the number").fill(new[-4:])
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="Certificate of erasure")).to_be_visible()
    expect(page.get_by_text("Nothing is left in the")).to_be_visible()
    look(page, "certificate", "Certificate of erasure")
    page.goto(f"{server}/console/search?q={new[-7:]}")
    expect(page.get_by_text("Wilhelmina")).to_have_count(0)

"""What a person at the support desk, a manager and a lawyer do, from beginning to end, with two people signed in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.settings import ROOT
from tests.browser.test_takeover import expect, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def manager(browser: Browser) -> Iterator[Page]:
    """The manager's own browser."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def says(page: Page, server: str, texts: Sequence[str]) -> None:
    """Text the shop from a phone of one's own, each text once the one before is answered."""
    page.goto(f"{server}/phone")
    expect(page.locator("#shop-name")).to_have_text("Corner Cup")
    answers = page.locator(".line:not(.mine):not(.typing) .bubble")
    for words in texts:
        before = answers.count()
        page.fill("#text", words)
        page.keyboard.press("Enter")
        expect(answers.nth(before)).to_be_visible()


def points_of(page: Page) -> int:
    """Return the balance after the newest entry of the ledger the customer's page shows."""
    found = re.search(r"= ([\d,]+)", page.locator("#points").inner_text())
    assert found is not None
    return int(found.group(1).replace(",", ""))


def test_the_desk_the_manager_and_the_lawyer(page: Page, manager: Page, server: str, tmp_path: Path) -> None:
    """Half a sentence finds the customer; why, take over, saved reply, points, hand back; the log; the evidence."""
    says(page, server, ("JOIN", "YES", "never got my coffee at table seven, can i talk to a person"))
    sign_in(page, server, "Sam")
    page.goto(f"{server}/console/replies")
    page.fill("#f-title", "Coffee")
    page.fill("#f-body", "So sorry! Your coffee is on us, and 50 points with it.")
    page.get_by_role("button", name="Save").click()

    # Half a sentence, once the index has caught up.
    page.goto(f"{server}/console/inbox")
    page.keyboard.press("/")
    found = page.locator("#search-results")
    for _ in range(20):
        page.goto(f"{server}/console/search?q=never+got+my+coffee+at+table+sev")
        if found.get_by_role("link").count():
            break
        page.wait_for_timeout(500)
    page.locator(".found-texts a").first.click()
    page.wait_for_url(re.compile(r"/console/customers/\d+/conversation"))
    address = re.sub(r"/conversation.*", "", page.url)

    # What the bot understood, and why.
    text = page.locator(".timeline li", has_text="at table seven").last
    why = text.locator("details").first
    why.locator("summary").first.click()
    expect(why).to_contain_text(re.compile(r"human\.yaml:\d+"))

    # Take over, answer with the saved reply, give points, hand back.
    page.get_by_role("button", name="Take over").click()
    expect(page.locator(".holder")).to_contain_text("Yours until")
    page.locator("form.saved select").select_option(label="Coffee")
    page.get_by_role("button", name="Insert").click()
    box = page.locator("[data-answer] textarea")
    expect(box).to_have_value(re.compile("on us"))
    box.press("Enter")
    page.wait_for_function(
        "() => !document.querySelector('[data-answer] textarea').value"
        " || !document.querySelector('[data-ask-first]').hidden"
    )
    if page.locator("[data-ask-first]").is_visible():  # it is night at the customer's
        page.locator("[data-confirm]").click()
    expect(page.locator(".text.by-staff .words").last).to_contain_text("Your coffee is on us")
    page.goto(f"{address}#points")
    before = points_of(page)
    page.locator("#points details summary", has_text=re.compile("Give|Adjust|points", re.I)).first.click()
    page.fill("#points-count", "50")
    page.fill("#points-reason", "Coffee never came")
    page.get_by_role("button", name="Write it into the ledger").click()
    expect(page.locator("#points")).to_contain_text("Coffee never came")
    assert points_of(page) == before + 50
    page.goto(f"{address}/conversation")
    page.locator(".holder summary").click()
    page.get_by_role("button", name="Go on where it was").click()
    expect(page.locator(".holder")).to_contain_text("The bot answers.")

    sign_in(manager, server, "Mia")
    _the_log_tells(manager, server)
    _the_evidence_proves(manager, address, tmp_path / "evidence.json")


def _verifies(file: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "consent", "verify", str(file)], cwd=ROOT, capture_output=True, check=False
    )
    return done.returncode == 0


def _the_log_tells(manager: Page, server: str) -> None:
    """The manager sees in the audit log what was done."""
    manager.goto(f"{server}/console/audit")
    log = manager.locator("main")
    for words in ("gave", "handed", "took"):
        expect(log).to_contain_text(re.compile(words, re.I))


def _the_evidence_proves(manager: Page, address: str, file: Path) -> None:
    """The lawyer gets one file that can be checked, and any change of it shows."""
    manager.goto(f"{address}/evidence")
    with manager.expect_download() as download:
        manager.get_by_role("link", name="Download signed JSON").click()
    download.value.save_as(file)
    assert _verifies(file)
    told = file.read_text(encoding="utf-8")
    assert "Consent is not a condition" in told
    file.write_text(told.replace("Consent is not a condition", "Consent is a condition", 1), encoding="utf-8")
    assert not _verifies(file)

"""Consent evidence and the audit log in a real browser: a manager takes the proof out, and the log has it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import requests

pytest.importorskip("playwright")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from bot.desk.evidence_file import verify
from bot.desk.evidence_pdf import verify_pdf

pytestmark = pytest.mark.browser
LINA = "+12125550188"
HOSTILE = "STOP <img src=x onerror=alert(1)> " + "x" * 120
PICTURES = os.environ.get("EVIDENCE_PICTURES")


@pytest.fixture(scope="module")
def lina(server: str) -> str:
    """Somebody joined in Spanish, said something nasty, and left."""
    for words in ("ÚNETE", "SÍ", HOSTILE, "STOP"):
        answer = requests.post(f"{server}/phone/send", json={"phone": LINA, "body": words}, timeout=20)
        assert answer.ok, answer.text
    return LINA


def sign_in(page: Page, server: str, name: str) -> None:
    page.goto(f"{server}/console/sign-in")
    page.get_by_role("button", name=re.compile(name)).click()
    page.wait_for_url(re.compile("/console/(?!sign-in)"))


def open_evidence(page: Page, server: str, number: str) -> None:
    """Find a customer by the number and go to the evidence."""
    page.goto(f"{server}/console/search?q={number[-7:]}")
    page.locator("section", has=page.get_by_role("heading", name="Customers")).get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/console/(customers/\d+|.*conversation)"))
    found = re.search(r"/(\d+)", page.url.partition("/console")[2])
    assert found
    page.goto(f"{server}/console/customers/{found.group(1)}/evidence")
    expect(page.get_by_role("heading", name="Consent evidence")).to_be_visible()


def test_a_manager_takes_the_proof_out(page: Page, server: str, lina: str, tmp_path: Path) -> None:
    """The page tells the story; both downloads pass their check; the audit log names the manager and the customer."""
    sign_in(page, server, "Mia")
    open_evidence(page, server, lina)
    expect(page.locator(".records > li")).to_have_count(3)
    expect(page.locator("blockquote", has_text="ÚNETE")).to_be_visible()
    assert page.locator(".records img").count() == 0
    for name, check in (("Download signed JSON", verify), ("Download PDF", verify_pdf)):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=name).click()
        file = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(file)
        assert check(file.read_bytes()).problems == []
    page.goto(f"{server}/console/audit")
    page.get_by_label("What").select_option(label="took the consent evidence out")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(re.compile("action=evidence.exported"))
    rows = page.locator("table.log tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Mia")
    expect(rows.first).not_to_contain_text(lina)


def test_support_reads_and_takes_nothing_out(page: Page, server: str, lina: str) -> None:
    """Support sees the story without the buttons, and no way to the audit log."""
    sign_in(page, server, "Sam")
    open_evidence(page, server, lina)
    expect(page.get_by_role("link", name="Download PDF")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)


@pytest.mark.parametrize(
    ("size", "scheme"), [((1440, 900), "light"), ((390, 844), "dark")], ids=["desk-light", "phone-dark"]
)
def test_everybody_can_use_it(page: Page, server: str, lina: str, size: tuple[int, int], scheme: str) -> None:
    """Nothing serious for axe, no sideways scrolling, at a desk and on a phone, light and dark."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(page, server, "Mia")
    for name in ("evidence", "audit", "empty"):
        if name == "evidence":
            open_evidence(page, server, lina)
        else:
            page.goto(f"{server}/console/audit" + ("?from=2090-01-01" if name == "empty" else ""))
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}-{size[0]}-{scheme}.png", full_page=name == "evidence")
        found = Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name

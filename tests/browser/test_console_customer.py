"""The customer's page, approvals and the till in a real browser, with two people signed in at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

import pytest
import requests

pytest.importorskip("playwright")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.finding import customer_of

pytestmark = pytest.mark.browser
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
_NUMBERS = count(300)


def text(server: str, phone: str, *bodies: str) -> None:
    """Send texts from a customer's phone."""
    for body in bodies:
        answer = requests.post(f"{server}/phone/send", json={"phone": phone, "body": body}, timeout=20)
        assert answer.ok, answer.text


def member(server: str, *more: str) -> str:
    """Make a member of a number nobody has used here, and return it."""
    phone = f"+12125550{next(_NUMBERS)}"
    text(server, phone, "JOIN", "YES", *more)
    return phone


def sign_in(page: Page, server: str, role: str) -> None:
    """Sign in as one of the demo's staff."""
    page.goto(f"{server}/console/sign-in")
    page.locator(f"form[action$='/demo'] button[value={role}]").click()
    page.wait_for_url(re.compile("/console/(?!sign-in)"))


def open_customer(page: Page, server: str, phone: str) -> str:
    """Open the page of the customer with this number; return its address."""
    address = customer_of(page, server, phone)
    page.goto(address)
    return address


def give(page: Page, points: int, reason: str) -> None:
    """Fill in the form for points."""
    page.get_by_text("Give or take points").click()
    page.locator("#points-count").fill(str(points))
    page.locator("#points-reason").fill(reason)
    page.get_by_role("button", name="Write it into the ledger").click()


def good(page: Page) -> None:
    """Nothing serious for axe, and nothing to scroll sideways."""
    found = Axe().run(page).response["violations"]
    assert [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture
def colleague(browser: Browser) -> Iterator[Page]:
    """A second person, at a phone."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_points_within_the_limit_and_above_it(page: Page, colleague: Page, server: str) -> None:
    """Sam gives 50 at once; 500 wait until Mia allows them on her phone; Sam reads her answer."""
    phone = member(server)
    sign_in(page, server, "support")
    address = open_customer(page, server, phone)
    give(page, 50, "Spilled latte")
    expect(page.locator(".message.good").first).to_contain_text("50 points given: 110 now.")
    expect(page.locator(".entry").first).to_contain_text("Spilled latte")
    give(page, 500, HOSTILE)
    expect(page.locator("#points div.message.warn")).to_contain_text("A manager has to allow it")
    expect(page.locator("#points p.message.warn")).to_contain_text("+500 points wait for a second person")

    sign_in(colleague, server, "manager")
    colleague.goto(f"{server}/console/approvals")
    request = colleague.locator(".approval", has_text="+500").first
    expect(request).to_contain_text(HOSTILE)
    request.get_by_role("button", name="Allow").tap()
    expect(colleague.locator(".message.good").first).to_contain_text("Allowed: +500 points, 610 now.")

    page.goto(address)
    expect(page.locator("#points")).to_contain_text("Mia allowed your +500 points.")
    expect(page.locator(".balance")).to_contain_text("610")
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_an_entry_is_taken_back(page: Page, server: str) -> None:
    """The button asks why; the entry is struck through and its reversal stands above."""
    phone = member(server)
    sign_in(page, server, "manager")
    open_customer(page, server, phone)
    entry = page.locator(".entry").first
    entry.locator("summary").click()
    entry.get_by_placeholder("Why").fill("Joined twice")
    entry.get_by_role("button", name="Take back").click()
    expect(page.locator(".entry").first).to_contain_text("Joined twice")
    expect(page.locator(".entry.gone")).to_contain_text("taken back")
    expect(page.locator(".balance")).to_contain_text("0")


def test_the_profile_is_changed_by_keyboard(page: Page, server: str) -> None:
    """Tab and Enter are enough; the history has it."""
    phone = member(server)
    sign_in(page, server, "support")
    open_customer(page, server, phone)
    page.locator("#profile summary").first.focus()
    page.keyboard.press("Enter")
    page.locator("#p-name").focus()
    page.keyboard.type("Ana <b>Ruiz</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana <b>Ruiz</b>")
    page.get_by_text("History of changes").click()
    expect(page.locator("#profile .log")).to_contain_text("empty → Ana <b>Ruiz</b>")


def test_two_tills_and_one_voucher(page: Page, colleague: Page, server: str) -> None:
    """Both look at the code; one hands the cookie over; the other is told by whom; undo makes it good again."""
    phone = member(server, "REDEEM", "1", "YES")
    sign_in(page, server, "support")
    sign_in(colleague, server, "manager")
    for each in (page, colleague):
        each.goto(f"{server}/console/till")
        each.get_by_label("Code or number").fill(phone)
        each.keyboard.press("Enter")
        expect(each.locator(".verdict.ask")).to_contain_text("Free cookie")
    page.get_by_role("button", name="Use it now").click()
    expect(page.locator(".verdict.yes")).to_contain_text("Good. Hand it over")
    colleague.get_by_role("button", name="Use it now").tap()
    expect(colleague.locator(".verdict.no")).to_contain_text(re.compile(r"was used at \d\d:\d\d by Sam\."))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".verdict.again")).to_contain_text("good again")
    page.get_by_role("button", name="Use it now").click()
    expect(page.locator(".verdict.yes")).to_be_visible()


@pytest.mark.parametrize(
    ("page", "scheme"),
    [((1440, 900), "light"), ((390, 844), "dark")],
    ids=["desk-light", "phone-dark"],
    indirect=["page"],
)
def test_everybody_can_use_it(page: Page, server: str, scheme: str) -> None:
    """Every form open, a long name, every result of the till: axe finds nothing serious, nothing is too wide."""
    phone = member(server, "REDEEM", "1", "YES")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    sign_in(page, server, "manager")
    address = open_customer(page, server, phone)
    page.get_by_text("Change the profile").click()
    page.locator("#p-name").fill("Wilhelmina-Alexandra Papadopoulos-Featherstonehaugh de la Torre")
    page.locator("#p-tags").fill(", ".join(f"tag_number_{number}" for number in range(20)))
    page.get_by_role("button", name="Save").click()
    give(page, 1001, "x" * 300)
    page.goto(address)
    for summary in page.locator("details:not(.menu) > summary").all():
        if summary.is_visible():
            summary.click()
    good(page)
    page.goto(f"{server}/console/approvals")
    good(page)
    page.goto(f"{server}/console/till")
    good(page)
    page.get_by_label("Code or number").fill(phone)
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.ask")).to_be_visible()
    good(page)
    page.get_by_role("button", name="Use it now").click()
    expect(page.locator(".verdict.yes")).to_be_visible()
    good(page)
    page.get_by_label("Code or number").fill("AAAA-AAAA")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.no")).to_be_visible()
    good(page)

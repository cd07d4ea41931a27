"""Takes the pictures of docs/pictures from a fresh demo with an overfull customer: `python -m tests.browser.pictures`.

Look at them before they are kept: they are what people see first.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from bot.settings import ROOT
from bot.signature import sign
from tests.bench.servers import free_port
from tests.browser.conftest import NAMES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = ROOT / "docs" / "pictures"
TOKEN = "pictures"
DESK, PHONE = (1440, 900), (390, 844)
OVERFULL = (
    "JOIN",
    "YES",
    "<script>alert('hello')</script> <b>bold?</b> {points} https://example.com/" + "long/" * 12,
    "مرحبا، هل لديكم قهوة منزوعة الكافيين؟ وكم نقطة لدي الآن؟",
    "שלום, מתי אתם פתוחים ביום ראשון?",
    ("I have been coming every day since you opened and never got my coffee on my birthday. " * 19)[:1_600],
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft ☕️☕️☕️",
    "can i talk to a person please",
)


@contextmanager
def demo() -> Iterator[str]:
    """Run a fresh demo; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        database = {"DATABASE_URL": f"sqlite:///{folder}/demo.db", "PORT": str(port), "REGULARS_DEMO": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve", "--demo"],
            cwd=ROOT,
            env={**os.environ, **database, "TWILIO_AUTH_TOKEN": TOKEN, "HOST": "127.0.0.1"},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            if requests.get(f"{address}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.3)
    raise SystemExit("the demo did not start")


def text(address: str, sender: str, body: str, number: int) -> None:
    """Text the demo as Twilio would."""
    form = {
        "MessageSid": f"SM{0xFEED << 64 | number:032x}",
        "From": sender,
        "To": "+12015550100",
        "Body": body,
        "NumMedia": "0",
    }
    signature = sign(f"{address}/sms", form.items(), TOKEN)
    requests.post(f"{address}/sms", data=form, headers={"X-Twilio-Signature": signature}, timeout=30).raise_for_status()


def take(browser: Browser, address: str, overfull: str) -> None:
    """Take every picture."""
    for (width, height), scheme, name in ((DESK, "light", "desk"), (PHONE, "dark", "phone"), (DESK, "dark", "dark")):
        small = width < 500
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            is_mobile=small,
            has_touch=small,
            device_scale_factor=1,
        )
        page = context.new_page()
        page.goto(f"{address}/console/sign-in")
        page.click("button[value=manager]")
        page.goto(f"{address}/console/inbox?view=recent")
        if page.get_by_role("button", name="No, thanks").count():
            page.get_by_role("button", name="No, thanks").click()
        _shots(page, address, overfull, name)
        context.close()


def _shots(page: Page, address: str, overfull: str, name: str) -> None:
    page.goto(f"{address}/console/inbox")
    if name != "phone":
        page.locator("a[href*='/console/customers/']").last.click()
        page.wait_for_timeout(1500)
    _save(page, f"inbox-{name}")
    page.goto(f"{address}/console/search?q={overfull[-4:]}")
    page.locator("#found-customers ~ ul a").first.click()
    page.wait_for_timeout(800)
    why = page.locator(".timeline details.why > summary").last
    if name == "desk":
        why.click()
        page.wait_for_timeout(300)
    _save(page, f"conversation-overfull-{name}")
    if name == "dark":
        return
    customer = re.sub(r"/conversation.*", "", page.url)
    for path, title in ((customer, "customer"), (f"{customer}/evidence", "evidence")):
        page.goto(path)
        _save(page, f"{title}-{name}")
    for path, title in (("till", "till"), ("reports?days=365", "reports"), ("audit", "audit"), ("mentions", "empty")):
        page.goto(f"{address}/console/{path}")
        page.wait_for_timeout(200)
        _save(page, f"{title}-{name}")


def _save(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"console-{name}.png")


def main() -> None:
    """Start, text, take."""
    import shutil

    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)), None)
    sender = "+12015550177"
    with demo() as address, sync_playwright() as playwright:
        for number, body in enumerate(OVERFULL):
            text(address, sender, body, number)
        time.sleep(4)  # the search index follows
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        take(browser, address, sender)
        browser.close()
    print(*sorted(each.name for each in Path(PICTURES).glob("console-*.png")), sep="\n")


if __name__ == "__main__":
    main()

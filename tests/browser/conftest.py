"""A real server with the demo's data and a real browser; without Chromium the tests are skipped, under CI they fail."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from bot.settings import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_PATIENCE = 90.0  # seconds


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium of the machine, driven by Playwright, whose event loop no test after these must find running."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = f"no Chromium: none of {', '.join(NAMES)} is installed (apt-get install chromium)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def server(browser: Browser, demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `python -m bot serve --demo` on a database of its own."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copyfile(demo_file, folder / "demo.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wanted = {"DATABASE_URL": f"sqlite:///{folder / 'demo.db'}", "REGULARS_DEMO": "1", "HOST": "127.0.0.1"}
    twilio = ("TWILIO_", "PUBLIC_URL", "FLOWS_DIR")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(twilio)}
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve", "--demo", "--port", str(port)],
            cwd=ROOT,
            env={**environ, **wanted, "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address, process, log)
        yield address
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it started, kindly first."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(f"{address}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(params=[(1440, 900)], ids=["desktop"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page of a given size; whatever the browser complains about fails the test."""
    width, height = request.param
    small = width < 500
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=small, is_mobile=small, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    def watch(answer: Response) -> None:
        if answer.status >= 400:
            complaints.append(f"{answer.status} {answer.url}")

    opened = context.new_page()
    opened.on("console", listen)
    opened.on("response", watch)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (complaints.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
    yield opened
    context.close()
    assert not complaints

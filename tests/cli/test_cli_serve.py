"""`serve` and `chat` as a person meets them: a real process, real signals, real posts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from bot.settings import ROOT
from tests.cli.conftest import Run
from tests.journeys.live import Live, facts_by

COMMANDS = (
    *("serve", "chat", "route", "flows", "customers", "points", "vouchers", "event", "code", "messages"),
    *("migrate", "backup", "restore", "seed"),
)
_NO_PROXY: Any = {"http": None, "https": None}
_PATIENCE = 120.0  # seconds; a first start plays the demo's year, and machines that run tests are busy


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until(holds: Callable[[], bool], what: str) -> None:
    """Look until something holds; fail by name when it takes too long."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what} took too long"
        time.sleep(0.05)  # another process cannot be awaited otherwise


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2, proxies=_NO_PROXY).status_code == 200
    except requests.RequestException:
        return False


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `serve` as the demo until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "serve", "--or-demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _until(lambda: _answers(int(environment["PORT"])) or process.poll() is not None, "the start")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=_PATIENCE)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing but where things are."""
    return {
        "PATH": os.environ["PATH"],
        "PORT": str(_free_port()),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shop' / 'shop.db'}",
        "TWILIO_AUTH_TOKEN": "a token",
        "LOG_LEVEL": "WARNING",
    }


def test_it_serves_the_journey_and_ends_cleanly(
    environment: dict[str, str], demo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The customer's first day, texted over signed HTTP; a chat beside it; then SIGTERM, exit code 0."""
    port = environment["PORT"]
    (tmp_path / "shop").mkdir()
    shutil.copyfile(demo_file, tmp_path / "shop" / "shop.db")
    with serving(environment) as process:
        live = Live(f"http://127.0.0.1:{port}", "a token", "+12015550123")
        live.play()
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        live.check_facts(facts_by(f"{sys.executable} -m bot customers show")("+12015550123"))
        assert live.failed == []
        chat = subprocess.run(
            [sys.executable, "-m", "bot", "chat", "+12015550124", "--explain"],
            cwd=ROOT,
            env=environment,
            input="JOIN\nYES\nbalence\n",
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Reply YES to join." in chat.stdout
        assert "60 points" in chat.stdout
        assert "2 segments, GSM-7" in chat.stdout
        assert "balance.yaml" in chat.stdout
        second = subprocess.run(
            [sys.executable, "-m", "bot", "serve", "--or-demo"],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "Cannot listen" in second.stderr
        process.send_signal(signal.SIGTERM)
        shown, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, shown
    assert f"http://127.0.0.1:{port}/phone" in shown
    assert "a token" not in shown, "a secret of the environment is never printed"


def test_the_worker_ends_with_its_parent(environment: dict[str, str]) -> None:
    """After kill -9 of `serve` nobody keeps the port, and the next start finds the data."""
    port = int(environment["PORT"])
    with serving(environment) as process:
        process.kill()
        _until(lambda: not _answers(port), "the end of the worker")
    with serving(environment) as process:
        assert _answers(port)
        process.terminate()
        shown, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0
    assert "last year are in" not in shown, "the demo is seeded once"


def test_it_names_every_missing_secret(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside the demo the process does not start without them: exit code 2."""
    monkeypatch.setenv("REGULARS_DEMO", "0")
    done = bare("serve")
    assert done.exit_code == 2
    for name in ("SECRET_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "PUBLIC_URL"):
        assert f"{name} is missing" in done.stderr


def test_it_refuses_two_workers_on_sqlite(bare: Run) -> None:
    """An embedded database has one writer."""
    assert bare("serve", "--demo", "--workers", "2").exit_code == 2


def test_it_refuses_flow_files_with_mistakes(bare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an earlier good revision: the findings and exit code 3."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "broken.yaml").write_text("flow: broken\n", encoding="utf-8")
    monkeypatch.setenv("FLOWS_DIR", str(tmp_path / "flows"))
    monkeypatch.setenv("PORT", str(_free_port()))
    done = bare("serve", "--demo")
    assert done.exit_code == 3
    assert "broken.yaml:1" in done.stderr


def test_chat_says_when_nobody_serves(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to start it."""
    monkeypatch.setenv("PORT", str(_free_port()))
    done = bare("chat", input="JOIN\n")
    assert done.exit_code == 1
    assert "make run" in done.stderr


def test_help_lists_every_command(bare: Run) -> None:
    """Each has a line of help and examples or explanations of its own."""
    shown = bare("--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in shown
        assert bare(name, "--help").exit_code == 0

"""Runs commands in this process, on a fresh database of each kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from bot.cli import main
from storage import consent, customers
from storage.database import writing
from storage.ids import next_id

ALICE = "+12015550111"
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "SECRET_KEY", "PUBLIC_URL", "FLOWS_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("REGULARS_DEMO", "auto")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command: `run("points", "award", ALICE, "5", "--reason", "x")`."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *arguments, **options: CliRunner().invoke(main, list(arguments), **options)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Run:
    """Run a command that needs no database; the one it would find does not exist."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none' / 'none.db'}")
    return lambda *arguments, **options: CliRunner().invoke(main, list(arguments), **options)


@pytest.fixture
def alice(engine: Engine) -> int:
    """A subscribed customer without points."""
    identifier, now = next_id(), datetime.now(UTC)
    with writing(engine) as conn:
        customers.insert_missing(conn, [{"id": identifier, "phone": ALICE, "created_at": now}])
        record = {"id": next_id(), "customer_id": identifier, "status": "subscribed", "how": "staff", "at": now}
        consent.insert(conn, [record])
    return identifier


def facts(run: Run, phone: str = ALICE) -> dict[str, Any]:
    """Return what `customers show --json` says."""
    found: dict[str, Any] = json.loads(run("customers", "show", phone, "--json").stdout)
    return found

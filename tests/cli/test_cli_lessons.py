"""`lessons`: list, export and check what staff taught."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bot.catalog import Catalog
from bot.clock import SystemClock
from bot.desk import lessons
from bot.desk.actor import Actor
from bot.settings import ROOT
from storage import messages
from storage.database import writing
from storage.ids import next_id
from tests.cli.conftest import ALICE, Run

SUE = Actor(None, "Sue", "support")


@pytest.fixture
def taught(engine: Engine, alice: int) -> Engine:
    """Two texts of Alice, one taught as the router has it and one as it has not."""
    now = SystemClock().now()
    catalog = Catalog(engine, ROOT / "flows")
    book = catalog.load(now)
    for words, decision, intent in (("BALANCE", "flow", "balance"), ("frobnicate é", "flow", "redeem")):
        message_id = next_id()
        row = {"id": message_id, "customer_id": alice, "direction": "in", "sender": ALICE, "recipient": "+12015550100"}
        with writing(engine) as conn:
            messages.insert(conn, [{**row, "body": words, "state": "received", "language": "en", "created_at": now}])
        lessons.teach(engine, SUE, book, message_id, decision, intent, now)
    return engine


def test_export_shows_the_words_before_it_writes_them(run: Run, taught: Engine, tmp_path: Path) -> None:
    """Without --yes nothing is written; with it, one line each, and never twice."""
    file = tmp_path / "taught.jsonl"
    refused = run("lessons", "export", str(file))
    assert refused.exit_code == 1
    assert "frobnicate é" in refused.output
    assert not file.exists()
    assert run("lessons", "export", str(file), "--yes").exit_code == 0
    assert run("lessons", "export", str(file), "--yes").exit_code == 0
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["text"] for line in lines] == ["BALANCE", "frobnicate é"]
    assert lines[1] == {
        "text": "frobnicate é",
        "decision": "flow",
        "intent": "redeem",
        "kind": "taught",
        "lang": "en",
    }
    assert ALICE not in file.read_text("utf-8")


def test_check_says_which_are_right_by_now(run: Run, taught: Engine) -> None:
    """Exit code 1 while one is wrong, 0 when all are right."""
    found = run("lessons", "check")
    assert found.exit_code == 1
    assert "1 of 2 right" in found.output
    with writing(taught) as conn:
        conn.execute(text("DELETE FROM lessons WHERE decision = 'flow' AND intent = 'redeem'"))
    assert run("lessons", "check").exit_code == 0


def test_list_shows_what_was_taught(run: Run, taught: Engine) -> None:
    """As a table, and as JSON for programs."""
    assert "frobnicate" in run("lessons", "list").output
    rows = json.loads(run("lessons", "list", "--json").stdout)
    assert [row["decision"] for row in rows] == ["flow", "flow"]

"""`customers export`, `merge`, `erase`, `certificate`, `scrub` from the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import customers, erasures
from storage.database import reading, writing
from storage.ids import next_id
from tests.cli.conftest import ALICE, Run, facts

BOB = "+12015550122"


@pytest.fixture
def bob(engine: Engine) -> int:
    """A customer nobody ever asked for consent."""
    identifier = next_id()
    with writing(engine) as conn:
        customers.insert_missing(conn, [{"id": identifier, "phone": BOB, "created_at": datetime.now(UTC)}])
    return identifier


def test_export_writes_json_or_a_page(run: Run, alice: int, tmp_path: Path) -> None:
    """Without an option the JSON comes to the terminal; with files it goes there; nobody known is exit code 1."""
    run("points", "award", ALICE, "30", "--reason", "spilt latte", "--key", "k")
    found = json.loads(run("customers", "export", ALICE).stdout)
    assert (found["numbers"], found["data"]["ledger"][0]["points"]) == ([ALICE], 30)
    done = run("customers", "export", ALICE, "-o", str(tmp_path / "a.json"), "--page", str(tmp_path / "a.html"))
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "a.json").read_text())["data"].keys() == found["data"].keys()
    assert "spilt latte" in (tmp_path / "a.html").read_text()
    assert run("customers", "export", BOB).exit_code == 1


def test_merge_moves_points_once(run: Run, alice: int, bob: int) -> None:
    """It shows what moves, asks, and does it once; the old number is opted out."""
    run("points", "award", ALICE, "30", "--reason", "x", "--key", "k")
    assert run("customers", "merge", ALICE, BOB, input="n\n").exit_code == 1
    assert facts(run, BOB)["balance"] == 0
    done = run("customers", "merge", ALICE, BOB, input="y\n")
    assert done.exit_code == 0, done.output
    assert "+30" in done.output
    assert (facts(run, BOB)["balance"], facts(run, ALICE)["balance"]) == (30, 0)
    assert (facts(run, BOB)["consent"], facts(run, ALICE)["consent"]) == ("none", "unsubscribed")
    assert "merged before" in run("customers", "merge", ALICE, BOB, "--yes").output


def test_erase_asks_and_proves(run: Run, alice: int, engine: Engine, tmp_path: Path) -> None:
    """The wrong digits erase nothing; the right ones leave a certificate that says nothing is left."""
    refused = run("customers", "erase", ALICE, input="0000\n")
    assert (refused.exit_code, "Nothing was erased" in refused.output) == (1, True)
    done = run("customers", "erase", ALICE, "--confirm", ALICE[-4:], "--certificate", str(tmp_path / "proof.json"))
    assert done.exit_code == 0, done.output
    proof = json.loads((tmp_path / "proof.json").read_text())
    assert proof["left"] == {}
    assert proof["deleted"]["consent_records"] == 1
    assert proof["erased_by"] == "command line"
    assert ALICE not in json.dumps(proof)
    assert run("customers", "show", ALICE).exit_code == 1
    assert json.loads(run("customers", "certificate", str(alice)).stdout)["number_digest"] == proof["number_digest"]
    assert str(alice) in run("customers", "certificate").stdout
    assert run("customers", "certificate", "5").exit_code == 1


def test_scrub_finishes_what_waits(run: Run, alice: int, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure whose files were too large to be rewritten at once is finished by the command."""
    monkeypatch.setattr("bot.desk.erasing.SMALL", 0)
    done = run("customers", "erase", ALICE, "--confirm", ALICE[-4:])
    assert '"files_scrubbed_at": null' in done.output
    # On a server that others use, their transactions have to end first.
    assert any(run("customers", "scrub").exit_code == 0 for _ in range(20))
    assert '"files_scrubbed_at": "20' in run("customers", "certificate", str(alice)).output
    with reading(engine) as conn:
        assert erasures.unscrubbed(conn) == []

"""`consent` and `audit`: evidence out of the house and back under the glass, without trusting anybody."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bot.cli import main
from bot.desk import sealing
from storage.database import reading, writing
from tests.cli.conftest import ALICE, Run

IMPORT = """phone,name,consent,consent_wording,consent_at
+12015550144,Ana,subscribed,I agree to texts.,2025-03-14T10:30
+12015550155,Ben,unsubscribed,,
"""
ANA = "+12015550144"


@pytest.fixture
def evidence_file(run: Run, alice: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Alice's evidence, as JSON, with her record sealed though it is young."""
    monkeypatch.setattr(sealing, "SETTLED", timedelta(0))
    file = tmp_path / "evidence.json"
    result = run("consent", "export", ALICE, "-o", str(file))
    assert result.exit_code == 0, result.output
    return file


def tamper(engine: Engine, statement: str) -> None:
    """Change rows with the triggers off, as the owner of the database could."""
    with writing(engine) as conn:
        if conn.dialect.name == "postgresql":
            conn.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            conn.exec_driver_sql("DROP TRIGGER consent_records_no_update")
        conn.execute(text(statement))


def test_an_exported_file_is_good(run: Run, evidence_file: Path) -> None:
    """What was exported passes with the shop's key and beside the database."""
    fingerprint = run("consent", "key").stdout.splitlines()[1]
    result = run("consent", "verify", str(evidence_file), "--key", fingerprint)
    assert result.exit_code == 0, result.output
    assert "Unchanged" in result.stdout
    assert ALICE in result.stdout
    beside = run("consent", "verify", str(evidence_file), "--database")
    assert (beside.exit_code, "same" in beside.stdout) == (0, True)


def test_it_is_checked_without_a_database(evidence_file: Path, bare: Run) -> None:
    """A lawyer needs the file alone; the key's fingerprint is shown to be compared."""
    result = bare("consent", "verify", str(evidence_file))
    assert result.exit_code == 0
    assert json.loads(evidence_file.read_text())["signature"]["fingerprint"] in result.stdout


def test_a_changed_letter_is_found(evidence_file: Path, bare: Run) -> None:
    """One letter changed: exit code 1, and the entry is named."""
    evidence_file.write_text(evidence_file.read_text().replace('"subscribed"', '"pending"'))
    result = bare("consent", "verify", str(evidence_file))
    assert result.exit_code == 1
    assert "Entry 1 (pending, record" in result.stderr


def test_another_key_is_refused(evidence_file: Path, bare: Run) -> None:
    """A file that somebody else signed does not pass for the shop's."""
    result = bare("consent", "verify", str(evidence_file), "--key", "0" * 64)
    assert result.exit_code == 1
    assert "Another key" in result.stderr


def test_changed_rows_are_found_beside_the_file(run: Run, engine: Engine, evidence_file: Path) -> None:
    """When the database was changed after the export, both values are shown."""
    tamper(engine, "UPDATE consent_records SET how = 'form'")
    result = run("consent", "verify", str(evidence_file), "--database")
    assert result.exit_code == 1
    assert "the how is 'staff' in the file and 'form' in the database" in result.stderr


def test_the_reading_copy_is_checked_too(run: Run, alice: int, tmp_path: Path) -> None:
    """The PDF passes as it was made; a page that was changed is found, and so is its attachment."""
    paper = tmp_path / "evidence.pdf"
    assert run("consent", "export", ALICE, "--pdf", str(paper)).exit_code == 0
    assert run("consent", "verify", str(paper)).exit_code == 0
    content = paper.read_bytes()
    paper.write_bytes(content.replace(b"Corner Cup Regulars - consent", b"Corner Cup Regulars - protest"))
    assert "pages are not what this release prints" in run("consent", "verify", str(paper)).stderr
    paper.write_bytes(content.replace(b'"subscribed"', b'"pendingxxx"'))
    assert "The attached file: Entry" in run("consent", "verify", str(paper)).stderr


def test_it_goes_to_the_terminal(run: Run, alice: int) -> None:
    """Without a file the JSON is printed, whole."""
    data = json.loads(run("consent", "export", ALICE).stdout)
    assert [entry["kind"] for entry in data["entries"]] == ["about", "consent"]


def test_nobody_has_no_evidence(run: Run) -> None:
    """A number that is not known is said to be so."""
    result = run("consent", "export", "+12015550177")
    assert (result.exit_code, "Nobody" in result.stderr) == (1, True)


def test_imports_name_their_source(run: Run, tmp_path: Path) -> None:
    """A record that was imported names the file and the line it came from."""
    file = tmp_path / "old-shop.csv"
    file.write_text(IMPORT)
    assert run("customers", "import", str(file)).exit_code == 0
    [_, entry] = json.loads(run("consent", "export", ANA).stdout)["entries"]
    assert (entry["how"], entry["text"], entry["reason"]) == ("import", "I agree to texts.", "old-shop.csv, line 2")


def test_the_chain_is_checked(run: Run, engine: Engine, evidence_file: Path) -> None:
    """A sound chain shows its head; a changed record is named and the exit code is 1."""
    good = run("consent", "check")
    assert good.exit_code == 0, good.output
    head = json.loads(run("consent", "check", "--json").stdout)["head"]
    assert f"Head: {head}" in good.stdout
    assert run("consent", "check", "--head", head).exit_code == 0
    assert run("consent", "check", "--head", "7:abc").exit_code == 1
    tamper(engine, "UPDATE consent_records SET language = 'es'")
    bad = run("consent", "check")
    assert bad.exit_code == 1
    with reading(engine) as conn:
        assert str(conn.execute(text("SELECT id FROM consent_records")).scalar()) in bad.stderr


def test_a_young_record_waits(run: Run, alice: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is not sealed yet is no finding."""
    monkeypatch.setattr(sealing, "SETTLED", timedelta(days=1))
    run("consent", "export", ALICE)
    data = json.loads(run("consent", "check", "--json").stdout)
    assert (data["sealed"], data["waiting"], data["troubles"]) == (0, 1, 0)


def test_what_leaves_the_house_is_in_the_audit_log(run: Run, alice: int) -> None:
    """Each export is listed, with who, what and about whom; the table masks the number."""
    run("consent", "export", ALICE)
    [line] = run("audit", "list", "--customer", ALICE, "--json").stdout.splitlines()
    entry = json.loads(line)
    assert (entry["who"], entry["action"], entry["customer"]) == ("command line", "evidence.exported", ALICE)
    shown = run("audit", "list", "--action", "evidence").stdout
    assert "evidence.exported" in shown
    assert ALICE not in shown
    assert run("audit", "list", "--action", "points", "--json").stdout == ""
    assert run("audit", "list", "--until", "2020-01-01", "--json").stdout == ""
    assert run("audit", "list", "--customer", "+12015550177").exit_code == 1


def test_the_commands_are_listed() -> None:
    """`--help` names them."""
    assert {"consent", "audit"} <= set(main.list_commands(None))

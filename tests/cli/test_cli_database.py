"""`migrate`, `backup`, `restore`: the database as a whole."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from storage.database import normal_url, open_engine
from tests.cli.conftest import ALICE, Run, facts


@pytest.fixture(autouse=True)
def _a_quiet_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")  # nobody listens there


def test_migrate_says_the_revision(run: Run) -> None:
    """Migrating what is migrated changes nothing."""
    assert run("migrate").stdout == run("migrate").stdout
    assert "revision" in run("migrate").stdout


def test_a_backup_is_restored(run: Run, alice: int, engine: object, database_url: str, tmp_path: Path) -> None:
    """What happened after the backup is gone after the restore, what happened before is there."""
    if not database_url.startswith("sqlite") and shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not installed")
    file = tmp_path / "kept" / "monday.backup"
    run("points", "award", ALICE, "50", "--reason", "before", "--key", "a")
    done = run("backup", str(file))
    assert done.exit_code == 0, done.output
    run("points", "award", ALICE, "9", "--reason", "after", "--key", "b")
    engine.dispose()  # type: ignore[attr-defined]
    refused = run("restore", str(file))
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    done = run("restore", str(file), "--force")
    assert done.exit_code == 0, done.output
    assert facts(run)["balance"] == 50


def test_a_backup_overwrites_only_when_told(run: Run, tmp_path: Path, database_url: str) -> None:
    """A file that exists is safe without --force, and stays whole when the copy fails."""
    if not database_url.startswith("sqlite"):
        pytest.skip("the same code for both")
    file = tmp_path / "monday.db"
    file.write_text("precious")
    assert run("backup", str(file)).exit_code == 1
    assert file.read_text() == "precious"
    assert run("backup", str(file), "--force").exit_code == 0
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("content", [b"no database", b""])
def test_restore_refuses_what_is_no_backup(run: Run, tmp_path: Path, database_url: str, content: bytes) -> None:
    """The database stays as it was."""
    if not database_url.startswith("sqlite"):
        pytest.skip("pg_restore checks its files itself")
    file = tmp_path / "monday.db"
    file.write_bytes(content)
    before = Path(normal_url(database_url).database or "").read_bytes()
    done = run("restore", str(file), "--force")
    assert done.exit_code == 1
    assert "no backup" in done.stderr
    assert Path(normal_url(database_url).database or "").read_bytes() == before


def test_restore_refuses_while_another_process_has_the_file(run: Run, tmp_path: Path, database_url: str) -> None:
    """An open connection, as a server holds it, is enough; closed, the way is free and the old file is kept."""
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL locks by itself")
    file, target = tmp_path / "monday.db", Path(normal_url(database_url).database or "")
    assert run("backup", str(file)).exit_code == 0
    engine = open_engine(database_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM customers").all()
        refused = run("restore", str(file), "--force")
    engine.dispose()
    assert refused.exit_code == 1
    assert "Stop the server" in refused.stderr
    assert run("restore", str(file), "--force").exit_code == 0
    assert target.with_name(target.name + ".before-restore").exists()

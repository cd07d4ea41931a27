"""`staff` on the command line: invite, list, roles, close, open, lost phones and passwords."""

from __future__ import annotations

import json
import re

from sqlalchemy import Engine, text

from storage.database import reading, writing
from tests.cli.conftest import Run


def people(run: Run) -> dict[str, dict[str, object]]:
    """Return everybody by e-mail."""
    return {row["email"]: row for row in json.loads(run("staff", "list", "--json").output)}


def test_an_account_is_made_with_a_link_that_works_once(run: Run, engine: Engine) -> None:
    """`add` prints the link, keeps only its digest, and notes who did it."""
    done = run("staff", "add", "Ana@Example.com", "--name", "Ana", "--role", "admin")
    assert done.exit_code == 0, done.output
    found = re.search(r"/console/welcome/([\w-]+)", done.output)
    assert found is not None
    assert people(run)["ana@example.com"]["role"] == "admin"
    with reading(engine) as conn:
        digests = conn.execute(text("SELECT digest FROM staff_links")).scalars().all()
        who = conn.execute(text("SELECT who FROM audit_log WHERE action = 'staff.added'")).scalar()
    assert len(digests) == 1
    assert found.group(1) not in digests
    assert who == "command line"


def test_a_second_account_for_an_address_is_refused(run: Run) -> None:
    """The same address, however written, and what is none, are refused in words."""
    run("staff", "add", "ana@example.com")
    again = run("staff", "add", "ANA@example.com")
    assert again.exit_code == 1
    assert "already" in again.output
    assert "no e-mail address" in run("staff", "add", "ana").output


def test_a_new_link_replaces_the_old_one(run: Run, engine: Engine) -> None:
    """Whoever lost the password gets a link; the older link no longer works."""
    run("staff", "add", "ana@example.com")
    assert "/console/welcome/" in run("staff", "link", "ana@example.com").output
    with reading(engine) as conn:
        assert conn.execute(text("SELECT count(*) FROM staff_links")).scalar() == 1
    assert run("staff", "link", "eve@example.com").exit_code == 1


def test_roles_change_and_the_last_administrator_stays(run: Run) -> None:
    """Roles change both ways; nobody can shut the last administrator out."""
    run("staff", "add", "ana@example.com", "--role", "admin")
    run("staff", "add", "ben@example.com")
    assert run("staff", "role", "ana@example.com", "support").exit_code == 1
    assert run("staff", "disable", "ana@example.com").exit_code == 1
    assert run("staff", "role", "ben@example.com", "admin").exit_code == 0
    assert run("staff", "disable", "ana@example.com").exit_code == 0
    assert people(run)["ana@example.com"]["disabled_at"] is not None
    assert "closed" in run("staff", "list").output
    assert run("staff", "enable", "ana@example.com").exit_code == 0
    assert people(run)["ana@example.com"]["disabled_at"] is None


def test_a_lost_phone_is_forgotten_and_ends_sessions(run: Run, engine: Engine) -> None:
    """Resetting the second factor removes the secret and signs the person out."""
    run("staff", "add", "ana@example.com", "--role", "admin")
    with writing(engine) as conn:
        conn.execute(text("UPDATE staff SET totp = 'JBSWY3DPEHPK3PXP'"))
        conn.execute(
            text(
                "INSERT INTO staff_sessions (digest, staff_id, second_factor_due, created_at, seen_at, ends_at)"
                " SELECT 'x', id, :no, created_at, created_at, created_at FROM staff"
            ),
            {"no": False},
        )
    assert "second factor" in run("staff", "list").output
    assert run("staff", "reset-second-factor", "ana@example.com").exit_code == 0
    with reading(engine) as conn:
        assert conn.execute(text("SELECT totp FROM staff")).scalar() is None
        assert conn.execute(text("SELECT count(*) FROM staff_sessions")).scalar() == 0


def test_an_empty_house_says_how_to_begin(run: Run) -> None:
    """Before anybody is there, `list` says what to do."""
    assert "staff add" in run("staff", "list").output

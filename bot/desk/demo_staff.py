"""The demo's staff: one for each role, signed in with one click. They exist in demo mode only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from bot.desk import accounts
from bot.desk.actor import Actor, NotPossible, Role
from storage import staff
from storage.rows import Row

DEMO_STAFF: tuple[tuple[Role, str], ...] = (
    ("support", "Sam"),
    ("manager", "Mia"),
    ("marketer", "Max"),
    ("admin", "Ada"),
)


def demo_member(conn: Connection, role: str, now: datetime) -> Row:
    """Return the demo's member of staff with a role, made at first sight. Raises NotPossible for another role."""
    found = next((each for each in DEMO_STAFF if each[0] == role), None)
    if found is None:
        raise NotPossible("There is no role {role}.", role=role)
    known, name = found
    email = f"{name.lower()}@demo.example.com"
    row = staff.by_email(conn, email)
    if row is None:
        accounts.add(conn, Actor(None, "demo", "admin"), email, name, known, now)
        row = staff.by_email(conn, email)
    assert row is not None
    return row

"""Notes of staff about a customer, in plain text, and the colleagues mentioned in them by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import locked
from storage import notes, staff
from storage.database import writing
from storage.ids import next_id
from storage.rows import Row

LONGEST = 2_000  #: characters


def add(engine: Engine, actor: Actor, customer_id: int, body: str, now: datetime) -> int:
    """Write a note, tell whom it mentions, and return its id. Raises NotPossible for an empty or endless one."""
    body = body.strip()
    if not body:
        raise NotPossible("The note is empty. Write what colleagues should know.")
    if len(body) > LONGEST:
        raise NotPossible("A note holds {most} characters at most.", most=LONGEST)
    with writing(engine) as conn:
        locked(conn, customer_id)
        told = mentioned(body, staff.everybody(conn))
        identifier = next_id()
        row = {"id": identifier, "customer_id": customer_id, "staff_id": actor.staff_id or 0, "body": body, "at": now}
        notes.add(conn, row, [each for each in told if each != actor.staff_id])
        note(conn, actor, "note.added", now, customer_id, note=identifier, mentioned=told)
    return identifier


def mentioned(body: str, people: Sequence[Row]) -> list[int]:
    """Return who of the staff is named after an @: `@Ana Ruiz`, or `@Ana` while there is but one.

    The longest name that fits counts; closed accounts are not told.
    """
    open_ones = [row for row in people if row["disabled_at"] is None]
    names = {row["name"].casefold(): row["id"] for row in open_ones}
    first: dict[str, list[int]] = {}
    for row in open_ones:
        first.setdefault(row["name"].split()[0].casefold(), []).append(row["id"])
    for word, ids in first.items():
        if len(ids) == 1:
            names.setdefault(word, ids[0])
    found: list[int] = []
    for at in re.finditer(r"(?<!\w)@(?=\w)", body):
        said = body[at.end() :].casefold()
        fits = [name for name in names if said.startswith(name) and not said[len(name) : len(name) + 1].isalnum()]
        if fits and (who := names[max(fits, key=len)]) not in found:
            found.append(who)
    return found


def read_about(conn: Connection, staff_id: int, customer_id: int, now: datetime) -> None:
    """Note that somebody has seen what mentions them in one customer's conversation."""
    if unread := notes.unread_about(conn, staff_id, customer_id):
        notes.mark_read(conn, staff_id, unread, now)

"""A number that was marked as taking no texts, and proves to work: it texted, or a text was delivered."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from storage import customers, erasures
from storage.rows import Row
from storage.statuses import LITIGATOR, refused_with


def may_get_texts_again(conn: Connection, customer_id: int) -> bool:
    """Say whether a marked number may be texted once it proves to work; a known litigator's may not."""
    return not refused_with(conn, customer_id, LITIGATOR)


def number_works(conn: Connection, rows: Iterable[Row]) -> None:
    """Take the mark from these locked customers; consent and opt-outs stay as they are."""
    marked = [row["id"] for row in rows if not row["sendable"] and not erasures.is_shell(row)]
    changes = [(each, {"sendable": True}) for each in marked if may_get_texts_again(conn, each)]
    customers.change(conn, changes)

"""The certificate of an erasure: what was deleted, when, by whom, and whether anything is left, looked up anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bot.desk.actor import NotPossible
from bot.engine.programme import Shop
from storage import customers, erasures, holdings, staff

FORMAT, VERSION = "regulars-erasure-certificate", 1


def certificate(conn: Connection, shop: Shop, customer_id: int, now: datetime) -> dict[str, Any]:
    """Return the proof of one erasure. Raises NotPossible for somebody who was not erased.

    `left` are the rows the database has of the customer at this moment in tables that had to be emptied: none,
    or the erasure failed. `kept` is the bookkeeping that stays, without a person.
    """
    found, row = erasures.of(conn, customer_id), customers.by_id(conn, customer_id)
    if found is None or row is None:
        raise NotPossible("This customer was not erased.")
    rows = holdings.counts(conn, customer_id)
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_at": now.isoformat(),
        "shop": shop.name,
        "customer": str(customer_id),
        "pseudonym": row["phone"],
        "erased_at": found["at"].isoformat(),
        "erased_by": _who(conn, found["by"]),
        "number_digest": found["number_digest"],
        "deleted": _sorted(found["counts"]),
        "left": {name: rows[name] for name in sorted(holdings.EMPTIED & rows.keys())},
        "kept": {name: rows[name] for name in sorted(rows.keys() - holdings.EMPTIED)},
        "files_scrubbed_at": found["scrubbed_at"].isoformat() if found["scrubbed_at"] else None,
        "suppression_lifted_at": found["lifted_at"].isoformat() if found["lifted_at"] else None,
    }


def _who(conn: Connection, label: str) -> str:
    """Return the name of whoever erased: a staff id's, else who sat at the command line."""
    row = staff.by_id(conn, int(label)) if label.isdigit() else None
    return str(row["name"]) if row is not None else label


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if name != "ledger"}

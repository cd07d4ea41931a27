"""Merge two numbers of one customer: who got a new number keeps points, vouchers, name and history.

Consent is the number's, not the person's, and never moves: the new number stays as it is, and the old one is opted
out if it was not, as carriers give numbers to strangers. For the same reason the old number is not led to the new
one afterwards: a text from it, STOP and START as well, is about that number alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from bot.apply import Context, Rows, use_oldest
from bot.desk.actor import Actor, NotPossible, note
from bot.engine.programme import Programme
from bot.loading import load_customers
from bot.profile import history
from storage import (
    audit,
    consent,
    customers,
    erasures,
    holdings,
    indexing,
    loyalty,
    merging,
    messages,
    profile_changes,
)
from storage.database import writing
from storage.errors import KnownKey
from storage.ids import next_id
from storage.rows import Row, blank

_FIRST_KNOWN = ("name", "birthday", "email", "zone", "referral_code")
_KEPT = frozenset({"id", "phone", "language", "language_chosen", "consent", "points", "sendable", "created_at"})
#: Kept by triggers on other tables, or of the number itself: a merge leaves them alone. The marks say which awards
#: the old number had; its ledger has their keys.
_OF_THE_NUMBER = _KEPT | {"joined_at", "consent_expires_at", "local_zone", "marks"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a merge would do, before anybody confirms it."""

    old: Row
    new: Row
    points: int
    after: Mapping[str, Any]  #: the new number's columns that would change
    given_up: Mapping[str, Any]  #: what both have and differs: the new number's stays, this goes
    counts: Mapping[str, int]  #: table -> rows that would move
    opts_out: bool  #: the old number agreed to texts, which ends


def preview(conn: Connection, programme: Programme, old_id: int, new_id: int) -> Preview:
    """Say what merging the old number into the new one would do. Raises NotPossible."""
    old, new = _both(customers.by_ids(conn, [old_id, new_id]), old_id, new_id)
    if old["merged_into"] is not None:
        raise NotPossible("This number was merged already.")
    after = _together(old, new, programme)
    counts = holdings.counts(conn, old_id)
    moving = {holding.table.name for holding in holdings.HOLDINGS if holding.merging in ("move", "fill")}
    return Preview(
        old,
        new,
        old["points"],
        {name: value for name, value in after.items() if value != new[name]},
        {name: old[name] for name in _FIRST_KNOWN if old[name] is not None and after[name] != old[name]},
        {name: count for name, count in counts.items() if name in moving},
        old["consent"] in ("subscribed", "pending"),
    )


def merge(
    engine: Engine, programme: Programme, actor: Actor, old_id: int, new_id: int, now: datetime, key: str | None = None
) -> bool:
    """Merge the old number into the new one; False when that was done before, under this key.

    Raises NotPossible for numbers that cannot be merged.
    """
    key = key or f"merge:{old_id}:{new_id}"
    with writing(engine) as conn:
        old, new = _both(customers.lock_by_id(conn, [old_id, new_id]), old_id, new_id)
        if _done(conn, old, new_id, key):
            return False
        if old["merged_into"] not in (None, new_id):
            raise NotPossible("This number was merged into another one already.")
        merging.end_open(conn, old_id, new_id, now)
        messages.suppress_pending(conn, [old_id], "merged", now)
        moved = merging.move_rows(conn, old_id, new_id)
        try:
            _move_points(conn, programme, actor, old, new, key, now)
        except KnownKey:
            raise NotPossible("The page was not complete. Load it again.") from None
        _move_profile(conn, programme, actor, old, new, now)
        opted_out = _leave(conn, actor, old, now)
        indexing.refresh(conn, [old_id, new_id])  # vouchers and names are found with the new number now
        detail = {"old": old_id, "new": new_id, "key": key, "points": old["points"], "rows": moved}
        for customer_id in (old_id, new_id):
            note(conn, actor, "customer.merged", now, customer_id, opted_out=opted_out, **detail)
    return True


def _both(found: Mapping[int, Row], old_id: int, new_id: int) -> tuple[Row, Row]:
    if old_id == new_id:
        raise NotPossible("These are one and the same number.")
    old, new = found.get(old_id), found.get(new_id)
    if old is None or new is None or erasures.is_shell(old) or erasures.is_shell(new):
        raise NotPossible("One of the two customers is not there any more.")
    if new["merged_into"] is not None:
        raise NotPossible("The new number was itself merged into another one. Merge into that one.")
    return old, new


def _done(conn: Connection, old: Row, new_id: int, key: str) -> bool:
    """Say whether this merge was made before; a number that is used again later may be merged again by another key."""
    if old["merged_into"] != new_id:
        return False
    noted = audit.find(conn, customer_id=old["id"], action="customer.merged")
    return not noted or any(entry["detail"].get("key") == key for entry in noted)


def _move_points(
    conn: Connection, programme: Programme, actor: Actor, old: Row, new: Row, key: str, now: datetime
) -> None:
    """Book the points out of the one and into the other. The lots have moved already and expire as before.

    Where one of the two owes points, the other's oldest lots pay for it.
    """
    entries = [
        _entry(actor, old["id"], -old["points"], -old["qualifying"], f"{key}:out", now),
        _entry(actor, new["id"], old["points"], old["qualifying"], f"{key}:in", now),
    ]
    loyalty.insert_entries(conn, [entry for entry in entries if entry["points"] or entry["qualifying"]])
    customer = load_customers(conn, {new["id"]: new}, programme.shop.languages[0], now)[new["id"]]
    too_many = sum(lot.remaining for lot in customer.lots) - max(0, old["points"] + new["points"])
    if too_many > 0:
        rows = Rows()
        use_oldest(Context(conn, rows, customer, programme, now, sender="", lots=list(customer.lots)), too_many)
        rows.flush(conn, now)


def _entry(actor: Actor, customer_id: int, points: int, qualifying: int, key: str, now: datetime) -> Row:
    return {
        "id": next_id(),
        "customer_id": customer_id,
        "kind": "adjust",
        "points": points,
        "qualifying": qualifying,
        "key": key,
        "reason": "merge",
        "staff_id": actor.staff_id,
        "at": now,
    }


def _move_profile(conn: Connection, programme: Programme, actor: Actor, old: Row, new: Row, now: datetime) -> None:
    """Give the new number what the old one knew; the old one knows nothing any more, whoever may have it next."""
    after = _together(old, new, programme)
    empty = {name: value for name, value in blank(customers.customers).items() if name not in _OF_THE_NUMBER}
    empty.pop("qualifying")  # the ledger's trigger has moved it
    customers.change(conn, [(old["id"], {**empty, "merged_into": new["id"]})])
    changed = {name: value for name, value in after.items() if value != new[name]}
    customers.change(conn, [(new["id"], changed)])
    before = load_customers(conn, {new["id"]: new}, programme.shop.languages[0], now)[new["id"]]
    profile_changes.insert(conn, history(before, changed, actor.label, now))


def _together(old: Row, new: Row, programme: Programme) -> dict[str, Any]:
    """Return the columns of the new number as they are with the old one's: what the new one says itself comes first."""
    known = {name: new[name] if new[name] is not None else old[name] for name in _FIRST_KNOWN}
    marks = {**(old["marks"] or {}), **(new["marks"] or {})}
    chosen = old if old["language_chosen"] and not new["language_chosen"] else new
    higher = max(new, old, key=lambda row: _height(row["tier"], programme))
    bought = [row["last_purchase_at"] for row in (old, new) if row["last_purchase_at"] is not None]
    return {
        **known,
        "language": chosen["language"],
        "language_chosen": chosen["language_chosen"],
        "tags": sorted({*(old["tags"] or ()), *(new["tags"] or ())}),
        "attributes": {**(old["attributes"] or {}), **(new["attributes"] or {})},
        "marks": {name: max(day, (old["marks"] or {}).get(name, day)) for name, day in marks.items()},
        "frequency": "less" if "less" in (old["frequency"], new["frequency"]) else new["frequency"],
        "marketing_paused": bool(old["marketing_paused"] or new["marketing_paused"]),
        "purchases": old["purchases"] + new["purchases"],
        "spent_minor": old["spent_minor"] + new["spent_minor"],
        "last_purchase_at": max(bought, default=None),
        "tier": higher["tier"],
        "tier_until": higher["tier_until"],
    }


def _height(tier: str | None, programme: Programme) -> int:
    return next((place for place, each in enumerate(programme.tiers) if each.key == tier), -1)


def _leave(conn: Connection, actor: Actor, old: Row, now: datetime) -> bool:
    """Opt the old number out, unless it is; whoever has it may START again."""
    if old["consent"] not in ("subscribed", "pending"):
        return False
    record = {"id": next_id(), "customer_id": old["id"], "status": "unsubscribed", "how": "staff", "at": now}
    consent.insert(conn, [{**record, "reason": "merged", "staff_id": actor.staff_id}])
    return True

"""Who is on the stage: the rows of a transcript's `given`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Engine

from bot.engine.facts import day_mark
from bot.engine.variant import variant_of
from storage import consent, customers, loyalty, vouchers
from storage.database import writing
from storage.ids import next_id

PHONE = "+12015550123"
FRIEND = "+12015550177"


@dataclass(frozen=True, slots=True)
class _Scene:
    engine: Engine
    now: datetime
    zone: tzinfo


def cast(engine: Engine, now: datetime, zone: tzinfo, given: Mapping[str, Any]) -> int | None:
    """Bring the customers of a transcript into the database; return the customer's id."""
    scene = _Scene(engine, now, zone)
    friend = given.get("friend")
    if friend:
        other = {"consent": "subscribed", "referral_code": friend.get("code"), **friend}
        _insert_customer(scene, FRIEND, {key: value for key, value in other.items() if key != "code"})
    about = {key: value for key, value in given.items() if key not in ("now", "friend", "settings", "stock")}
    return _insert_customer(scene, PHONE, about) if about else None


def _insert_customer(scene: _Scene, phone: str, given: Mapping[str, Any]) -> int:
    identifier = next_id()
    for name, group in (given.get("variant") or {}).items():
        while variant_of(identifier, name) != group:
            identifier += 1
    with writing(scene.engine) as conn:
        customers.insert_missing(conn, [_customer_row(scene, identifier, phone, given)])
        if given.get("consent", "none") != "none":
            record = {"id": next_id(), "customer_id": identifier, "status": given["consent"], "how": "import"}
            consent.insert(conn, [{**record, "at": scene.now - timedelta(days=30)}])
        _insert_points(conn, scene, identifier, given)
        held = given.get("vouchers") or []
        vouchers.insert(conn, [_voucher_row(scene, identifier, number, each) for number, each in enumerate(held)])
    return identifier


def _customer_row(scene: _Scene, identifier: int, phone: str, given: Mapping[str, Any]) -> dict[str, Any]:
    now = scene.now
    row: dict[str, Any] = {"id": identifier, "phone": phone, "created_at": scene.now - timedelta(days=30)}
    for key in ("name", "language", "email", "frequency", "tags", "attributes", "tier", "purchases", "referral_code"):
        if key in given:
            row[key] = given[key]
    if "birthday" in given:
        row["birthday"] = datetime.fromisoformat(str(given["birthday"])).date()
    today = now.astimezone(scene.zone).date().isoformat()
    row["marks"] = dict.fromkeys(given.get("used") or (), today)
    row["marks"].update(dict.fromkeys(map(day_mark, given.get("used_today") or ()), today))
    row["marketing_paused"] = bool(given.get("marketing_paused"))
    row["spent_minor"] = given.get("spent", 0)
    for key, column in (("last_purchase", "last_purchase_at"), ("joined", "joined_at")):
        if given.get(key):
            row[column] = now - given[key]
    if "last_purchase" in given:
        row.setdefault("purchases", 1)
    return row


def _insert_points(conn: Connection, scene: _Scene, identifier: int, given: Mapping[str, Any]) -> None:
    held = given.get("points", 0)
    parts = held if isinstance(held, list) else [{"points": held}] if held else []
    qualifying = given.get("qualifying", sum(part["points"] for part in parts))
    for part in parts:
        entry = next_id()
        left = part.get("expires_in")
        ends = scene.now + (timedelta(days=int(str(left).split()[0])) if left else timedelta(days=365))
        row = {"id": entry, "customer_id": identifier, "kind": "earn", "points": part["points"], "reason": "given"}
        loyalty.insert_entries(
            conn,
            [{**row, "key": f"given:{entry}", "qualifying": qualifying, "expires_at": ends, "at": scene.now}],
        )
        loyalty.insert_lots(
            conn,
            [{"entry_id": entry, "customer_id": identifier, "remaining": part["points"], "expires_at": ends}],
        )
        qualifying = 0


def _voucher_row(scene: _Scene, identifier: int, number: int, given: Any) -> dict[str, Any]:
    about = given if isinstance(given, dict) else {"name": str(given)}
    days = int(str(about.get("ends_in", "10 days")).split()[0])
    return {
        "id": next_id(),
        "customer_id": identifier,
        "code": about.get("code", f"TEST-{2222 + number}"),
        "name": about.get("name", "Free latte"),
        "issued_at": scene.now,
        "ends_at": scene.now + timedelta(days=days),
    }

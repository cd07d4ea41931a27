"""A customer's row, and what went out to them lately, as the gate wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.engine.calendar import zone_named
from bot.gate.verdict import Recipient
from bot.places import zones_of, zones_of_region

REGION = "region"  #: the customer's attribute with the place of a known address: US-TX, FR


def recipient_of(row: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> Recipient:
    """Return what the gate must know of one customer.

    `row` is the customer's, `history` what `storage.outreach.history` knows of the last 30 days. The zone is
    the known one, else every zone of the known address, else every zone of the number.
    """
    region = (row["attributes"] or {}).get(REGION)
    region = region if isinstance(region, str) else None
    said: dict[str, datetime] = {}
    for text in history:
        said[text["body"]] = max(text["at"], said.get(text["body"], text["at"]))
    return Recipient(
        consent=row["consent"],
        zones=places_of(row["phone"], row["zone"], region),
        sendable=row["sendable"],
        paused=row["marketing_paused"],
        held_until=row["held_until"],
        wants_less=row["frequency"] == "less",
        marketing_sent=[text["at"] for text in history if text["purpose"] == "marketing"],
        service_sent=[text["at"] for text in history if text["purpose"] == "service"],
        phone=row["phone"],
        region=region,
        consent_until=row.get("consent_expires_at"),
        said=said,
    )


def places_of(phone: str, zone: str | None, region: str | None) -> tuple[str, ...]:
    """Return every zone a customer may be in."""
    if zone and zone_named(zone) is not None:
        return (zone,)
    return (zones_of_region(region) if region else ()) or zones_of(phone)

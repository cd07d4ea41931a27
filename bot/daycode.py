"""The day's code, shown at the till, that proves a customer is in the shop."""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo


def code_for(secret: str, zone: str, now: datetime) -> str:
    """Return the four digits of the shop's local day; nobody without the secret can tell tomorrow's."""
    day = now.astimezone(ZoneInfo(zone)).date().isoformat()
    digest = hmac.new(secret.encode(), f"day code:{day}".encode(), sha256).digest()
    return f"{int.from_bytes(digest[:4]) % 10_000:04d}"

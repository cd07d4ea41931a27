"""The suppression list: numbers of people who asked to be forgotten, as keyed digests nobody can read back."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from storage import audit, erasures
from storage.ids import next_id

_PURPOSE = b"regulars: suppression list, version 1"


def digest_of(secret_key: str, phone: str) -> str:
    """Return a number's digest on the list. Without the secret key nobody can try numbers against it."""
    key = hmac.digest(secret_key.encode(), _PURPOSE, sha256)
    return hmac.digest(key, phone.encode(), sha256).hex()


def listed(conn: Connection, secret_key: str, phones: Iterable[str]) -> dict[str, datetime]:
    """Return which of these numbers are on the list, and since when."""
    digests = {digest_of(secret_key, phone): phone for phone in phones}
    return {digests[digest]: at for digest, at in erasures.listed(conn, list(digests)).items()}


def lift(conn: Connection, secret_key: str, phones: Sequence[str], who: str, now: datetime) -> None:
    """Take numbers off the list because their people agreed anew, and write that down."""
    if not phones:
        return
    for customer_id in erasures.lift(conn, [digest_of(secret_key, phone) for phone in phones], now):
        entry = {"id": next_id(), "at": now, "who": who, "action": "suppression.lifted", "customer_id": customer_id}
        audit.insert(conn, [entry])

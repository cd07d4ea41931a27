"""Consent records get their seals: one chain of digests over all of them, and the walk that finds any later change.

A digest is an HMAC-SHA-256 over the digest before it, the place and moment of the seal, the record, and the message
the record points to. Its key comes from SECRET_KEY, so that whoever can write into the database, but does not know
the key, cannot mend the chain after a change.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError

from storage import seals
from storage.database import reading, writing
from storage.rows import Row

BATCH = 500
SETTLED = timedelta(seconds=10)  # ids of parallel processes may be committed out of order
FIRST = "0" * 64  #: what the first seal has before it
_ANY_MOMENT = datetime.max.replace(tzinfo=UTC)
SHOWN = 20  #: findings the walk remembers; one is enough to know
_RECORD = (
    *("id", "customer_id", "status", "how", "wording", "version", "text", "language", "reason", "message_id", "at"),
    "expires_at",
    "staff_id",
)
_MESSAGE = ("direction", "sender", "recipient", "body", "created_at")


@cache
def derived(secret_key: str, purpose: str) -> bytes:
    """Return 32 bytes that only who knows SECRET_KEY can make, others for each purpose (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(secret_key.encode())


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys in order, no spaces, letters as they are, moments in UTC."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat(timespec="microseconds")


def digest_of(secret_key: str, previous: str, number: int, at: datetime, record: Row) -> str:
    """Return the digest of a record, as `storage.seals.records` gives it, at its place in the chain."""
    message = None
    if record["message_direction"] is not None:
        message = {name: record[f"message_{name}"] for name in _MESSAGE}
        if message["direction"] == "in":  # the sid of what we sent is the carrier's, and comes later
            message["sid"] = record["message_sid"]
    content = {"record": {name: record[name] for name in _RECORD}, "message": message, "number": number, "at": at}
    return _keyed(secret_key, f"{previous}\n{canonical(content)}")


def _keyed(secret_key: str, text: str) -> str:
    return hmac.new(derived(secret_key, "regulars consent seals 1"), text.encode(), hashlib.sha256).hexdigest()


def key_name(secret_key: str) -> str:
    """Return a name of the key that seals are made with, which says nothing about the key."""
    return _keyed(secret_key, "the name of this key")[:16]


def seal(engine: Engine, secret_key: str, now: datetime) -> int:
    """Seal the records that have no seal yet; return how many. Any number of processes may try at once."""
    done, before = 0, now - SETTLED
    with reading(engine) as conn:
        after = seals.oldest_to_seal(conn)
    while True:
        with reading(engine) as conn:
            if not seals.unsealed(conn, after, before, 1):
                return done
        with writing(engine) as conn:
            if not seals.try_lock(conn):
                return done
            rows = seals.unsealed(conn, after, before, BATCH)
            seals.insert(conn, _next_seals(conn, secret_key, rows, now))
        done += len(rows)
        after = rows[-1]["id"] if rows else after


def _next_seals(conn: Connection, secret_key: str, rows: list[Row], now: datetime) -> list[Row]:
    head = seals.head(conn)
    number, previous = (head["number"], head["digest"]) if head else (0, FIRST)
    made: list[Row] = []
    for row in rows:
        number += 1
        digest = digest_of(secret_key, previous, number, now, row)
        made.append(
            {
                "record_id": row["id"],
                "number": number,
                "customer_id": row["customer_id"],
                "key": key_name(secret_key),
                "previous": previous,
                "digest": digest,
                "at": now,
            }
        )
        previous = digest
    return made


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was sealed. `number` is the place in the chain, None for a record without a seal."""

    what: str
    words: str
    record_id: int | None
    number: int | None = None


@dataclass(slots=True)
class Walk:
    """What a walk along the chain saw."""

    sealed: int = 0
    erased: int = 0  #: records that are gone because their customer was erased; their seals stay
    waiting: int = 0  #: records too young for a seal
    head: Row | None = None
    troubles: int = 0
    findings: list[Finding] = field(default_factory=list)  #: the first of them

    def add(self, what: str, words: str, record_id: int | None, number: int | None = None) -> None:
        """Note something that is not as it was sealed."""
        self.troubles += 1
        if len(self.findings) < SHOWN:
            self.findings.append(Finding(what, words, record_id, number))


def check(engine: Engine, secret_key: str) -> Walk:
    """Walk the whole chain against the database and say what was changed. Nothing is written."""
    walk = Walk()
    with reading(engine) as conn:
        latest: datetime | None = None
        for link in _links(conn):
            latest = _look(walk, secret_key, link, latest)
            walk.head, walk.sealed = link.seal, walk.sealed + 1
        _look_at_unsealed(walk, conn)
    return walk


class _Link(NamedTuple):
    """A seal and what became of its record."""

    seal: Row
    record: Row | None  #: None: it is gone, or cannot be read
    erased: bool  #: its customer was erased
    readable: bool


def _links(conn: Connection) -> Iterator[_Link]:
    number = 0
    while page := seals.page(conn, number, BATCH):
        ids = [one["record_id"] for one in page]
        found, broken = _read(conn, ids)
        erased = seals.erased(conn, sorted({one["customer_id"] for one in page}))
        for one in page:
            key = one["record_id"]
            yield _Link(one, found.get(key), one["customer_id"] in erased, key not in broken)
        number = page[-1]["number"]


def _read(conn: Connection, ids: list[int]) -> tuple[dict[int, Row], set[int]]:
    """Return records, and the ids of those whose values are none any more, such as a moment in the year 20000."""
    try:
        return seals.records(conn, ids), set()
    except (ValueError, OverflowError, DataError):
        if len(ids) == 1:
            return {}, set(ids)
    middle = len(ids) // 2
    (found, broken), (more, others) = _read(conn, ids[:middle]), _read(conn, ids[middle:])
    return {**found, **more}, broken | others


def _look(walk: Walk, secret_key: str, link: _Link, latest: datetime | None) -> datetime | None:
    """Compare one seal with the one before and with its record; return the latest moment a record bears so far."""
    one, record = link.seal, link.record
    number, record_id = one["number"], one["record_id"]
    before = walk.head
    if number != (before["number"] if before else 0) + 1:
        walk.add("seal missing", f"The seals before number {number} are missing.", record_id, number)
    elif one["previous"] != (before["digest"] if before else FIRST):
        walk.add("chain broken", f"Seal {number} does not continue the one before it.", record_id, number)
    if one["key"] != key_name(secret_key):
        words = f"Seal {number} was made with another SECRET_KEY; set the one that was in force then."
        walk.add("other key", words, record_id, number)
        return latest
    if record is None:
        if not link.readable:
            walk.add(
                "changed", f"Record {record_id} (seal {number}) cannot be read: it was changed.", record_id, number
            )
        elif link.erased:
            walk.erased += 1
        else:
            walk.add("missing", f"Record {record_id} (seal {number}) is missing.", record_id, number)
        return latest
    if not hmac.compare_digest(one["digest"], digest_of(secret_key, one["previous"], number, one["at"], record)):
        words = f"Record {record_id} (seal {number}), its seal or the message it points to was changed."
        walk.add("changed", words, record_id, number)
        return latest
    if record["how"] == "import":  # bears the day that the file names
        return latest
    if latest is not None and record["at"] < latest - seals.LATE:
        words = f"Record {record_id} (seal {number}) bears an earlier moment than records that were sealed before it."
        walk.add("inserted later", words, record_id, number)
    at: datetime = record["at"]
    return at if latest is None else max(latest, at)


def _look_at_unsealed(walk: Walk, conn: Connection) -> None:
    """Tell the records that are too young for a seal from those that were put in among sealed ones."""
    oldest, after = seals.oldest_to_seal(conn), 0
    while rows := seals.unsealed(conn, after, _ANY_MOMENT, BATCH):
        for row in rows:
            if row["id"] > oldest:
                walk.waiting += 1
            else:
                words = f"Record {row['id']} has no seal although later ones have: it was inserted afterwards."
                walk.add("inserted later", words, row["id"])
        after = rows[-1]["id"]

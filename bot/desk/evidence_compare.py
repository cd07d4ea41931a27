"""An evidence file beside the records as they are now: what was changed since, on either side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bot.desk.evidence import events_of
from bot.desk.evidence_file import Entry
from storage import seals
from storage.rows import Row

_UTC = ZoneInfo("UTC")
_RECORD = ("status", "how", "wording", "version", "language", "text", "reason", "at", "ends_at")
_MESSAGE = ("direction", "sender", "recipient", "body", "at")
_LARGEST = 2**63 - 1


def compare(conn: Connection, entries: Sequence[Entry]) -> list[str]:
    """Return what differs between a file's entries and the database, in sentences; nothing when all is the same.

    What goes on after a file was made is no difference: deliveries that are reported, records and seals that come
    later. Records of a customer who was erased are not there any more; that is said, too.
    """
    ids = [_number(entry.get("record")) for entry in entries if entry.get("kind") == "consent"]
    now = {int(event["record"]): event for event in events_of(conn, [i for i in ids if i], _UTC)}
    gone = _gone(conn, [i for i in ids if i and i not in now])
    found: list[str] = []
    for entry in entries:
        if entry.get("kind") == "about":
            found += _head_differs(conn, entry.get("chain_head"))
        elif (record := _number(entry.get("record"))) in now:
            found += [f"Record {record}: {words}" for words in _differences(entry, now[record])]
        else:
            found.append(gone.get(record, f"Record {record} is not in the database."))
    return found


def _gone(conn: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Say of records that are not there any more which went with an erased customer."""
    sealed: Mapping[int, Row] = seals.of_records(conn, ids)
    erased = seals.erased(conn, [seal["customer_id"] for seal in sealed.values()])
    return {
        key: f"Record {key} was deleted when its customer was erased; seal {seal['number']} is what stays of it."
        for key, seal in sealed.items()
        if seal["customer_id"] in erased
    }


def _differences(entry: Entry, now: Entry) -> Iterator[str]:
    yield from _fields(_RECORD, entry, now, "")
    yield from _message_differs(entry.get("message"), now["message"], "message")
    ours = list(now["confirmations"])
    theirs = entry.get("confirmations") or []
    if len(theirs) > len(ours):
        yield f"the file has {len(theirs)} confirmations, the database {len(ours)}."
    for number, (one, other) in enumerate(zip(theirs, ours, strict=False), 1):
        yield from _message_differs(one, other, f"confirmation {number}")
    if (seal := entry.get("seal")) and (now["seal"] or {}).get("digest") != seal.get("digest"):
        yield "its seal is not the one in the file."


def _message_differs(one: Any, other: Any, name: str) -> Iterator[str]:
    if (one is None) != (other is None):
        yield f"the {name} is only in the {'database' if one is None else 'file'}."
    elif one is not None:
        sid = ("sid",) if one.get("sid") else ()  # of what was sent, the carrier's comes later
        yield from _fields((*sid, *_MESSAGE), one, other, f"{name}'s ")


def _fields(names: Sequence[str], one: Mapping[str, Any], other: Mapping[str, Any], whose: str) -> Iterator[str]:
    for name in names:
        before, after = _plain(one.get(name)), _plain(other[name])
        if before != after:
            yield f"the {whose}{name} is {before!r} in the file and {after!r} in the database."


def _plain(value: Any) -> Any:
    """Return a moment as its UTC form: the shop may have moved to another zone."""
    return value.get("utc") if isinstance(value, dict) else value


def _head_differs(conn: Connection, head: Any) -> Iterator[str]:
    """Say when the chain does not hold the seal that was its last when the file was made."""
    if not isinstance(head, dict):
        return
    seal = seals.by_number(conn, _number(head.get("number")))
    if seal is None:
        yield f"The chain of seals ends before number {head.get('number')}, which it had when the file was made."
    elif seal["digest"] != head.get("digest"):
        yield f"Seal {head.get('number')} is not the one the chain had when the file was made."


def _number(value: Any) -> int:
    """Return an id as the file writes it, 0 for what is none."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return 0
    return number if 0 < number <= _LARGEST else 0

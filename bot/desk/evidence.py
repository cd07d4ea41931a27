"""Consent evidence of one number: every consent record with the text that caused it and what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.evidence_file import Entry, signed
from bot.engine.programme import Shop
from storage import consent, customers, erasures, merging, seals, staff
from storage.database import reading, writing
from storage.ids import moment_of
from storage.rows import Row

_SHOP = ("name", "programme", "phone", "website", "terms", "country", "zone")
_RECORD = ("status", "how", "wording", "version", "language", "text", "reason")
_MESSAGE = ("direction", "sid", "sender", "recipient", "body")
_DELIVERY = ("purpose", "state", "error_code")
_SEAL = ("number", "previous", "digest")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose evidence it is: the customer and those who were merged into them."""

    customer: Row
    merged: Sequence[Row] = ()

    @property
    def rows(self) -> list[Row]:
        return [self.customer, *self.merged]


def person_of(conn: Connection, customer_id: int) -> Person:
    """Return a customer with those merged into them. Raises NotPossible when there is none of this id.

    A former number that somebody uses again, perhaps another, is a person of its own.
    """
    found = customers.by_id(conn, customer_id)
    if found is None:
        raise NotPossible("There is no such customer.")
    if erasures.is_shell(found):
        raise NotPossible("This customer was erased, and the consent records with them. Their seals stay.")
    if found["merged_into"] is not None and customer_id not in merging.in_use_again(conn, found["merged_into"]):
        return person_of(conn, found["merged_into"])
    others = merging.in_use_again(conn, customer_id)
    return Person(found, [row for row in customers.merged_into(conn, customer_id) if row["id"] not in others])


def entries_of(conn: Connection, person: Person, shop: Shop, actor: Actor, now: datetime) -> list[Entry]:
    """Return the entries of an evidence file: first what it is about, then each consent record, oldest first."""
    zone = ZoneInfo(shop.zone)
    events = consent_events(conn, person, zone)
    head = seals.head(conn)
    about: Entry = {
        "kind": "about",
        "shop": {name: getattr(shop, name) for name in _SHOP},
        "number": person.customer["phone"],
        "merged_numbers": [row["phone"] for row in person.merged],
        "consent_now": person.customer["consent"],
        "records": len(events),
        "made_at": moment(now, zone),
        "made_by": actor.name,
        "chain_head": _seal(head, zone) if head else None,
    }
    return [about, *events]


def consent_events(conn: Connection, person: Person, zone: ZoneInfo) -> list[Entry]:
    """Return every consent record of a person in order, each with its cause, its confirmations and its seal."""
    return events_of(conn, [record["id"] for row in person.rows for record in consent.history(conn, row["id"])], zone)


def events_of(conn: Connection, ids: Sequence[int], zone: ZoneInfo) -> list[Entry]:
    """Return these consent records as entries of a file, in the order of ids; those there are not are left out."""
    found = seals.records(conn, ids)
    owners = customers.by_ids(conn, sorted({record["customer_id"] for record in found.values()}))
    sealed = seals.of_records(conn, list(found))
    answers = _answers(conn, list(found.values()), owners)
    names = staff.names(conn) if any(record["staff_id"] for record in found.values()) else {}
    return [_event(found[key], owners, answers[key], sealed.get(key), names, zone) for key in sorted(found)]


def _answers(conn: Connection, records: Sequence[Row], owners: Mapping[int, Row]) -> dict[int, list[Row]]:
    """Return what was sent in answer to the text behind each record, or with a record no text had caused."""
    causes = sorted({row["message_id"] for row in records if row["message_direction"] == "in"})
    replies = consent.answers(conn, causes)
    return {
        row["id"]: [reply for reply in replies if reply["in_reply_to"] == row["message_id"]]
        if row["message_id"] is not None
        else _unasked(conn, owners[row["customer_id"]], row["at"])
        for row in records
    }


def _unasked(conn: Connection, owner: Row, at: datetime) -> list[Row]:
    """Return what went to a number in the turn of this moment; a merged number's texts are with another customer."""
    ids = [each for each in (owner["id"], owner["merged_into"]) if each is not None]
    return [row for row in consent.unasked(conn, ids, at) if row["recipient"] == owner["phone"]]


def _event(
    record: Row,
    owners: Mapping[int, Row],
    answers: Sequence[Row],
    seal: Row | None,
    names: Mapping[int, str],
    zone: ZoneInfo,
) -> Entry:
    message = {name: record[f"message_{name}"] for name in (*_MESSAGE, "created_at")}
    return {
        "kind": "consent",
        "record": str(record["id"]),  # a string, as JavaScript rounds numbers of this size
        "number": owners[record["customer_id"]]["phone"],
        **{name: record[name] for name in _RECORD},
        "at": moment(record["at"], zone),
        "written_at": moment(moment_of(record["id"]), zone),
        "ends_at": moment(record["expires_at"], zone),
        "message": _message(message, zone) if message["direction"] else None,
        "confirmations": [_confirmation(row, zone) for row in answers],
        "staff": _member(record["staff_id"], names),
        "seal": _seal(seal, zone) if seal else None,
    }


def _member(staff_id: int | None, names: Mapping[int, str]) -> dict[str, Any] | None:
    return {"id": str(staff_id), "name": names.get(staff_id)} if staff_id is not None else None


def _message(row: Row, zone: ZoneInfo) -> dict[str, Any]:
    return {**{name: row[name] for name in _MESSAGE}, "at": moment(row["created_at"], zone)}


def _confirmation(row: Row, zone: ZoneInfo) -> dict[str, Any]:
    times = {name: moment(row[name], zone) for name in ("sent_at", "delivered_at")}
    return {**_message(row, zone), **{name: row[name] for name in _DELIVERY}, **times}


def _seal(row: Row, zone: ZoneInfo) -> dict[str, Any]:
    return {**{name: row[name] for name in _SEAL}, "at": moment(row["at"], zone)}


def moment(at: datetime | None, zone: ZoneInfo) -> dict[str, str] | None:
    """Return a moment in UTC and by the shop's clock."""
    return {"utc": at.isoformat(), "local": at.astimezone(zone).isoformat()} if at is not None else None


def evidence(engine: Engine, shop: Shop, secret_key: str, actor: Actor, customer_id: int, now: datetime) -> str:
    """Return the text of a customer's evidence file. Raises NotPossible when there is no such customer."""
    with reading(engine) as conn:
        person = person_of(conn, customer_id)
        entries = entries_of(conn, person, shop, actor, now)
    return signed(entries, secret_key)


def noted(engine: Engine, actor: Actor, customer_id: int, now: datetime, form: str) -> None:
    """Write into the audit log that somebody took the evidence of a customer out of the house."""
    with writing(engine) as conn:
        note(conn, actor, "evidence.exported", now, customer_id, form=form)

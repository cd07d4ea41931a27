"""Rows into the customers the engine knows: everything a turn may ask about somebody, read at once for many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bot.engine.conversation import Conversation, Customer, Lot, Voucher
from storage import conversations, customers, loyalty, vouchers
from storage.rows import Row
from storage.together import Query, ask, together


def load_customers(
    conn: Connection, records: Mapping[int, Mapping[str, Any]], language: str, now: datetime
) -> dict[int, Customer]:
    """Return the customers of some rows with everything the engine may know of them."""
    return customers_of(records, ask(conn, *about(list(records))), language, now)


def about(ids: Sequence[int]) -> tuple[Query[Any], ...]:
    """Ask for everything there is of these customers beside their own rows."""
    return loyalty.lots_query(ids), vouchers.query_of(ids), conversations.open_query(ids)


def lock_and_ask(
    conn: Connection,
    phones: Sequence[str],
    ids: Sequence[int],
    new: Callable[[str], Row],
    seen: dict[str, int],
    *more: Query[Any],
) -> tuple[dict[int, Row], list[Any]]:
    """Lock customers by number or by id; `new` gives the row of a number not known yet.

    Return their rows, and the answers to `about` and `more` as they are under the lock. On PostgreSQL that
    takes one trip for customers who are new or were `seen` lately, and one more for others: a number's id changes
    only when its customer is erased, which the row under the lock tells.
    """
    if conn.dialect.name == "sqlite":
        found = customers.lock_or_make(conn, phones, new) if phones else {}
        records = {row["id"]: row for row in found.values()}
        if ids:
            records.update(customers.lock_by_id(conn, ids))
        return records, ask(conn, *about(list(records)), *more)
    known = {phone: identifier for phone in phones if (identifier := seen.get(phone)) is not None}
    made = [new(phone) for phone in phones if phone not in known]
    everybody = [*ids, *known.values()]
    with together(conn):  # nobody is locked before everybody is inserted, see `customers.lock_or_make`
        customers.insert_missing(conn, made)
        records, *answers = ask(
            conn, customers.locking(everybody, [row["phone"] for row in made]), *about(everybody), *more
        )
    # The rows of those who are new have nothing beside them; others were there, but not seen lately.
    expected = {*everybody, *(row["id"] for row in made)}
    if unseen := [identifier for identifier in records if identifier not in expected]:
        for answer, found in zip(answers, ask(conn, *about(unseen)), strict=False):
            answer.update(found)
    if not {row["phone"] for row in records.values()}.issuperset(phones):  # one was erased while we waited for its lock
        records = {row["id"]: row for row in customers.lock_or_make(conn, phones, new).values()}
        answers = ask(conn, *about(list(records)), *more)
    if len(seen) > _SEEN:
        seen.clear()
    seen.update((row["phone"], identifier) for identifier, row in records.items())
    return records, answers


_SEEN = 50_000  # numbers a process remembers, some 10 MB


def customers_of(
    records: Mapping[int, Mapping[str, Any]], answers: Sequence[Any], language: str, now: datetime
) -> dict[int, Customer]:
    """Return customers from their rows and the answers to `about`."""
    lots, held, places = answers
    return {
        customer_id: _customer(
            row, lots.get(customer_id, ()), held.get(customer_id, ()), places.get(customer_id, ()), language, now
        )
        for customer_id, row in records.items()
    }


def _customer(
    row: Mapping[str, Any],
    lots: Sequence[tuple[int, int, datetime | None]],
    held: Sequence[Mapping[str, Any]],
    places: Sequence[Mapping[str, Any]],
    language: str,
    now: datetime,
) -> Customer:
    redeemed: dict[str, int] = {}
    for voucher in held:
        if voucher["reward"] and voucher["cost"] and voucher["status"] != "revoked":
            redeemed[voucher["reward"]] = redeemed.get(voucher["reward"], 0) + 1
    return Customer(
        id=row["id"],
        phone=row["phone"],
        language=row["language"] or language,
        language_chosen=row["language_chosen"],
        name=row["name"],
        consent=row["consent"],
        points=row["points"],
        qualifying=row["qualifying"],
        tier=row["tier"],
        tags=frozenset(row["tags"] or ()),
        attributes=row["attributes"] or {},
        birthday=row["birthday"],
        email=row["email"],
        frequency=row["frequency"],
        purchases=row["purchases"],
        spent_minor=row["spent_minor"],
        last_purchase_at=row["last_purchase_at"],
        joined_at=row["joined_at"],
        referral_code=row["referral_code"],
        zone=row["zone"],
        held_until=row["held_until"],
        marketing_paused=row["marketing_paused"],
        lots=tuple(Lot(*lot) for lot in lots),
        vouchers=tuple(
            Voucher(
                id=voucher["id"],
                code=voucher["code"],
                name=voucher["name"],
                reward=voucher["reward"],
                cost=voucher["cost"],
                status=voucher["status"],
                issued_at=voucher["issued_at"],
                ends_at=voucher["ends_at"],
                entry_key=voucher["entry_key"],
            )
            for voucher in held
            if voucher["status"] == "issued" and voucher["ends_at"] > now
        ),
        conversations=tuple(_conversation(place) for place in places),
        marks=row["marks"] or {},
        redeemed=redeemed,
    )


def _conversation(row: Mapping[str, Any]) -> Conversation:
    return Conversation(
        id=row["id"],
        customer_id=row["customer_id"],
        flow=row["flow"],
        revision_id=row["revision_id"],
        state=row["state"],
        opened_at=row["opened_at"],
        slots=row["slots"] or {},
        turn_no=row["turn_no"],
        misses=row["misses"],
        parent_id=row["parent_id"],
        relation=row["relation"],
        outcome=row["outcome"],
        ended_at=row["ended_at"],
    )

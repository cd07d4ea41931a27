"""Erase a customer with proof: nothing of the person stays but a digest on the suppression list.

One transaction notes the erasure, ends what is pending, deletes every row `storage.holdings` names, takes the words
out of the ledger and leaves a shell with a pseudonym, so that the points still add up. Then the files are scrubbed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot import telemetry
from bot.desk.actor import Actor, NotPossible, note
from bot.suppression import digest_of
from storage import customers, erasures, forgetting, holdings, loyalty, merging, scrubbing, search, stock
from storage.database import reading, writing
from storage.holdings import Some
from storage.ids import next_id
from storage.rows import Row

ROLES = frozenset({"manager", "admin"})
SMALL = 64 * 1024 * 1024  # bytes; a smaller database is scrubbed at once, a larger one in the night
NIGHT = range(2, 5)  # o'clock at the shop
MOST = 10_000  #: rows of a table that are counted beforehand; the erasure itself counts them all


@dataclass(frozen=True, slots=True)
class Preview:
    """What would go, before anybody confirms it."""

    customer: Row
    numbers: Sequence[str]  #: the customer's and those merged into it
    left_out: Sequence[str]  #: merged numbers that somebody uses again: they are customers of their own
    counts: Mapping[str, Some]  #: table -> rows, as far as they were counted
    points: int
    sending: int  #: texts the carrier is being handed at this moment; they cannot be called back


def preview(conn: Connection, customer_id: int) -> Preview:
    """Say what erasing a customer would delete. Raises NotPossible when there is nobody to erase."""
    row = _erasable(customers.by_id(conn, customer_id))
    mine, others = _numbers(conn, row)
    total: dict[str, Some] = {}
    for each in mine:
        for name, count in holdings.some_counts(conn, each["id"], MOST).items():
            before = total.get(name, Some(0, more=False))
            total[name] = Some(before.rows + count.rows, before.more or count.more)
    return Preview(
        row,
        [each["phone"] for each in mine],
        [each["phone"] for each in others],
        total,
        sum(each["points"] for each in mine),
        sum(forgetting.being_sent(conn, each["id"]) for each in mine),
    )


def erase(engine: Engine, secret_key: str, actor: Actor, customer_id: int, confirmed: str, now: datetime) -> list[int]:
    """Erase a customer and the numbers merged into it; return the ids that are shells now.

    `confirmed` are the last four digits of the number, typed by whoever erases. Raises NotPossible.
    """
    if actor.role not in ROLES:
        raise NotPossible("Only a manager or an administrator may erase a customer.")
    with writing(engine) as conn:
        scrubbing.securely(conn)
        found = _erasable(customers.by_id(conn, customer_id))
        former = [each["id"] for each in customers.merged_into(conn, customer_id)]
        rows = customers.lock_by_id(conn, [customer_id, *former])
        row = _erasable(rows.get(customer_id))
        if confirmed.strip() != row["phone"][-4:] or row["phone"] != found["phone"]:
            raise NotPossible("These are not the last four digits of the customer's number. Nothing was erased.")
        mine, others = _numbers(conn, row)
        if not rows.keys() >= {each["id"] for each in mine}:
            raise NotPossible("Somebody merged another number into this one just now. Look again before you erase.")
        for each in mine:
            _erase_one(conn, secret_key, actor, each, now)
        customers.change(conn, [(each["id"], {"merged_into": None}) for each in others])
    ids = [each["id"] for each in mine]
    telemetry.log.info("customer erased", action="erase", customers=ids)
    if scrubbing.size(engine) <= SMALL:
        scrub(engine, now)
    return ids


def _erase_one(conn: Connection, secret_key: str, actor: Actor, row: Row, now: datetime) -> None:
    customer_id = row["id"]
    forgetting.lock_messages(conn, customer_id)
    digest = digest_of(secret_key, row["phone"])
    erasures.insert(conn, {"customer_id": customer_id, "at": now, "by": actor.label, "number_digest": digest})
    for reward, held in forgetting.unused_rewards(conn, customer_id).items():
        stock.take_stock(conn, reward, -held, None)
    _close_account(conn, customer_id, row["points"], now)
    found = holdings.counts(conn, customer_id)
    counts = {name: count for name, count in found.items() if name in holdings.EMPTIED}
    search.forget(conn, customer_id)
    forgetting.delete_rows(conn, customer_id)
    counts["ledger"] = forgetting.blank_ledger(conn, customer_id)
    forgetting.make_shell(conn, row, secrets.token_hex(16))
    erasures.counted(conn, customer_id, counts)
    note(conn, actor, "customer.erased", now, customer_id, rows=counts)


def _close_account(conn: Connection, customer_id: int, points: int, now: datetime) -> None:
    """Book what is left out, so that the shop owes nobody points nobody can ask for."""
    forgetting.empty_lots(conn, customer_id)
    if points:
        identifier = next_id()
        entry = {"id": identifier, "customer_id": customer_id, "kind": "adjust", "points": -points, "at": now}
        loyalty.insert_entries(conn, [{**entry, "key": f"erased:{identifier}"}])


def _numbers(conn: Connection, row: Row) -> tuple[list[Row], list[Row]]:
    """Return the rows that are one person's, and former numbers that somebody, perhaps another, uses again."""
    former = customers.merged_into(conn, row["id"])
    busy = merging.in_use_again(conn, row["id"])
    return [row, *(each for each in former if each["id"] not in busy)], [e for e in former if e["id"] in busy]


def _erasable(row: Row | None) -> Row:
    if row is None:
        raise NotPossible("There is no such customer.")
    if erasures.is_shell(row):
        raise NotPossible("This customer was erased already.")
    return row


def scrub(engine: Engine, now: datetime) -> bool:
    """Rewrite the database's files if an erasure waits for it; False when it could not be done now."""
    with reading(engine) as conn:
        waiting = erasures.unscrubbed(conn)
    if not waiting:
        return True
    try:
        done = scrubbing.scrub(engine)
    except (DBAPIError, TimeoutError, *scrubbing.BUSY) as trouble:
        telemetry.broke("not scrubbed", trouble)
        return False
    if done:
        with writing(engine) as conn:
            erasures.scrubbed(conn, waiting, now)
    return done


def scrub_at_night(engine: Engine, zone: ZoneInfo, now: datetime) -> None:
    """Scrub what waits: a small database at any hour, a larger one in the shop's night."""
    with reading(engine) as conn:
        waiting = bool(erasures.unscrubbed(conn))
    if waiting and (now.astimezone(zone).hour in NIGHT or scrubbing.size(engine) <= SMALL):
        scrub(engine, now)

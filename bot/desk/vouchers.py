"""Vouchers as staff handle them: found by code or number, used at the till, undone, given, taken back."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from hashlib import sha256
from itertools import islice, product
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.apply import Context, apply_all
from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import deed, locked, points_end, reason_of, told
from bot.engine.effects import AddEntry, Effect, IssueVoucher, RevokeVoucher, TakeStock
from bot.engine.offers import ALPHABET, reward_by_key, voucher_code
from bot.engine.programme import Programme
from bot.phone import parse
from storage import audit, customers, loyalty, staff, vouchers
from storage.database import reading, writing
from storage.rows import Row

UNDO_WITHIN = timedelta(minutes=1)
LONGEST_NAME = 60
LONGEST_DAYS = 3650
_LENGTH = 8
_MOST_GUESSES = 1024
#: Letters that look alike; codes use those of ALPHABET only.
_ALIKE = ("0OQD", "1ILJ7T", "2Z", "5S", "6G", "8B", "UV", "VY", "MN")


@dataclass(frozen=True, slots=True)
class Held:
    """A voucher as the till shows it: what it is good for, whose it is by name, and what became of it."""

    code: str
    name: str
    customer_id: int
    customer: str | None  #: the name; a number is nobody's business at the till
    status: str  #: issued, redeemed, revoked, expired
    ends_at: datetime
    redeemed_at: datetime | None = None
    redeemed_by: str | None = None  #: who, by name
    redeemed_label: str | None = None  #: who, as the books say it: `Actor.label`
    reason: str | None = None


def find(conn: Connection, programme: Programme, typed: str, now: datetime) -> list[Held]:
    """Return the voucher with this code, however it was typed, or all good ones of the customer with this number."""
    row = by_typed_code(conn, typed)
    if row is not None:
        rows = [row]
    else:
        phone = parse(typed, programme.shop.country)
        person = customers.by_phone(conn, phone) if phone is not None else None
        held = vouchers.of(conn, [person["id"]]).get(person["id"], []) if person is not None else []
        rows = [each for each in held if state_of(each, now) == "issued"]
    names = customers.by_ids(conn, [each["customer_id"] for each in rows])
    people = staff.names(conn) if rows else {}
    return [held_of(each, names[each["customer_id"]]["name"], people, now) for each in rows]


def by_typed_code(conn: Connection, typed: str) -> Row | None:
    """Return the voucher somebody means; a code misread by letters that look alike is found when only one fits."""
    code = normal(typed)
    found = vouchers.by_code(conn, code)
    if found is None and len(code) == _LENGTH + 1:
        alike = vouchers.by_codes(conn, list(look_alikes(code)))
        found = alike[0] if len(alike) == 1 else None
    return found


def normal(code: str) -> str:
    """Return a code as it is kept, however it was typed: `k7mr 2xwd` is `K7MR-2XWD`."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum())
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == _LENGTH else code.strip().upper()


def look_alikes(code: str) -> Iterable[str]:
    """Yield the codes that a normal code may be when letters were misread, at most 1,024."""
    choices = []
    for letter in code:
        alike = {letter, *(other for group in _ALIKE if letter in group for other in group)}
        choices.append(sorted(alike & set(ALPHABET)) if letter != "-" else ["-"])
    return ("".join(letters) for letters in islice(product(*choices), _MOST_GUESSES))


def state_of(row: Row, now: datetime) -> str:
    """Return what became of a voucher; one whose time is over is expired, marked or not."""
    return "expired" if row["status"] == "issued" and row["ends_at"] <= now else str(row["status"])


def held_of(row: Row, customer: str | None, people: Mapping[int, str], now: datetime) -> Held:
    """Return a voucher's row as the till shows it; `people` are the names of staff by id."""
    by = row["redeemed_by"]
    return Held(
        row["code"],
        row["name"],
        row["customer_id"],
        customer,
        state_of(row, now),
        row["ends_at"],
        row["redeemed_at"],
        people.get(int(by), by) if by and by.isdigit() else by,
        by,
        row["reason"],
    )


def redeem(engine: Engine, programme: Programme, actor: Actor, typed: str, key: str, now: datetime) -> Held:
    """Use a voucher up, once, whoever else tries at the same moment.

    `key` is made by the page: the same key again says the same once more. Raises NotPossible with when and by whom
    it was used, or why it is not good.
    """
    with writing(engine) as conn:
        row = _voucher(conn, typed)
        customer = locked(conn, row["customer_id"])
        used = vouchers.redeem(conn, row["code"], actor.label, now)
        people = dict(staff.names(conn))
        if not isinstance(used, str):
            note(conn, actor, "voucher.redeemed", now, customer["id"], voucher=str(row["id"]), key=key[:100])
            return held_of(used, customer["name"], people, now)
        row = vouchers.by_code(conn, row["code"]) or row
        if used == "redeemed" and _is_repeated(conn, actor, row, key):
            return held_of(row, customer["name"], people, now)
        raise _not_good(held_of(row, None, people, now), programme, now)


def undo(engine: Engine, programme: Programme, actor: Actor, code: str, now: datetime) -> Held:
    """Make a voucher good again that the same person used within the last minute. Raises NotPossible after that."""
    with writing(engine) as conn:
        row = _voucher(conn, code)
        customer = locked(conn, row["customer_id"])
        again = vouchers.undo_redemption(conn, row["code"], actor.label, now - UNDO_WITHIN)
        if again is None:
            raise NotPossible(
                "{code} can be undone for a minute, by who took it. Nothing was changed.", code=row["code"]
            )
        note(conn, actor, "voucher.redemption_undone", now, customer["id"], voucher=str(row["id"]))
        return held_of(again, customer["name"], dict(staff.names(conn)), now)


def issue(
    engine: Engine,
    programme: Programme,
    secret: str,
    actor: Actor,
    customer_id: int,
    *,
    reward: str | None,
    name: str,
    days: int,
    reason: str,
    key: str,
    now: datetime,
) -> str:
    """Give a voucher, for a reward of the programme or anything else by name, and return its code.

    It is good through the last of `days` days by the shop's clock. The code comes from `key` and the shop's secret,
    so that the same key again gives the same voucher. Presents take nothing from a reward's stock, as in flows.
    Raises NotPossible for an unknown reward, no name, no reason, or a time that is too short or long.
    """
    reason = reason_of(reason)
    names = _names(programme, reward, name)
    if not 1 <= days <= LONGEST_DAYS:
        raise NotPossible("A voucher is good for 1 to {most} days.", most=LONGEST_DAYS)
    if not key.strip():
        raise NotPossible("The page was not complete. Load it again.")
    seed = hmac.new(secret.encode(), f"voucher:{customer_id}:{key.strip()}".encode(), sha256).digest()
    code = voucher_code(seed, 0)
    zone = ZoneInfo(programme.shop.zone)
    ends_at = datetime.combine(now.astimezone(zone).date() + timedelta(days=days + 1), time(), zone)
    with deed(engine, programme, customer_id, actor.staff_id, now) as context:
        if vouchers.by_code(context.conn, code) is None:
            context.given_for = reason
            what = names.get(context.customer.language, names["en"])
            apply_all([IssueVoucher(code, what, ends_at, reward)], context)
            note(context.conn, actor, "voucher.issued", now, customer_id, reward=reward, days=days)
    return code


def revoke(
    engine: Engine,
    programme: Programme,
    actor: Actor,
    code: str,
    reason: str,
    *,
    points_back: bool,
    now: datetime,
    whose: int | None = None,
) -> Held:
    """Take an unused voucher back, with the points it cost when wanted.

    `whose` is the customer on whose page it was asked. Raises NotPossible when it is not good, or another's.
    """
    reason = reason_of(reason)
    with reading(engine) as conn:
        customer_id = _voucher(conn, code)["customer_id"]
    if whose not in (None, customer_id):
        raise NotPossible("This customer has no voucher {code}.", code=normal(code)[:20])
    with deed(engine, programme, customer_id, actor.staff_id, now) as context:
        row = _voucher(context.conn, code)
        people = dict(staff.names(context.conn))
        shown = held_of(row, context.customer.name, people, now)
        if shown.status != "issued":
            raise _not_good(shown, programme, now)
        effects = _revocation(context, row, reason, points_back=points_back)
        apply_all(effects, context)
        points = sum(effect.points for effect in effects if isinstance(effect, AddEntry))
        note(context.conn, actor, "voucher.revoked", now, customer_id, voucher=str(row["id"]), points=points)
        return shown


def _revocation(context: Context, row: Row, reason: str, *, points_back: bool) -> list[Effect]:
    effects: list[Effect] = [RevokeVoucher(row["code"], reason)]
    reward = reward_by_key(context.programme, row["reward"]) if row["reward"] else None
    if row["cost"] and reward is not None and reward.stock is not None:
        effects.append(TakeStock(reward.key, -1))
    paid = row["entry_key"]
    if points_back and row["cost"] and paid and loyalty.by_key(context.conn, f"undo:{paid}") is None:
        end = points_end(context.programme, context.now)
        effects.append(AddEntry("reverse", row["cost"], f"undo:{paid}", reason, expires_at=end, reverses=paid))
    return effects


def _names(programme: Programme, reward: str | None, name: str) -> Mapping[str, str]:
    """Return what the voucher says it is good for, by language."""
    if reward is not None:
        known = reward_by_key(programme, reward)
        if known is None:
            raise NotPossible("The programme has no such reward any more.")
        return known.names
    words = " ".join(name.split())
    if not words or len(words) > LONGEST_NAME:
        raise NotPossible("Say what the voucher is good for, in at most {most} characters.", most=LONGEST_NAME)
    return {"en": words}


def _voucher(conn: Connection, typed: str) -> Row:
    row = by_typed_code(conn, typed)
    if row is None:
        raise NotPossible("There is no voucher {code}.", code=normal(typed)[:20] or "–")
    return row


def _is_repeated(conn: Connection, actor: Actor, row: Row, key: str) -> bool:
    """Say whether this very form used the voucher a moment ago."""
    if not key or row["redeemed_by"] != actor.label:
        return False
    done = audit.find(
        conn, customer_id=row["customer_id"], action="voucher.redeemed", since=row["redeemed_at"], limit=20
    )
    return any(each["detail"] == {"voucher": str(row["id"]), "key": key[:100]} for each in done)


def _not_good(held: Held, programme: Programme, now: datetime) -> NotPossible:
    """Return why a voucher is not good, with when and by whom."""
    if held.status == "redeemed" and held.redeemed_at is not None:
        at = told(held.redeemed_at, programme, now)
        return NotPossible(
            "{code} was used at {time} by {name}.", code=held.code, time=at, name=held.redeemed_by or "–"
        )
    if held.status == "revoked":
        return NotPossible("{code} was taken back: {reason}.", code=held.code, reason=held.reason or "–")
    return NotPossible("{code} was good until {time}.", code=held.code, time=told(held.ends_at, programme, now))

"""A masked copy of a customer: the row itself under other names, in a transaction that is rolled back.

What flows decide by stays: points, tiers, tags, answers picked from a list, the hour where the customer is. What tells
who it is goes: name, number, e-mail, birthday, own words, and every code somebody could use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from itertools import count
from typing import Any

from sqlalchemy import Connection

from bot.catalog import Book
from bot.desk.actor import NotPossible
from bot.engine.offers import ALPHABET
from bot.gate.recipients import REGION
from bot.phone import zones
from storage import conversations, customers, handsets, timers, vouchers
from storage.rows import Row

NAME = "Robin"  #: what the copy is called
EMAIL = "robin@example.com"
BIRTHDAY = date(1990, 5, 1)
WORDS = "something"  #: stands in the place of the customer's own words
_AREAS = ("201", "212", "646")
_KEPT = frozenset({REGION, "language_heard"})  #: attributes of the house's own, from lists


def mask(conn: Connection, book: Book, row: Row, seed: bytes) -> str:
    """Turn a locked customer into a copy and return its number; the same seed gives the same codes."""
    number = _number(conn, row["phone"])
    codes = _mask_vouchers(conn, row["id"], seed)
    veil = _Veil(codes, _words_of(book))
    copy: dict[str, Any] = {
        "phone": number,
        "name": row["name"] and NAME,
        "email": row["email"] and EMAIL,
        "birthday": row["birthday"] and BIRTHDAY,
        "referral_code": row["referral_code"] and _fresh(row["referral_code"], seed, _refers(conn)),
        "attributes": {
            key: value if key in _KEPT else veil.over(value) for key, value in (row["attributes"] or {}).items()
        },
        "zone": row["zone"] or _only_zone(row["phone"]),
        "held_by": None,
        "held_until": None,
    }
    customers.change(conn, [(row["id"], copy)])
    open_ones = conversations.open_of(conn, [row["id"]]).get(row["id"], [])
    conversations.update(conn, [{**place, "slots": veil.over(place["slots"])} for place in open_ones])
    timers.reword(conn, [(timer["id"], veil.over(timer["slots"])) for timer in timers.of(conn, row["id"])])
    return number


class _Veil:
    """Puts other words over what a customer said, and leaves what was picked from a list."""

    def __init__(self, codes: Mapping[str, str], known: frozenset[str]) -> None:
        self._codes = codes
        self._known = known

    def over(self, value: Any) -> Any:
        """Return a value as the copy has it."""
        if isinstance(value, Mapping):
            return {key: self.over(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.over(part) for part in value]
        if not isinstance(value, str) or value in self._known:
            return value
        return self._codes.get(value) or (BIRTHDAY.isoformat() if _is_day(value) else WORDS)


def _words_of(book: Book) -> frozenset[str]:
    """Return the words that are keys in the shop's own files: nobody's own."""
    asks = [state.ask for flow in book.flows.values() for state in flow.states.values() if state.ask is not None]
    options = {option.key for ask in asks for option in ask.options}
    rewards = {reward.key for reward in book.programme.rewards}
    return frozenset({"", "yes", "no", *book.programme.shop.languages, *options, *rewards})


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _mask_vouchers(conn: Connection, customer_id: int, seed: bytes) -> dict[str, str]:
    """Give every voucher another code of the same form; return which stands for which."""
    codes: dict[str, str] = {}

    def taken(code: str) -> bool:
        return code in codes.values() or vouchers.by_code(conn, code) is not None

    for voucher in vouchers.of(conn, [customer_id]).get(customer_id, []):
        codes[voucher["code"]] = _fresh(voucher["code"], seed, taken)
    vouchers.recode(conn, codes)
    return codes


def _refers(conn: Connection) -> Callable[[str], bool]:
    return lambda code: customers.by_referral_code(conn, code) is not None


def _fresh(code: str, seed: bytes, taken: Callable[[str], bool]) -> str:
    """Return another code of the same form that nobody has: a letter or digit for each, the rest as it is."""
    for attempt in count():
        number = int.from_bytes(blake2b(f"{attempt}:{code}".encode(), key=seed).digest(), "big")
        letters = []
        for letter in code:
            number, place = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[place] if letter.isalnum() else letter)
        found = "".join(letters)
        if found != code and not taken(found):
            return found
        if attempt == 100:  # a form so short that all its codes are taken
            code += "-X"
    raise AssertionError("it counts for ever")


def _number(conn: Connection, phone: str) -> str:
    """Return a number kept for fiction (NANPA: 555-0100 to 555-0199), in the customer's own area where there is one."""
    own = (phone[2:5],) if phone.startswith("+1") and len(phone) == 12 else ()
    candidates = [f"+1{area}55501{line:02d}" for area in (*own, *_AREAS) for line in range(100)]
    taken = handsets.taken(conn, candidates)
    number = next((each for each in candidates if each not in taken), None)
    if number is None:
        raise NotPossible("Every number kept for trying is taken.")
    return number


def _only_zone(phone: str) -> str | None:
    """Return the zone a number tells, when it tells one: the copy's number may lie elsewhere."""
    found: Sequence[str] = zones(phone)
    return found[0] if len(found) == 1 else None

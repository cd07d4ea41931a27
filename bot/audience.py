"""Audiences: the predicate that a guard asks of one customer, asked of all of them in SQL.

`select_customers` and `bot.engine.guards.holds` answer alike on SQLite and PostgreSQL; a property test
holds them to it. What a customer's row cannot answer (FACTS with `in_segments=False`) is an AudienceError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import ceil, floor, isfinite
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from bot.engine.guards import FACTS, All, Ask, Not, Predicate
from bot.engine.variant import PRIME, mixers
from bot.errors import RegularsError
from storage import documents
from storage.columns import Moment
from storage.customers import customers
from storage.vouchers import ISSUED, vouchers

Condition = ColumnElement[bool]

_LARGEST = 2**63 - 1
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)


class AudienceError(RegularsError):
    """This cannot be asked of all customers."""


def select_customers(predicate: Predicate | None, now: datetime, after_id: int = 0, limit: int = 1000) -> Select[int]:
    """Return the query for the ids of customers a predicate holds for, in the order of ids, a page at a time.

    Raises AudienceError, naming the fact, for what only a conversation knows and for questions that the
    flow language does not have either.
    """
    return (
        select(customers.c.id)
        .where(customers.c.id > after_id, condition(predicate, now))
        .order_by(customers.c.id)
        .limit(limit)
    )


def count_customers(predicate: Predicate | None, now: datetime) -> Select[int]:
    """Return the query for how many customers a predicate holds for. Raises as `select_customers` does."""
    return select(func.count()).select_from(customers).where(condition(predicate, now))


def condition(predicate: Predicate | None, now: datetime) -> Condition:
    """Return a predicate as a condition on `customers`; NULL counts as false. No predicate is true."""
    if predicate is None:
        return true()
    if isinstance(predicate, Ask):
        return _ask(predicate, now)
    if isinstance(predicate, Not):
        return not_(func.coalesce(condition(predicate.part, now), false()))
    parts = [condition(part, now) for part in predicate.parts]
    return and_(true(), *parts) if isinstance(predicate, All) else or_(false(), *parts)


def _ask(ask: Ask, now: datetime) -> Condition:
    fact = FACTS.get(ask.fact)
    if fact is None:
        raise AudienceError(f"unknown fact {ask.fact!r}")
    if not fact.in_segments:
        raise AudienceError(f"{ask.fact!r} is only known inside a conversation")
    try:
        return _ASKED[ask.fact](ask, now)
    except (ValueError, OverflowError) as error:
        raise AudienceError(f"{ask.fact!r} cannot be asked that: {error}") from error


def _cannot(ask: Ask) -> AudienceError:
    return AudienceError(f"{ask.fact!r} cannot be asked {ask.operator!r} of all customers")


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (tuple, list, set, frozenset)) else (value,)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _as_number(value: Any) -> Decimal | None:
    """Return a number, also of text that is one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        return Decimal(str(value)) if isfinite(value) else None
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _presence(ask: Ask, present: Condition) -> Condition | None:
    """Answer `known` and `never`; None for another operator."""
    if ask.operator == "known":
        return present if ask.value else not_(present)
    if ask.operator == "never":
        return present if ask.value is False else not_(present)
    return None


# Facts


def _word(column: Column[Any]) -> Callable[[Ask, datetime], Condition]:
    def compiled(ask: Ask, _now: datetime) -> Condition:
        answer = _presence(ask, and_(column.is_not(None), column != ""))
        if answer is not None:
            return answer
        if ask.operator not in ("is", "one_of"):
            raise _cannot(ask)
        words: list[str] = [word for word in map(_as_text, _each(ask.value)) if word]
        return column.in_(words) if words else false()

    return compiled


def _consent(ask: Ask, _now: datetime) -> Condition:
    """Compare with literals: a parameter would keep the partial indexes from being used."""
    if ask.operator not in ("is", "one_of"):
        raise _cannot(ask)
    known = ("none", "pending", "subscribed", "unsubscribed")
    wanted = set(map(_as_text, _each(ask.value)))
    words = [word for word in known if word in wanted]
    return or_(false(), *(customers.c.consent == literal_column(f"'{word}'") for word in words))


def _number(expression: ColumnElement[Any]) -> Callable[[Ask, datetime], Condition]:
    def compiled(ask: Ask, _now: datetime) -> Condition:
        if ask.operator in ("is", "one_of"):
            wanted = [number for number in map(_whole, _each(ask.value)) if number is not None]
            return expression.in_([literal(number, BigInteger) for number in wanted]) if wanted else false()
        if ask.operator not in ("at_least", "at_most"):
            raise _cannot(ask)
        limit = _as_number(ask.value)
        if limit is None:
            return false()
        if ask.operator == "at_least":
            return expression >= literal(ceil(limit), BigInteger) if abs(limit) < _LARGEST else _constant(limit < 0)
        return expression <= literal(floor(limit), BigInteger) if abs(limit) < _LARGEST else _constant(limit > 0)

    return compiled


def _constant(holds: bool) -> Condition:
    return true() if holds else false()


def _whole(value: Any) -> int | None:
    """Return the whole number a value is equal to, None when there is none a row could hold."""
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    number = _as_number(value)
    return int(number) if number is not None and number == int(number) and abs(number) <= _LARGEST else None


def _tag(ask: Ask, _now: datetime) -> Condition:
    if ask.operator not in ("is", "one_of"):
        raise _cannot(ask)
    return or_(false(), *(documents.has_word(customers.c.tags, _as_text(word)) for word in _each(ask.value)))


def _moment(column: Column[Any]) -> Callable[[Ask, datetime], Condition]:
    def compiled(ask: Ask, now: datetime) -> Condition:
        answer = _presence(ask, column.is_not(None))
        if answer is not None:
            return answer
        if ask.operator not in ("before", "after"):
            raise _cannot(ask)
        limit = _limit(ask, now)
        if limit is None:
            return false()
        if isinstance(limit, datetime):
            edge = literal(limit, Moment())
            return column < edge if ask.operator == "before" else column > edge
        if ask.operator == "before":
            return column < literal(_midnight(limit), Moment())
        return column >= literal(_midnight(limit + timedelta(days=1)), Moment()) if limit < date.max else false()

    return compiled


def _birthday(ask: Ask, now: datetime) -> Condition:
    column = customers.c.birthday
    answer = _presence(ask, column.is_not(None))
    if answer is not None:
        return answer
    if ask.operator not in ("before", "after"):
        raise _cannot(ask)
    limit = _limit(ask, now)
    if limit is None:
        return false()
    day = limit.astimezone(UTC).date() if isinstance(limit, datetime) else limit
    return column < day if ask.operator == "before" else column > day


def _limit(ask: Ask, now: datetime) -> datetime | date | None:
    """Return the moment or day to compare with: an age counts back from now; text is read as ISO."""
    value = ask.value
    if isinstance(value, timedelta):
        return now - value
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value if isinstance(value, date) else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _attribute(ask: Ask, _now: datetime) -> Condition:
    document, key = customers.c.attributes, ask.key or ""
    answer = _presence(ask, documents.is_known(document, key))
    if answer is not None:
        return answer
    if ask.operator in ("is", "one_of"):
        return documents.is_any(document, key, [one for value in _each(ask.value) for one in _wanted(value)])
    if ask.operator == "at_least" or ask.operator == "at_most":
        limit = _as_number(ask.value)
        return false() if limit is None else documents.is_on_side(document, key, ask.operator, limit)
    raise _cannot(ask)


def _wanted(value: Any) -> list[documents.Wanted]:
    """Return all that a stored value may be to count as the same: numbers compare as numbers, else as text."""
    text = _as_text(value)
    if isinstance(value, bool):
        return [documents.Wanted(value), documents.Wanted(text)]
    if isinstance(value, (int, float, Decimal)):
        number = _as_number(value)
        return [documents.Wanted(text)] + ([documents.Wanted(number)] if number is not None else [])
    found = [documents.Wanted(text)] if text else []
    if text in ("true", "false"):
        found.append(documents.Wanted(text == "true"))
    elif _WHOLE.fullmatch(text):
        found.append(documents.Wanted(Decimal(text), "whole"))
    elif _is_written_float(text):
        found.append(documents.Wanted(Decimal(text), "fraction"))
    return found


def _is_written_float(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return isfinite(number) and repr(number) == text


def _voucher(ask: Ask, now: datetime) -> Condition:
    if ask.operator not in ("is", "one_of"):
        raise _cannot(ask)
    usable = exists().where(
        vouchers.c.customer_id == customers.c.id,
        vouchers.c.status == ISSUED,
        vouchers.c.ends_at > literal(now, Moment()),
    )
    words = set(map(_as_text, _each(ask.value)))
    return or_(false(), *([usable] if "true" in words else []), *([not_(usable)] if "false" in words else []))


def _variant(ask: Ask, now: datetime) -> Condition:
    """Compute `bot.engine.variant.variant_of` in SQL. All products stay below 2^62."""
    first, second, third, fourth = (literal_column(str(number), BigInteger) for number in mixers(ask.key or ""))
    prime = literal_column(str(PRIME), BigInteger)
    mixed: ColumnElement[int] = (customers.c.id % prime * first + second) % prime
    mixed = (mixed * mixed + third) % prime
    mixed = (mixed * mixed + fourth) % prime
    return _number(mixed % literal_column("100", BigInteger) + literal_column("1", BigInteger))(ask, now)


_ASKED: Mapping[str, Callable[[Ask, datetime], Condition]] = {
    "consent": _consent,
    "points": _number(customers.c.points),
    "tier": _word(customers.c.tier),
    "tag": _tag,
    "language": _word(customers.c.language),
    "name": _word(customers.c.name),
    "email": _word(customers.c.email),
    "birthday": _birthday,
    "frequency": _word(customers.c.frequency),
    "purchases": _number(customers.c.purchases),
    "spent": _number(customers.c.spent_minor),
    "last_purchase": _moment(customers.c.last_purchase_at),
    "joined": _moment(customers.c.joined_at),
    "attribute": _attribute,
    "voucher": _voucher,
    "variant": _variant,
}

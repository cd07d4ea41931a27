"""A customer's profile as staff see and change it, with its history."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.desk.actor import Actor, NotPossible, Role, note
from bot.desk.deed import deed
from bot.engine.calendar import zone_named
from bot.engine.conversation import Customer
from bot.engine.programme import Programme
from bot.places import zones_of_region
from bot.rules import states
from storage import profile_changes
from storage.rows import Row

LONGEST_NAME = 80
MOST_TAGS = 50
_LONGEST_VALUE = 500
_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}", re.ASCII)  # as flows write tags and attributes
_EMAIL = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@.,;<>\"]+")
_BIRTHDAY = re.compile(r"(?:\d{4}-)?(\d{2})-(\d{2})", re.ASCII)
_LEAP_YEAR = 2000  #: birthdays are kept without their year; this one has a 29 February
REGION = "region"  #: the attribute with the place of a known address, which says whose law counts

#: Who may change what. Marketing sorts people; who they are is for those who talk with them.
EDITABLE: Mapping[Role, frozenset[str]] = {
    "support": frozenset(
        {"name", "birthday", "email", "language", "zone", "region", "frequency", "tags", "attributes"}
    ),
    "marketer": frozenset({"tags", "attributes"}),
    "manager": frozenset(
        {"name", "birthday", "email", "language", "zone", "region", "frequency", "tags", "attributes"}
    ),
    "admin": frozenset({"name", "birthday", "email", "language", "zone", "region", "frequency", "tags", "attributes"}),
}


def change(
    engine: Engine,
    programme: Programme,
    actor: Actor,
    customer_id: int,
    typed: Mapping[str, str],
    attributes: Mapping[str, str],
    seen: int,
    now: datetime,
) -> list[str]:
    """Change what was typed and is different now; return the names of the fields that changed.

    `typed` has fields of EDITABLE as words (tags separated by commas); `attributes` the shop's own by name, where
    nothing removes one. `seen` is the newest change of the page that was filled in: when there is a newer one
    nothing is saved. Raises NotPossible for what cannot be a value, in words that say how it has to look.
    """
    values = {field: _READ[field](words, programme) for field, words in typed.items()}
    _check_allowed(actor, {*values, *(("attributes",) if attributes else ())})
    with deed(engine, programme, customer_id, actor.staff_id, now) as context:
        if newest(context.conn, customer_id) != seen:
            raise NotPossible("Somebody changed this profile meanwhile. Nothing was saved; look at it again.")
        wanted = _columns(context.customer, values, attributes)
        if not wanted:
            return []
        context.change().update(wanted)
        fields = sorted({*wanted} - {"language_chosen", "local_zone"})
        note(context.conn, actor, "profile.changed", now, customer_id, fields=fields)
        return fields


def newest(conn: Connection, customer_id: int) -> int:
    """Return the id of the newest change of a profile, 0 when there is none."""
    found = profile_changes.of(conn, customer_id, 1)
    return int(found[0]["id"]) if found else 0


def birthday_words(birthday: date | None) -> str:
    """Return a birthday as it is typed: `03-14`."""
    return birthday.strftime("%m-%d") if birthday is not None else ""


def attribute_words(value: Any) -> str:
    """Return an attribute as it is typed: a list by commas, yes and no for truth."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _check_allowed(actor: Actor, fields: set[str]) -> None:
    if not fields <= EDITABLE[actor.role]:
        raise NotPossible("Your role may not change this part of a profile.")


def _columns(customer: Customer, values: Mapping[str, Any], typed: Mapping[str, str]) -> Row:
    """Return the columns that will be different."""
    wanted: dict[str, Any] = {}
    for field, value in values.items():
        if field == "tags":
            _check_tags(set(value) - customer.tags, len(value))
            if set(value) != customer.tags:
                wanted["tags"] = value
        elif field != REGION and value != getattr(customer, field):
            wanted[field] = value
    if "language" in wanted:
        wanted["language_chosen"] = True
    attributes = _attributes(customer.attributes, typed, values)
    if attributes != customer.attributes:
        wanted["attributes"] = attributes
    if "zone" in wanted or attributes.get(REGION) != customer.attributes.get(REGION):
        wanted["local_zone"] = None  # it is found anew
    return wanted


def _attributes(before: Mapping[str, Any], typed: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(before)
    named = {name: _value(name, words, before.get(name)) for name, words in typed.items()}
    if REGION in values:
        named[REGION] = values[REGION]
    for name, value in named.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = value
    return after


def _value(name: str, words: str, before: Any) -> Any:
    """Return an attribute's value; what was a number, a truth or a list stays one."""
    words = words.strip()
    if before is None and not _WORD.fullmatch(name):
        raise NotPossible(
            "An attribute is named in small letters, digits and _, such as milk: {name} is not.", name=name
        )
    if len(words) > _LONGEST_VALUE:
        raise NotPossible("{name} has at most {most} characters.", name=name, most=_LONGEST_VALUE)
    if words == attribute_words(before):
        return before
    if not words:
        return None
    if isinstance(before, bool):
        if words.lower() not in _TRUTH:
            raise NotPossible("{name} is yes or no.", name=name)
        return _TRUTH[words.lower()]
    if isinstance(before, int | float):
        try:
            number = int(words) if words.lstrip("-").isdigit() else float(words)
            if not isfinite(number):
                raise ValueError  # JSON has no such numbers
            return number
        except (ValueError, OverflowError):
            raise NotPossible("{name} is a number, such as 3 or 4.5.", name=name) from None
    if isinstance(before, list):
        return [part.strip() for part in words.split(",") if part.strip()]
    return words


_TRUTH = {"yes": True, "no": False, "sí": True, "si": True, "true": True, "false": False}


def _name(words: str, programme: Programme) -> str | None:
    name = " ".join(words.split())
    if len(name) > LONGEST_NAME:
        raise NotPossible("A name has at most {most} characters.", most=LONGEST_NAME)
    return name or None


def _birthday(words: str, programme: Programme) -> date | None:
    if not words.strip():
        return None
    found = _BIRTHDAY.fullmatch(words.strip())
    try:
        if found is not None:
            return date(_LEAP_YEAR, int(found[1]), int(found[2]))
    except ValueError:
        pass
    raise NotPossible("A birthday looks like 03-14 (month and day); {typed} does not.", typed=words.strip())


def _email(words: str, programme: Programme) -> str | None:
    email = words.strip()
    if email and (len(email) > 254 or not _EMAIL.fullmatch(email)):
        raise NotPossible("{typed} is no e-mail address; one looks like ana@example.com.", typed=email)
    return email or None


def _language(words: str, programme: Programme) -> str:
    spoken = programme.shop.languages
    if words not in spoken:
        raise NotPossible("The shop speaks {languages}.", languages=", ".join(spoken))
    return words


def _zone(words: str, programme: Programme) -> str | None:
    zone = words.strip()
    if zone and zone_named(zone) is None:
        raise NotPossible("{typed} is no time zone; one looks like America/New_York.", typed=zone)
    return ZoneInfo(zone).key if zone else None


def _region(words: str, programme: Programme) -> str | None:
    region = words.strip().upper()
    country, _, state = region.partition("-")
    if region and (not zones_of_region(region) or (country == "US" and state and state not in states())):
        raise NotPossible("{typed} is no state or country; they look like US-TX or FR.", typed=region)
    return region or None


def _frequency(words: str, programme: Programme) -> str:
    if words not in ("normal", "less"):
        raise NotPossible("Marketing comes as usual, or less often.")
    return words


def _tags(words: str, programme: Programme) -> list[str]:
    return sorted({tag.strip() for tag in words.split(",") if tag.strip()})


def _check_tags(new: set[str], count: int) -> None:
    for tag in sorted(new):
        if not _WORD.fullmatch(tag):
            raise NotPossible("A tag is in small letters, digits and _, such as vip: {tag} is not.", tag=tag)
    if count > MOST_TAGS:
        raise NotPossible("A customer has at most {most} tags.", most=MOST_TAGS)


_READ: Mapping[str, Callable[[str, Programme], Any]] = {
    "name": _name,
    "birthday": _birthday,
    "email": _email,
    "language": _language,
    "zone": _zone,
    "region": _region,
    "frequency": _frequency,
    "tags": _tags,
}

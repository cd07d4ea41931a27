"""Phone numbers: E.164 inside, national format for display, masked in logs."""

from __future__ import annotations

import re

import phonenumbers

from bot.places import zones_of

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def person(address: str) -> str | None:
    """Return the E.164 number a text came from, or None for short codes, names and prefixed addresses.

    Twilio gives people's numbers in E.164 already; anything else (`72975`, `ACME`, `whatsapp:+1...`)
    cannot hold an SMS conversation.
    """
    address = address.strip()
    return address if _E164.fullmatch(address) else None


def parse(text: str, country: str) -> str | None:
    """Return what a person typed (`201 555 0123`) as E.164, or None when it is no possible number."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def display(number: str, country: str = "US") -> str:
    """Return a number as people of `country` write it."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    same = phonenumbers.region_code_for_number(parsed) == country
    style = phonenumbers.PhoneNumberFormat.NATIONAL if same else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(parsed, style)


def mask(address: str) -> str:
    """Return an address fit for a log: `+120*****23`."""
    if len(address) <= 4:
        return "*" * len(address)
    keep = 4 if address.startswith("+") else 2
    return address[:keep] + "*" * max(1, len(address) - keep - 2) + address[-2:]


def zones(number: str, known: str | None = None, fallback: str = "UTC") -> tuple[str, ...]:
    """Return every tz database zone the customer may be in: the known one, else all that the number allows.

    Numbers are portable, so a zone by number is a guess; callers must be allowed in all of them. `fallback`
    stands for numbers that belong to no country.
    """
    if known:
        return (known,)
    return zones_of(number) or (fallback,)

"""Where a customer may be, and whose law then counts. A number is a guess; an address is known.

Numbers are portable, so every place that a number allows counts, not the likeliest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

import phonenumbers
from babel.core import get_global
from phonenumbers import timezone as phone_zones

from bot.rules import also_in, mainland, state_of_area_code, states

UNKNOWN_STATE = "US-??"
_UNKNOWN_ZONE = "Etc/Unknown"
_NO_COUNTRY = ("001", "ZZ")  # numbers that belong to the whole world, or to nobody
_AMERICA = 1  #: country code of the United States, Canada and much of the Caribbean
_EXCHANGE = len("+12015550")  # as far as phonenumbers tells zones apart in North America


def zones_of(number: str) -> tuple[str, ...]:
    """Return every tz database zone that an E.164 number may be in; none for one that belongs to no country.

    Toll-free numbers give all of North America. Where phonenumbers knows no zone (`Etc/Unknown`) it is every
    zone of the countries with that code; where it knows only the first of two, `bot/rules` adds the second.
    """
    return _zones(number[: _EXCHANGE - 1] + "0" * max(0, len(number) - _EXCHANGE + 1) if _american(number) else number)


def likely_zones_of(number: str) -> tuple[str, ...]:
    """Return where to presume a number that may be anywhere: on the mainland for North America, else `zones_of`."""
    zones = zones_of(number)
    return mainland() if set(mainland()) < set(zones) else zones


def region_of(number: str) -> str | None:
    """Return whose law counts for a number: `US-TX`, `US-??` for an unknown state, `FR`; None when nobody knows."""
    if _american(number) and (state := state_of_area_code().get(int(number[2:5]))) is not None:
        return f"US-{state}"
    return _country(number)


def zones_of_region(region: str) -> tuple[str, ...]:
    """Return every zone of a known address's country or state (`US-TX`, `FR`)."""
    country, _, state = region.partition("-")
    if country == "US" and state in states():
        return states()[state].zones
    return _zones_by_country().get(country, ())


@cache
def country_of_zone() -> Mapping[str, str]:
    """Return the country of each zone of the tz database."""
    return dict(get_global("zone_territories"))


def _american(number: str) -> bool:
    return number.startswith("+1") and len(number) == 12 and number[1:].isdigit()


@lru_cache(maxsize=16_384)
def _zones(number: str) -> tuple[str, ...]:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return ()
    found = _told(number)
    country = phonenumbers.region_code_for_number(parsed)
    if parsed.country_code == _AMERICA and country not in (None, "US", "CA"):
        found = list(_zones_by_country().get(country, found))  # phonenumbers gives Jamaica all of North America
    if not found:
        found = _zones_by_code(parsed.country_code or 0)
    if _american(number) and (code := int(number[2:5])) in also_in():
        found += (*_told(f"+1{code}5550123"), *also_in()[code])  # an exchange may be listed with one zone only
    return tuple(dict.fromkeys(found))


def _told(number: str) -> list[str]:
    """Return the zones that phonenumbers knows of a number."""
    zones = phone_zones.time_zones_for_number(phonenumbers.parse(number, None))
    return [zone for zone in zones if zone != _UNKNOWN_ZONE]


def _zones_by_code(code: int) -> list[str]:
    if code == _AMERICA:
        return _told("+18005550123")
    countries = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    named = [country for country in countries if country not in _NO_COUNTRY]
    return [zone for country in named for zone in _zones_by_country().get(country, ())]


@lru_cache(maxsize=16_384)
def _country(number: str) -> str | None:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    country = phonenumbers.region_code_for_number(parsed)
    if country == "US" or (country is None and parsed.country_code == _AMERICA):
        return UNKNOWN_STATE
    return None if country in _NO_COUNTRY else country


@cache
def _zones_by_country() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for zone, country in sorted(country_of_zone().items()):
        found.setdefault(country, []).append(zone)
    return {country: tuple(zones) for country, zones in found.items()}

"""How one shop says numbers, money, dates and times in one language.

Babel's special spaces (before AM, in French and Polish numbers) and marks (in Arabic) would turn a
text into UCS-2 and more than double its price; they are replaced by plain ones here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_skeleton, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision

from bot.engine.encoding import fold

Number = int | float | Decimal

_PLAIN = str.maketrans(
    {
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u200e": None,
        "\u200f": None,
        "\u061c": None,
        "\u2212": "-",
        "\u2019": "'",
    }
)
_SKELETONS = {None: "MMMd", "short": "MMMd", "medium": "yMMMd", "weekday": "MMMEd"}
_POINTS = {
    "en": ("point", "points"),
    "es": ("punto", "puntos"),
    "fr": ("point", "points"),
    "de": ("Punkt", "Punkte"),
    "pt": ("ponto", "pontos"),
}


@dataclass(frozen=True, slots=True)
class Formats:
    """What the shop's place decides: an ISO 4217 currency and a tz database zone."""

    currency: str
    zone: str


def plain(text: str) -> str:
    """Replace special spaces, marks and signs that only cost segments."""
    return text if text.isascii() else text.translate(_PLAIN)


class Voice:
    """A language in a shop's formats. Get one from `voice()`, which keeps them."""

    __slots__ = ("currency", "language", "locale", "zone")

    def __init__(self, language: str, formats: Formats) -> None:
        locale = _find(language, formats.zone)
        self.locale = str(locale)
        self.language = locale.language
        self.currency = formats.currency
        self.zone = ZoneInfo(formats.zone)

    def number(self, value: Number) -> str:
        """`1234` -> `1,234` in English, `1.234` in German."""
        if type(value) is int and -1000 < value < 1000:
            return str(value)
        return _decimal(self.locale, value)

    def points(self, value: Number) -> str:
        """`1` -> `1 point`, `120` -> `120 points`."""
        one, other = _POINTS.get(self.language, _POINTS["en"])
        return f"{self.number(value)} {one if self.plural(value) == 'one' else other}"

    def plural(self, value: Number, ordinal: bool = False) -> str:
        """Return the plural category of a number: `one`, `few`, `other` ..."""
        return _ordinal(self.locale, value) if ordinal else _plural(self.locale, value)

    def money(self, minor: Number) -> str:
        """`450` minor units -> `$4.50`."""
        return _money(self.locale, self.currency, minor)

    def day(self, value: date | datetime | str, style: str | None = None) -> str:
        """`2026-11-29` -> `Nov 29`, `29 nov`; a moment is taken in the shop's zone. No date: as it is."""
        day = self._day(value)
        return _date(self.locale, day, style) if day is not None else str(value)

    def clock(self, value: datetime | time | str) -> str:
        """`15:05` -> `3:05 PM`, `15:05`; a moment is taken in the shop's zone. No time: as it is."""
        shown: Any = (_moment(value) or _clock(value)) if isinstance(value, str) else value
        if isinstance(shown, datetime):
            shown = _aware(shown).astimezone(self.zone).time()
        return _time(self.locale, shown.replace(tzinfo=None)) if isinstance(shown, time) else str(value)

    def _day(self, value: Any) -> date | None:
        if isinstance(value, str):
            value = _iso_date(value) or _moment(value)
        if isinstance(value, datetime):
            return _aware(value).astimezone(self.zone).date()
        return value if isinstance(value, date) else None


@lru_cache(maxsize=256)
def voice(language: str, formats: Formats) -> Voice:
    """Return the voice for a language (`en`, `es`, `es-MX`); an unknown language speaks English."""
    return Voice(language, formats)


def _find(language: str, zone: str) -> Locale:
    """Find the locale: the language as it is spoken where the zone lies, so that a US shop's Spanish has `$4.50`."""
    name = language.replace("-", "_")
    territory = get_global("zone_territories").get(zone)
    for candidate in (f"{name}_{territory}", name, name.split("_")[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")


@lru_cache(maxsize=64)
def _locale(name: str) -> Locale:
    return Locale.parse(name)


@lru_cache(maxsize=8192)
def _plural(locale: str, value: Number) -> str:
    return str(_locale(locale).plural_form(value))


@lru_cache(maxsize=2048)
def _ordinal(locale: str, value: Number) -> str:
    return str(_locale(locale).ordinal_form(value))


@lru_cache(maxsize=8192)
def _decimal(locale: str, value: Number) -> str:
    return plain(format_decimal(value, locale=_locale(locale)))


@lru_cache(maxsize=8192)
def _money(locale: str, currency: str, minor: Number) -> str:
    amount = Decimal(minor).scaleb(-get_currency_precision(currency))
    return plain(format_currency(amount, currency, locale=_locale(locale)))


@lru_cache(maxsize=4096)
def _date(locale: str, day: date, style: str | None) -> str:
    return fold(plain(format_skeleton(_SKELETONS[style], day, locale=_locale(locale))))


@lru_cache(maxsize=2048)
def _time(locale: str, clock: time) -> str:
    return fold(plain(format_time(clock, "short", locale=_locale(locale))))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _iso_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if len(text) > 10 else None
    except ValueError:
        return None


def _clock(text: str) -> time | None:
    try:
        return time.fromisoformat(text)
    except ValueError:
        return None

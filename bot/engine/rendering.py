"""A template and values in, the words for one customer out.

Values are data: they are written out and never read as templates. Customers choose their own names,
so every value is cleaned of control characters, lines and invisible marks, and cut at a limit. Only the
shop's own words (`wording.X`, `shop.X`) are kept as they are: a consent wording must be shown whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from math import isfinite
from typing import Any

from bot.engine.encoding import utf16_units
from bot.engine.template import TEXT_LIMIT, VALUE_LIMIT, Branch, Field, Template
from bot.engine.voice import Formats, Number, Voice, voice
from bot.errors import FlowError

_SHRINKING = (160, 80, 40, 20, 10)
_hidden = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]").sub
_unprintable = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").sub

_whole = re.compile(r"-?\d{1,15}", re.ASCII).fullmatch
_fraction = re.compile(r"-?\d{1,15}\.\d{1,9}", re.ASCII).fullmatch


class MessageTooLong(FlowError):
    """A text is longer than 1600 characters even with its values cut short."""


class Rendered(str):
    """A text rendered before, used as a value (a question asked again): its lines are kept, its length is not cut."""

    __slots__ = ()


def render(template: Template, values: Mapping[str, Any], language: str, formats: Formats) -> str:
    """Write a text for one customer.

    `values` maps whole dotted names to values and is only asked (by `get`) for the names that are
    used. None, "" and an empty sequence are missing: they choose the option `none` of a select (else
    `other`), and are written as nothing. The answer has at most 1600 UTF-16 units: when it would be
    longer, the values are cut shorter and shorter; when that is not enough, MessageTooLong is raised.
    """
    parts = template.parts
    if not template.variables:
        return parts[0] if parts else ""
    speech = voice(language, formats)
    text = "".join(_pieces(parts, values, speech, VALUE_LIMIT))
    if len(text) * 2 <= TEXT_LIMIT or utf16_units(text) <= TEXT_LIMIT:
        return text
    for limit in _SHRINKING:
        text = "".join(_pieces(parts, values, speech, limit))
        if utf16_units(text) <= TEXT_LIMIT:
            return text
    raise MessageTooLong


def _pieces(parts: tuple[Any, ...], values: Mapping[str, Any], speech: Voice, limit: int) -> list[str]:
    pieces: list[str] = []
    for part in parts:
        if type(part) is str:
            pieces.append(part)
        elif type(part) is Field:
            pieces.append(written(part, values.get(part.name), speech, min(limit, part.limit)))
        else:
            pieces += _pieces(chosen(part, values.get(part.name), speech), values, speech, limit)
    return pieces


def written(field: Field, value: Any, speech: Voice, limit: int) -> str:
    if value is None or value == "":
        return ""
    kind = field.kind
    if kind != "text":
        if kind == "date":
            return _cleaned(speech.day(value, field.style), limit)
        if kind == "time":
            return _cleaned(speech.clock(value), limit)
        if kind == "list":
            return _lines(value, speech, limit)
        number = as_number(value)
        if number is not None:
            if kind == "points":
                return speech.points(number)
            return speech.money(number) if kind == "money" else speech.number(number - field.offset)
    if type(value) is str:
        return value if field.whole else _cleaned(value, limit)
    return _plain(value, speech, limit)


def _plain(value: Any, speech: Voice, limit: int) -> str:
    """Write a value whose placeholder has no type."""
    if isinstance(value, Rendered):
        return str(value)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = as_number(value)
        return "" if number is None else speech.number(number)
    if isinstance(value, date):
        return speech.day(value)
    if isinstance(value, time):
        return speech.clock(value)
    if _is_list(value):
        return _lines(value, speech, limit)
    return _cleaned(str(value), limit)


def _lines(value: Any, speech: Voice, limit: int) -> str:
    """Number a sequence of words, one a line: `1 Free latte`."""
    if isinstance(value, Rendered):
        return str(value)
    items = value if _is_list(value) else (value,)
    return "\n".join(f"{index} {_plain(item, speech, limit)}" for index, item in enumerate(items, 1))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _cleaned(text: str, limit: int) -> str:
    """Return one clean line: no control or direction characters, no half characters, at most `limit` long."""
    if not text.isprintable():
        text = " ".join(_unprintable(" ", _hidden("", text)).split())
    text = text.strip()
    return text if len(text) <= limit else text[: max(limit - 3, 1)].rstrip() + "..."


def chosen(branch: Branch, value: Any, speech: Voice) -> tuple[Any, ...]:
    """Return the text of the option that a value chooses."""
    options = branch.options
    if branch.kind == "select":
        chosen = options.get(_word(value))
    else:
        number = as_number(value)
        if number is None:
            return ()
        chosen = options.get(f"={number}")
        if chosen is None:
            chosen = options.get(speech.plural(number - branch.offset, branch.kind == "selectordinal"))
    return options["other"] if chosen is None else chosen


def _word(value: Any) -> str:
    """Return the option name a value stands for."""
    if value is None or value == "" or (_is_list(value) and not value):
        return "none"
    if value is True or value is False:
        return "true" if value else "false"
    return str(value).strip() or "none"


def as_number(value: Any) -> Number | None:
    """Return a number of at most 15 digits before the point, also of text that is one; None for anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        value = _from_digits(value.strip())
    if isinstance(value, int):
        return value if abs(value) < 10**15 else None
    if isinstance(value, float):
        value = Decimal(str(value)) if isfinite(value) else None
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) >= 10**15:
        return None
    return int(value) if value == int(value) else value


def _from_digits(text: str) -> Number | None:
    if _whole(text):
        return int(text)
    return Decimal(text) if _fraction(text) else None

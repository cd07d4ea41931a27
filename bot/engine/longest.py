"""The longest believable wording of a template, for the check that no text costs more than it should."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from bot.engine.encoding import fold, measure
from bot.engine.rendering import chosen, written
from bot.engine.template import VALUE_LIMIT, Branch, Field, Template
from bot.engine.voice import Formats, Voice, voice

#: characters of words, digits of numbers, characters of each line of a list
_LENGTHS: Mapping[str, int] = {
    "customer.name": 12,
    "customer.phone": 12,
    "customer.email": 24,
    "voucher.name": 20,
    "voucher.code": 9,
    "reward.name": 20,
    "next_reward.name": 20,
    "tier.name": 8,
    "next_tier.name": 8,
    "tier.perks": 40,
    "shop.name": 20,
    "shop.programme": 20,
    "shop.phone": 14,
    "shop.website": 20,
    "shop.terms": 28,
    "referral.code": 6,
    "invitation": 11,
    "question": 120,
    "undo_minutes": 2,
    "reward.cost": 4,
    "next_reward.cost": 4,
}
_NUMBERS = frozenset(
    {
        "points",
        "awarded",
        "undo_minutes",
        "reward.cost",
        "next_reward.cost",
        "next_reward.missing",
        "next_tier.missing",
        "expiring.points",
    }
)
_DATES = frozenset({"voucher.ends", "expiring.on", "customer.birthday"})
_LISTS = frozenset({"rewards", "all_rewards", "vouchers", "options"})
_LINES, _LINE, _WORD, _DIGITS, _MONEY_DIGITS, _AWARD_DIGITS, _WORDING = 5, 28, 12, 5, 6, 3, 160
_NUMERIC_KINDS = frozenset({"number", "points", "money", "plural", "selectordinal"})


def worst_case(
    template: Template,
    language: str,
    formats: Formats,
    lengths: Mapping[str, int] | None = None,
    known: Mapping[str, Any] | None = None,
    *,
    folded: bool = True,
) -> str:
    """Write the longest wording that may believably happen; it may be longer than a message can be.

    Of every plural and select the option that costs most is taken, after folding accents unless
    `folded` is False. Values that are the same for every customer (the shop's name, a wording) come
    from `known`; every other value is as long as `lengths` says (digits of a number, characters of
    each of a list's five lines), else as such values usually are: names 12 characters, points 5
    digits, voucher codes 9.
    """
    return _Longest(voice(language, formats), lengths or {}, known or {}, folded).text(template.parts, {})


@dataclass(frozen=True, slots=True)
class _Longest:
    speech: Voice
    lengths: Mapping[str, int]
    known: Mapping[str, Any]
    folded: bool

    def text(self, parts: tuple[Any, ...], chosen_values: Mapping[str, Any]) -> str:
        """Write parts; `chosen_values` are those that an option around them has settled."""
        return "".join(
            part
            if isinstance(part, str)
            else self._field(part, chosen_values)
            if isinstance(part, Field)
            else self._branch(part, chosen_values)
            for part in parts
        )

    def _field(self, field: Field, chosen_values: Mapping[str, Any]) -> str:
        settled = {**self.known, **chosen_values}
        if field.name in settled:
            return written(field, settled[field.name], self.speech, min(VALUE_LIMIT, field.limit))
        value = self._value(field.name, field.kind)
        if isinstance(value, date):
            days = range(22, 29) if field.style == "weekday" else range(28, 29)
            dates = (date(2026, month, day) for month in range(1, 13) for day in days)
            return max((self.speech.day(day, field.style) for day in dates), key=self._cost)
        return written(field, value, self.speech, field.limit)

    def _branch(self, branch: Branch, chosen_values: Mapping[str, Any]) -> str:
        settled = {**self.known, **chosen_values}
        if branch.name in settled:
            return self.text(chosen(branch, settled[branch.name], self.speech), chosen_values)
        return max(
            (
                self.text(option, {**chosen_values, **_settled_by(branch, selector)})
                for selector, option in branch.options.items()
            ),
            key=self._cost,
        )

    def _cost(self, text: str) -> tuple[bool, int]:
        cost = measure(fold(text) if self.folded else text)
        return cost.encoding == "UCS-2", cost.units

    def _value(self, name: str, kind: str) -> Any:
        length = self.lengths.get(name) or _LENGTHS.get(name)
        if kind in _NUMERIC_KINDS or (kind == "text" and (name in _NUMBERS or name.startswith("award."))):
            usual = _MONEY_DIGITS if kind == "money" else _AWARD_DIGITS if name.startswith("award.") else _DIGITS
            return int("8" * min(length or usual, 15))
        if kind == "date" or (kind == "text" and name in _DATES):
            return date(2026, 1, 28)
        if kind == "time":
            return time(12, 38)
        if kind == "list" or (kind == "text" and name in _LISTS):
            return ("x" * (length or _LINE),) * _LINES
        return "x" * (length or (_WORDING if name.startswith("wording.") else _WORD))


def _settled_by(branch: Branch, selector: str) -> Mapping[str, Any]:
    """Return what is known of the branch's value once the option is chosen."""
    if branch.kind == "select":
        return {} if selector == "other" else {branch.name: None if selector == "none" else selector}
    if selector.startswith("="):
        return {branch.name: int(selector[1:])}
    return {branch.name: 1 + branch.offset} if selector == "one" and branch.kind == "plural" else {}

"""The details of an audit entry as its page tells them: no ids of rows, people by name, words for keys and values.

The table as CSV and `python -m bot audit` keep everything as it was noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.console.language import _, _n
from bot.console.page import exact, number
from bot.desk import auditing
from bot.desk.explaining import DECISIONS

#: What only tells rows apart; the entry's own words and customer say the rest.
_IDS = frozenset(
    {
        "message",
        "voucher",
        "entry",
        "handoff",
        "note",
        "reply",
        "view",
        "lesson",
        "approval",
        "key",
        "record",
        "revision",
        "trial",
    }
)
_PEOPLE = frozenset({"to", "taken_from", "mentioned", "staff", "asked_by"})


def detail_words(detail: Any, names: Mapping[int, str]) -> str:
    """Return an entry's details in one line, in the page's language; `names` are those of the staff."""
    if not isinstance(detail, Mapping):
        return auditing.told(detail)
    told = (_part(name, value, names) for name, value in detail.items() if name not in _IDS)
    return ", ".join(words for words in told if words)


def _part(name: str, value: Any, names: Mapping[int, str]) -> str:
    if value is None or value is False or value == []:
        return ""
    if name in _PEOPLE:
        people = value if isinstance(value, list) else [value]
        return ", ".join(names.get(_id(each), str(each)) for each in people)
    words = _WORDS.get(name)
    if words is None:
        return auditing.told({name: value})
    return words(value)


def _id(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0


def _until(value: Any) -> str:
    try:
        return _("until {moment}", moment=exact(datetime.fromisoformat(str(value))))
    except ValueError:
        return str(value)


def _points(value: Any) -> str:
    return _("{points} points", points=f"{value:+,}") if isinstance(value, int) else str(value)


def _meant(value: Any) -> str:
    said = DECISIONS.get(str(value))
    return _(said.message) if said is not None else str(value)


def _role(value: Any) -> str:
    roles = {"support": _("Support"), "marketer": _("Marketing"), "manager": _("Manager"), "admin": _("Administrator")}
    return roles.get(str(value), str(value))


def _way(value: Any) -> str:
    ways = {
        "resume": _("Go on where it was"),
        "ask_again": _("Ask the question again"),
        "end": _("End the conversation"),
    }
    return ways.get(str(value), str(value))


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "points": _points,
    "minutes": lambda value: _n("for {count} minute", "for {count} minutes", int(value)),
    "days": lambda value: _n("good for {count} day", "good for {count} days", int(value)),
    "segments": lambda value: _n("{count} segment", "{count} segments", int(value)),
    "customers": lambda value: _n("{count} customer found", "{count} customers found", int(value)),
    "rows": lambda value: _n("{count} row", "{count} rows", sum(value.values())) if isinstance(value, Mapping) else "",
    "until": _until,
    "decision": _meant,
    "how": _way,
    "role": _role,
    "before": lambda value: _("before: {what}", what=_role(value)),
    "after": lambda value: _("now: {what}", what=_role(value)),
    "ran_out": lambda _value: _("the time had run out"),
    "unanswered": lambda value: _("unanswered: {what}", what=value if isinstance(value, bool) else number(value)),
    "shared": lambda _value: _("for everybody"),
    "opted_out": lambda _value: _("the old number is opted out"),
    "fields": lambda value: ", ".join(map(str, value)) if isinstance(value, list) else str(value),
    "form": str,
    "reward": str,
}

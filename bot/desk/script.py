"""What somebody tries on a copy of a customer: texts with their times and waits, as a browser or a form brings them."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.desk.actor import NotPossible

MOST_TEXTS = 20
LONGEST = 1_600
_OLDEST = timedelta(days=1)  #: a trial may have begun so long ago
_AHEAD = timedelta(minutes=5)  #: so much may a browser's clock go before ours
_FURTHEST = timedelta(days=400)
_SEED = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Text:
    """A text the copy sends."""

    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is said until the next thing happens by itself."""


@dataclass(frozen=True, slots=True)
class Script:
    """A trial: what was tried so far, when it began, the seed of its codes, and their newest message then."""

    steps: tuple[Text | Wait, ...]
    began: datetime
    seed: str
    stamp: int | None  #: None: it begins now

    @property
    def key(self) -> bytes:
        """Return the seed as bytes."""
        return bytes.fromhex(self.seed)


def read(wish: Any, now: datetime) -> Script:
    """Return a script from a browser's JSON. Raises NotPossible for what is none.

    `{"texts": [{"body": "BALANCE", "at": "2026-03-02T17:00:00Z"}, {"wait": true}], "began": ..., "seed": ...,
    "stamp": "7001"}`; one that begins has neither `began` nor `stamp` yet, and is told them.
    """
    try:
        began = now if wish["began"] is None else _moment(wish["began"])
        seed, stamp = str(wish["seed"]), wish.get("stamp")
        steps = tuple(_step(each) for each in wish["texts"])
        known = int(stamp) if stamp is not None else None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotPossible("This is no trial. Load the page again.") from None
    if not _SEED.fullmatch(seed) or not -_AHEAD <= now - began <= _OLDEST:
        raise NotPossible("This trial is too old. Start over.")
    if len(steps) > MOST_TEXTS:
        raise NotPossible("Try {most} texts at most at once.", most=MOST_TEXTS)
    texts = [step for step in steps if isinstance(step, Text)]
    if any(len(text.body) > LONGEST for text in texts):
        raise NotPossible("A text holds {most} characters at most.", most=LONGEST)
    if any(not began <= text.at <= began + _FURTHEST for text in texts):
        raise NotPossible("This is no trial. Load the page again.")
    return Script(steps, began, seed, known)


def lines_of(typed: str) -> list[str]:
    """Return the texts of a form, one a line. Raises NotPossible for too many or too long ones."""
    lines = [line.strip() for line in typed.splitlines() if line.strip()]
    if len(lines) > MOST_TEXTS:
        raise NotPossible("Try {most} texts at most at once.", most=MOST_TEXTS)
    if any(len(line) > LONGEST for line in lines):
        raise NotPossible("A text holds {most} characters at most.", most=LONGEST)
    return lines


def _step(each: Any) -> Text | Wait:
    if each.get("wait") is True:
        return Wait()
    body = each["body"]
    if not isinstance(body, str) or not body.strip():
        raise ValueError("no words")
    return Text(body.encode("utf-8", "replace").decode(), _moment(each["at"]))


def _moment(words: str) -> datetime:
    moment = datetime.fromisoformat(words)
    if moment.tzinfo is None:
        raise ValueError(f"a naive datetime is not a moment: {words}")
    return moment


class Allowance:
    """How much each person may have played in a minute: a play holds the only writer of the embedded database."""

    def __init__(self, most: int = 400) -> None:
        self._most = most
        self._spent: dict[int, deque[tuple[datetime, int]]] = {}
        self._lock = threading.Lock()

    def spend(self, who: int, steps: int, now: datetime) -> None:
        """Note a play of so many steps. Raises NotPossible when it was too much within a minute."""
        with self._lock:
            spent = self._spent.setdefault(who, deque())
            while spent and now - spent[0][0] >= _MINUTE:
                spent.popleft()
            if sum(cost for _, cost in spent) + 1 + steps > self._most:
                raise NotPossible("That was a lot within a minute. Wait a little and try again; nothing is lost.")
            spent.append((now, 1 + steps))

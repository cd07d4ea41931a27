"""Sentences for people: English with placeholders, translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Said(NamedTuple):
    """A sentence and what fills its placeholders: `Said("{count} points", {"count": 9})`.

    Values may be moments, `Money` and other sentences; whoever shows the sentence puts them into words.
    """

    message: str
    values: Mapping[str, object] = {}


class Money(NamedTuple):
    """An amount in minor units of the shop's currency."""

    minor: int

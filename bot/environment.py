"""The environment's words as values; every mistake in them is collected, so that one start names them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Word = TypeVar("Word", bound=str)


class Environment:
    """Reads words by name. What is blank is not given; `problems` has a sentence for each mistake."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """Return a word without blanks around it."""
        return self._words.get(name, "").strip() or default

    def address(self, name: str, default: str = "") -> str:
        """Return a URL without the slash at its end."""
        return self.text(name, default).rstrip("/")

    def one_of(self, name: str, choices: Sequence[Word]) -> Word:
        """Return one of the choices, the first when none is given."""
        word = self.text(name, choices[0])
        if word not in choices:
            self.problems.append(f"{name} must be one of {', '.join(choices)}")
        return next((choice for choice in choices if choice == word), choices[0])

    def number(self, name: str, default: int, allowed: range | None = None, words: str = "") -> int:
        """Return a whole number; `words` say which are `allowed`, all when that is None."""
        given = self.text(name)
        if not given:
            return default
        try:
            number = int(given)
        except ValueError:
            self.problems.append(f"{name} must be a number, not {given!r}")
            return default
        if allowed is not None and number not in allowed:
            self.problems.append(f"{name} must be {words}, not {number}")
        return number

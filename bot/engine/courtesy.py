"""Pleasantries: "thanks", "ok 👍", "great, see you" are left alone, "hi" is answered with what the bot can do.

Split from `route.py`. The words are data: `bot/lexicon/courtesies.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Courtesy:
    """One pleasantry, and its language where only one has it."""

    kind: Literal["thanks", "greeting"]
    language: str | None = None


_LONGEST = 12  #: words; more than that says something
_FACELESS = re.compile("[\\s\ufe0f\u200d\U0001f3fb-\U0001f3ff.!~,]")


@dataclass(frozen=True, slots=True)
class Courtesies:
    """What people say without wanting an answer, or to begin."""

    words: frozenset[str]  #: every word of the phrases; a text with another one is none
    phrases: re.Pattern[str]  #: thanks and greetings
    greetings: Mapping[str, str]  #: words -> their language, `any` for those that many have
    around: re.Pattern[str]
    emoji: frozenset[str]
    greeting_emoji: frozenset[str]

    def kind(self, text: str, words: str) -> Courtesy | None:
        """Say what kind of pleasantry a whole text is. `words` are its words; a question is never thanks.

        `Ok thanks!` is thanks, `hey, good morning` a greeting, `hi, any news` is neither.
        """
        if not words:
            return self._face(text)
        tokens = words.split(" ")
        if len(tokens) > _LONGEST or not self.words.issuperset(tokens):
            return None
        said: set[str] = set()

        def hear(match: re.Match[str]) -> str:
            said.add(self.greetings.get(match.group(), "thanks"))
            return ""

        rest = " ".join(self.phrases.sub(hear, words).split())
        if self.around.sub("", rest).strip():
            return None
        if "thanks" in said:
            return None if "?" in text else Courtesy("thanks")
        tongues = said - {"any"}
        return Courtesy("greeting", tongues.pop() if len(tongues) == 1 else None) if said else None

    def _face(self, text: str) -> Courtesy | None:
        faces = _FACELESS.sub("", text)
        if not faces or len(faces) > _LONGEST:
            return None
        if self.greeting_emoji.issuperset(faces):
            return Courtesy("greeting")
        return Courtesy("thanks") if (self.emoji | self.greeting_emoji).issuperset(faces) else None


def build_courtesies(
    document: Mapping[str, Any], read: Callable[[str], str], any_phrase: Callable[[Iterable[str]], re.Pattern[str]]
) -> Courtesies:
    """Build from the read word list; `read` gives the words of an entry, `any_phrase` a pattern of phrases."""
    lists = {key: _phrases(document[key], read) for key in ("thanks", "greetings", "around")}
    return Courtesies(
        words=frozenset(word for phrases in lists.values() for phrase in phrases for word in phrase.split(" ")),
        phrases=any_phrase([*lists["thanks"], *lists["greetings"]]),
        greetings={read(str(w)): language for language, group in document["greetings"].items() for w in group},
        around=any_phrase(lists["around"]),
        emoji=frozenset(document["emoji"]) | frozenset(document["marks"]),
        greeting_emoji=frozenset(document["greeting_emoji"]),
    )


def _phrases(entries: Any, read: Callable[[str], str]) -> list[str]:
    groups: Iterable[Any] = entries.values() if isinstance(entries, Mapping) else [entries]
    return [words for group in groups for entry in group if (words := read(str(entry)))]

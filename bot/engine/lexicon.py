"""The word lists of the router as one frozen value.

The lists themselves are data (`bot/lexicon/*.yaml`); `wordlists.build` makes a `Lexicon` of them. Everything in it
has gone through `words.normalise`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bot.engine.courtesy import Courtesies
from bot.engine.patterns import PatternSet
from bot.engine.words import SHORT, normalise, squeeze

Compliance = Literal["stop", "start", "help"]


@dataclass(frozen=True, slots=True)
class Word:
    """One compliance word: what it does, the one language it belongs to, how it may be wrapped."""

    kind: Compliance
    language: str | None
    plain: bool = False  #: a word of everyday talk: only politeness may stand around it
    typo: bool = False
    english: bool = True  #: "no, stop" means stop; "no paren" means go on


@dataclass(frozen=True, slots=True)
class Spelling:
    """Phone spellings to the words they mean."""

    words: Mapping[str, str]
    phrases: re.Pattern[str]
    meanings: Mapping[str, str]
    hints: frozenset[str]  #: second words of the phrases; without one of them no phrase is there
    known: frozenset[str]  #: words that are spelled with a doubled letter
    squeezed: Mapping[str, str]  #: words without doubled letters -> the known word

    def read(self, text: str) -> str:
        """Return a text's words, normalised and spelled in one way."""
        found = normalise(text)
        return self.respell(found) if found else found

    def respell(self, words: str) -> str:
        """Spell already normalised words in one way."""
        tokens = words.split(" ")
        for position, token in enumerate(tokens):
            if (meant := self.words.get(token)) is not None or (
                (short := squeeze(token)) != token
                and token not in self.known
                and (meant := self.squeezed.get(short)) is not None
            ):
                tokens[position] = meant
        words = " ".join(tokens)
        if len(tokens) > 1 and not self.hints.isdisjoint(tokens):
            words = self.phrases.sub(lambda match: self.meanings[match.group()], words)
        return words


@dataclass(frozen=True, slots=True)
class Leaving:
    """The patterns of people who want to be left alone; `bot/lexicon/leaving.yaml` explains each list."""

    noise: re.Pattern[str]
    noise_begins: frozenset[str]
    firm: PatternSet
    doubts: PatternSet
    guards: PatternSet
    leave: PatternSet
    unless_praise: PatternSet
    perhaps: PatternSet
    yields: PatternSet
    wishes: PatternSet  #: all but the guards; where none of them matches, guards need not be looked at
    alarm: frozenset[str]  #: without one of these words no pattern can match
    praise: frozenset[str]
    praise_emoji: frozenset[str]


@dataclass(frozen=True, slots=True)
class Replies:
    """How people answer."""

    yes: Mapping[str, str]  #: words -> languages they belong to
    no: Mapping[str, str]
    yes_emoji: frozenset[str]
    no_emoji: frozenset[str]
    around: frozenset[str]
    turns: frozenset[str]
    negations: frozenset[str]
    choosing: frozenset[str]
    lasts: frozenset[str]
    numbers: Mapping[str, int]
    ordinals: Mapping[str, int]
    rating: frozenset[str]
    months: Mapping[str, int]
    days: Mapping[str, int]
    day_first: frozenset[str]
    names: tuple[str, ...]  #: longest first


@dataclass(frozen=True, slots=True)
class Questions:
    """How questions are compared."""

    little: frozenset[str]
    turning: frozenset[str]
    asking: Mapping[str, str]  #: question word -> the one it stands for
    same: Mapping[str, str]
    not_typos: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Everything the router knows of words. There is one; it is compared by identity."""

    spelling: Spelling
    compliance: Mapping[str, Word]
    returns: frozenset[str]  #: what brings back a customer who left
    polite: re.Pattern[str]
    wrappers: re.Pattern[str]
    core: frozenset[str]  #: words of the compliance words; without one a text is none
    stops: frozenset[str]  #: telling words of those that leave; without one no sentence of a text is one
    unsure_emoji: frozenset[str]
    leaving: Leaving
    replies: Replies
    tapback: re.Pattern[str]
    courtesies: Courtesies
    questions: Questions

    def words(self, text: str) -> str:
        """Return a text's words, normalised and spelled in one way; the form in which everything is compared."""
        return _short_words(self, text) if len(text) <= SHORT else self.spelling.read(text)


@lru_cache(maxsize=4_096)
def _short_words(lexicon: Lexicon, text: str) -> str:
    return lexicon.spelling.read(text)


@lru_cache(maxsize=8_192)
def known_words(lexicon: Lexicon, name: str) -> str:
    """Return the words of a name that comes up again and again: a label, a keyword to listen for."""
    return lexicon.words(name)

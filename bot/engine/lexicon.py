"""The word lists of the router as one frozen value.

The lists themselves are data (`bot/lexicon/*.yaml`); `build` turns their already read text into a `Lexicon`
and complains about what is malformed. Everything in it has gone through `words.normalise`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from bot.engine.courtesy import Courtesies, build_courtesies
from bot.engine.patterns import Classes, PatternError, PatternSet, compile_patterns
from bot.engine.words import SHORT, normalise, squeeze

Compliance = Literal["stop", "start", "help"]


class LexiconError(ValueError):
    """A word list is malformed."""


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


def build(documents: Mapping[str, Any]) -> Lexicon:
    """Build the lexicon from the read word lists. Raises LexiconError naming what is malformed."""
    try:
        spelling = _spelling(documents)
        compliance = documents["compliance"]
        words = _compliance(compliance, spelling)
        return Lexicon(
            spelling=spelling,
            compliance=words,
            returns=frozenset(_normal(compliance["start"]["returns"], spelling)),
            polite=_any_phrase(_normal(compliance["polite"], spelling)),
            wrappers=_any_phrase(_normal([*compliance["polite"], *compliance["wrappers"]], spelling)),
            core=frozenset(token for word in words for token in word.split(" ")),
            stops=_stops(words, documents["leaving"]["common"]),
            unsure_emoji=frozenset(compliance["emoji"]["unsure"]),
            leaving=_leaving(documents["leaving"]),
            replies=_replies(documents["replies"], spelling),
            tapback=_tapback(documents["tapbacks"]),
            courtesies=build_courtesies(documents["courtesies"], spelling.read, _any_phrase),
            questions=_questions(documents["questions"]),
        )
    except PatternError as error:
        raise LexiconError(str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise LexiconError(f"a word list is malformed: {error!r}") from error


def _spelling(documents: Mapping[str, Any]) -> Spelling:
    document = documents["spelling"]
    words = {wrong: word for word in document["long"] for wrong in _misspelled(word)}
    words |= {wrong: word for word in document["slips"] for wrong in _slipped(word)}
    for real in documents["questions"]["not_typos"]:
        words.pop(real, None)
    words |= {variant: word for word, variants in document["words"].items() for variant in variants}
    meanings = {variant: phrase for phrase, variants in document["phrases"].items() for variant in variants}
    return Spelling(
        words=words,
        phrases=_any_phrase(meanings),
        meanings=meanings,
        hints=frozenset(variant.split(" ")[-1] for variant in meanings),
        known=_doubled(documents),
        squeezed=_squeezed(documents, words),
    )


def _misspelled(word: str) -> set[str]:
    """Return the spellings of a word with one mistake, or with two letters missing."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    letters = "abcdefghijklmnopqrstuvwxyz"
    missing = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    wrong = {a + c + b[1:] for a, b in splits if b for c in letters}
    added = {a + c + b for a, b in splits for c in letters}
    two_missing = {short[:i] + short[i + 1 :] for short in missing for i in range(len(short))}
    return (missing | swapped | wrong | added | two_missing) - _genuine(word)


def _slipped(word: str) -> set[str]:
    """Return the spellings of a word with a letter missing after the first, or two letters swapped."""
    missing = {word[:i] + word[i + 1 :] for i in range(1, len(word))}
    swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    return (missing | swapped) - _genuine(word)


def _genuine(word: str) -> set[str]:
    """Return the words that only look like wrong spellings: the word itself and its own forms."""
    return {word, word + "s", word.removesuffix("d"), word.removesuffix("s"), word + "d", word.removeprefix("un")}


def _doubled(documents: Mapping[str, Any]) -> frozenset[str]:
    """Return the words of the lists that are rightly written with a doubled letter, such as `off`."""
    leaving, replies = documents["leaving"], documents["replies"]
    lists = (
        leaving["long_vowels"],
        *leaving["classes"].values(),
        *(leaving[key] for key in ("firm", "doubts", "guards", "leave", "unless_praise", "perhaps", "yields")),
        *replies["yes"].values(),
        *replies["no"].values(),
    )
    tokens = set(re.findall(r"[a-z]+", " ".join(str(entry) for entries in lists for entry in entries)))
    return frozenset(token for token in tokens if squeeze(token) != token and not token.startswith("stopp"))


def _squeezed(documents: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, str]:
    """Map known words without their doubled letters to themselves, where only one word is meant."""
    compliance = documents["compliance"]
    known: dict[str, set[str]] = {}
    lists = (
        *(group for kind in ("stop", "stop_plain", "help", "start") for group in compliance[kind].values()),
        *documents["replies"]["yes"].values(),
        *documents["replies"]["no"].values(),
        documents["leaving"]["long_vowels"],
        compliance["polite"],
        [*words.values()],
    )
    for entry in (entry for entries in lists for entry in entries):
        for token in str(entry).split(" "):
            if len(token) > 1:
                known.setdefault(squeeze(token), set()).add(words.get(token, token))
    doubled = {short: min(meant, key=len) for short, meant in known.items() if len(meant) == 1 or short in meant}
    return {short: (short if short in known[short] else word) for short, word in doubled.items()}


def _compliance(document: Mapping[str, Any], spelling: Spelling) -> dict[str, Word]:
    found: dict[str, Word] = {}
    languages: dict[str, set[str]] = {}
    for kind, key, plain in (
        ("help", "help", False),
        ("start", "start", False),
        ("stop", "stop_plain", True),
        ("stop", "stop", False),
    ):
        for language, entries in document[key].items():
            for entry in _normal(entries, spelling):
                languages.setdefault(entry, set()).add(language)
                english = not languages[entry].isdisjoint({"any", "en"})
                found[entry] = Word(kind, _one(languages[entry]), plain, english=english)  # type: ignore[arg-type]
        for entry in _normal(document["typos"].get(key, ()), spelling):
            found.setdefault(entry, Word(kind, None, plain, typo=True))  # type: ignore[arg-type]
    return found


def _stops(words: Mapping[str, Word], common: Iterable[str]) -> frozenset[str]:
    """Return of every clear word that leaves the part one would look for."""
    ordinary = {*common, "reply", "send", "service"}
    clear = [text for text, word in words.items() if word.kind == "stop" and not word.plain and not word.typo]
    return frozenset(next((t for t in text.split(" ") if t not in ordinary), text.split(" ")[0]) for text in clear)


def _one(languages: set[str]) -> str | None:
    only = next(iter(languages)) if len(languages) == 1 else None
    return only if only in ("en", "es", "fr", "de", "pt") else None


def _leaving(document: Mapping[str, Any]) -> Leaving:
    classes: Classes = {name: tuple(entries) for name, entries in document["classes"].items()}
    common = frozenset(document["common"])
    firm, doubts, guards, leave, unless_praise, perhaps, yields = (
        compile_patterns(document[key], classes, common)
        for key in ("firm", "doubts", "guards", "leave", "unless_praise", "perhaps", "yields")
    )
    wishes = PatternSet(
        tuple(p for found in (firm, doubts, leave, unless_praise, perhaps, yields) for p in found.patterns)
    )
    return Leaving(
        noise=_any_phrase(document["noise"]),
        noise_begins=frozenset(phrase.split(" ")[0] for phrase in document["noise"]),
        firm=firm,
        doubts=doubts,
        guards=guards,
        leave=leave,
        unless_praise=unless_praise,
        perhaps=perhaps,
        yields=yields,
        wishes=wishes,
        alarm=frozenset[str]().union(*(pattern.anchor for pattern in wishes.patterns)),
        praise=frozenset(classes["praise"]),
        praise_emoji=frozenset(document["praise_emoji"]),
    )


def _replies(document: Mapping[str, Any], spelling: Spelling) -> Replies:
    return Replies(
        yes=_by_language(document["yes"], spelling),
        no=_by_language(document["no"], spelling),
        yes_emoji=frozenset(document["yes_emoji"]),
        no_emoji=frozenset(document["no_emoji"]),
        around=frozenset(_normal(document["around"], spelling)),
        turns=frozenset(document["turns"]),
        negations=frozenset(document["negations"]),
        choosing=frozenset(_normal(document["choosing"], spelling)),
        lasts=frozenset(document["lasts"]),
        numbers=_numbers(document["numbers"]),
        ordinals=_numbers(document["ordinals"]),
        rating=frozenset(_normal(document["rating"], spelling)),
        months=_numbers(document["months"]),
        days=_numbers(document["days"]),
        day_first=frozenset(document["day_first"]),
        names=tuple(sorted(_normal(document["names"], spelling), key=len, reverse=True)),
    )


def _questions(document: Mapping[str, Any]) -> Questions:
    return Questions(
        little=frozenset(document["little"]),
        turning=frozenset(document["turning"]),
        asking=document["asking"],
        same={variant: word for word, variants in document["same"].items() for variant in variants},
        not_typos=frozenset(document["not_typos"]),
    )


def _tapback(document: Mapping[str, Any]) -> re.Pattern[str]:
    verbs = "|".join(document["verbs"])
    whole = "|".join(re.escape(entry) for entry in document["whole"])
    quoted = r"[\"“”„«‹'‘]"
    return re.compile(
        rf"\s*(?:(?:{verbs})\s*(?:{quoted}[\s\S]+|(?:{whole})\s*)|[^\w\s\"“„«]{{1,12}}\s*(?:to|a|auf|zu|sur)\s*{quoted}[\s\S]+)$"
    )


def _by_language(groups: Mapping[str, Iterable[str]], spelling: Spelling) -> dict[str, str]:
    found: dict[str, str] = {}
    for language, entries in groups.items():
        for entry in _normal(entries, spelling):
            found[entry] = f"{found.get(entry, '')} {language}".strip()
    return found


def _numbers(groups: Mapping[Any, Iterable[Any]]) -> dict[str, int]:
    return {str(word): int(number) for number, entries in groups.items() for word in entries}


def _normal(entries: Iterable[Any], spelling: Spelling) -> Iterator[str]:
    return (found for entry in entries if (found := spelling.read(str(entry))))


def _any_phrase(phrases: Iterable[str]) -> re.Pattern[str]:
    """Match any of the phrases as whole words, the longest first."""
    longest_first = sorted(set(phrases), key=len, reverse=True)
    return re.compile(r"(?<![^ ])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![^ ])")

"""Word lists, read from files, into the lexicon; what is malformed in them is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.engine.courtesy import build_courtesies
from bot.engine.lexicon import Leaving, Lexicon, Questions, Replies, Spelling, Word
from bot.engine.patterns import Classes, PatternError, PatternSet, compile_patterns
from bot.engine.words import squeeze


class LexiconError(ValueError):
    """A word list is malformed."""


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

"""The small pattern language of the word lists, compiled to regular expressions that cannot run away.

A pattern speaks of words, never of letters:

    stop|quit <sending> [me] ..2 $

`a|b` and `(a|b c)` one of these, `<name>` an entry of a class, `[..]` may be missing, `<name>*` up to five entries of a
class, `..` up to three words, `..2` up to two, `*ing!a!b` any word that ends so and begins no entry of the
classes a and b, `^` and `$` the text's begin and end (also among alternatives). Every repetition is
bounded, and texts are cut (`words.LIMIT`), so that matching is linear in the text's length.

Each pattern has an anchor: words of which one must stand in the text. Patterns whose anchor is missing are
never tried, and a pattern is compiled when it is tried for the first time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

Classes = Mapping[str, tuple[str, ...]]

HIDDEN = "~"  #: stands where a guard has hidden words; no pattern reaches over it
_ELEMENT = re.compile(r"\[[^\]]*\]\S*|\([^)]*\)\S*|\S+")
_GAP = r"(?:[^ ~]+ ){0,%d}?"


class PatternError(ValueError):
    """A pattern of the word lists is malformed."""


@dataclass(frozen=True)
class Pattern:
    """One pattern: its text, the words one of which must be there, and its expression."""

    text: str
    source: str
    anchor: frozenset[str]

    @cached_property
    def search(self) -> Callable[[str], re.Match[str] | None]:
        """Search words that are padded by one space at both ends."""
        return re.compile(self.source).search

    @cached_property
    def expression(self) -> re.Pattern[str]:
        return re.compile(self.source)


@dataclass(frozen=True)
class PatternSet:
    """Patterns found by the words of a text."""

    patterns: tuple[Pattern, ...]

    @cached_property
    def _by_word(self) -> dict[str, tuple[int, ...]]:
        index: dict[str, list[int]] = {}
        for number, pattern in enumerate(self.patterns):
            for word in pattern.anchor:
                index.setdefault(word, []).append(number)
        return {word: tuple(numbers) for word, numbers in index.items()}

    def possible(self, words: Iterable[str]) -> list[Pattern]:
        """Return the patterns that might match a text with these words, in their order."""
        by_word = self._by_word
        numbers = {number for word in words if word in by_word for number in by_word[word]}
        return [self.patterns[number] for number in sorted(numbers)]

    def find(self, padded: str, words: Iterable[str]) -> tuple[str, str] | None:
        """Return the first pattern that matches, as written, and the words it matched."""
        for pattern in self.possible(words):
            if match := pattern.search(padded):
                return pattern.text, match.group().strip()
        return None

    def hide(self, padded: str, words: Iterable[str]) -> str:
        """Return the text with all matched words replaced by a mark that nothing matches."""
        for pattern in self.possible(words):
            padded = pattern.expression.sub(f" {HIDDEN} ", padded) if pattern.search(padded) else padded
        return padded


def compile_patterns(texts: Iterable[str], classes: Classes, common: frozenset[str]) -> PatternSet:
    """Compile patterns. Raises PatternError naming the pattern that is malformed."""
    return PatternSet(tuple(_compile(text, classes, common) for text in texts))


def _compile(text: str, classes: Classes, common: frozenset[str]) -> Pattern:
    parts: list[str] = []
    anchors: list[frozenset[str]] = []
    begin, end = False, False
    for element in _ELEMENT.findall(text):
        if element == "^":
            begin = True
        elif element == "$":
            end = True
        elif element.startswith(".."):
            parts.append(_GAP % int(element[2:] or 3))
        else:
            optional = element.startswith("[")
            many = element.endswith("*")
            entries = _entries(element.rstrip("*").strip("[]()"), classes, text)
            parts.append(_alternatives(entries, classes) + ("{0,5}" if many else "?" if optional else ""))
            if not optional and not many and not any(entry in "^$" or entry.startswith("*") for entry in entries):
                anchors.append(frozenset(_anchor_word(entry, common) for entry in entries))
    if not anchors:
        raise PatternError(f"pattern {text!r} has no word that must be there")
    anchor = min(anchors, key=lambda words: (len(words & common) > 0, len(words)))
    source = ("^ " if begin else "(?<= )") + "".join(parts) + ("$" if end else "")
    return Pattern(text, source, anchor)


def _entries(element: str, classes: Classes, text: str) -> tuple[str, ...]:
    found: list[str] = []
    for piece in element.split("|"):
        if piece.startswith("<"):
            name = piece[1:-1]
            if not piece.endswith(">") or name not in classes:
                raise PatternError(f"pattern {text!r}: no class {piece}")
            found += classes[name]
        elif piece:
            found.append(piece)
    if not found:
        raise PatternError(f"pattern {text!r}: empty element")
    return tuple(dict.fromkeys(found))


def _alternatives(entries: tuple[str, ...], classes: Classes) -> str:
    longest_first = sorted(entries, key=len, reverse=True)
    return "(?:" + "|".join(_one(entry, classes) for entry in longest_first) + ")"


def _one(entry: str, classes: Classes) -> str:
    if entry == "$":
        return "$"
    if entry == "^":
        return r"(?<![^ ] )"
    if entry.startswith("*"):
        ending, *others = entry[1:].split("!")
        banned = {phrase.split()[0] for name in others for phrase in classes[name]}
        return rf"(?!(?:{'|'.join(sorted(banned))}) )[^ ~]+{re.escape(ending)} "
    return re.escape(entry).replace(r"\ ", " ") + " "


def _anchor_word(entry: str, common: frozenset[str]) -> str:
    words = entry.split()
    return next((word for word in words if word not in common), words[0])

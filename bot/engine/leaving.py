"""Does somebody want to be left alone? Compliance words and opt-outs in natural language.

Nothing here measures likeness: a text leaves by a listed word, a listed wrong spelling, or a pattern of
`bot/lexicon/leaving.yaml`. A false opt-out loses a customer; a missed one breaks the law (47 CFR
64.1200(a)(10): any reasonable means), so what is truly ambiguous is asked back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.engine import words as spoken
from bot.engine.lexicon import Lexicon, Word

_LONGEST = 12  #: words; a compliance word with more than that around it is a sentence

Level = Literal["leave", "perhaps", "yields"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How clearly a text asks to be left alone: `yields` gives way to an open question that understands it."""

    level: Level
    rule: str
    matched: str


def compliance(lexicon: Lexicon, words: str) -> tuple[Word, str] | None:
    """Return the compliance word a whole text is, apart from politeness around it."""
    if (word := lexicon.compliance.get(words)) is not None:
        return word, words
    tokens = words.split(" ")
    if not 2 <= len(tokens) <= _LONGEST or lexicon.core.isdisjoint(tokens):
        return None
    if tokens[-1] in lexicon.replies.negations:
        return None  # "unsubscribe? no"
    for wrapping, plain in ((lexicon.polite, True), (lexicon.wrappers, False)):
        bare = " ".join(wrapping.sub("", words).split())
        word = lexicon.compliance.get(bare)
        if word is None:
            word = _several(lexicon, bare) or lexicon.compliance.get(_once(bare))
        if word is None or not (plain or (word.kind == "stop" and not word.plain)):
            continue
        if not word.english and not lexicon.replies.negations.isdisjoint(tokens):
            return None
        return word, bare
    return None


def judge(lexicon: Lexicon, text: str, words: str) -> Verdict | None:
    """Judge a text that is no compliance word. `text` is as it came, `words` its words."""
    leaving = lexicon.leaving
    if leaving.alarm.isdisjoint(words.split(" ")):
        return _by_emoji(lexicon, text)
    tokens = words.split(" ")
    if not leaving.noise_begins.isdisjoint(tokens):
        tokens = leaving.noise.sub("", words).split()
    padded = f" {' '.join(tokens)} "
    if lexicon.stops.isdisjoint(tokens) and leaving.wishes.find(padded, tokens) is None:
        return _by_emoji(lexicon, text)
    bare = compliance(lexicon, padded.strip())
    if bare is not None and bare[0].kind == "stop" and not bare[0].plain:
        return Verdict("leave", "a compliance word", bare[1])
    if found := leaving.firm.find(padded, tokens):
        return Verdict("leave", found[0], found[1])
    doubt = leaving.doubts.find(padded, tokens)
    if doubt:
        padded = leaving.doubts.hide(padded, tokens)
    open_words = leaving.guards.hide(padded, tokens)
    tokens = [token for token in open_words.split() if token != "~"]
    if found := leaving.leave.find(open_words, tokens):
        return Verdict("leave", found[0], found[1])
    found = leaving.unless_praise.find(open_words, tokens) or _sentence(lexicon, text, tokens)
    if found:
        return Verdict("perhaps" if _softened(lexicon, text, padded.split()) else "leave", found[0], found[1])
    if doubt:
        return Verdict("perhaps", doubt[0], doubt[1])
    if found := leaving.yields.find(open_words, tokens):
        return Verdict("yields", found[0], found[1])
    if found := leaving.perhaps.find(open_words, tokens):
        return Verdict("perhaps", found[0], found[1])
    return _by_emoji(lexicon, text)


def _softened(lexicon: Lexicon, text: str, tokens: list[str]) -> bool:
    """Say whether praise, laughter or a last "no" makes a stop doubtful."""
    leaving = lexicon.leaving
    praised = not leaving.praise.isdisjoint(tokens) or any(emoji in text for emoji in leaving.praise_emoji)
    return praised or tokens[-1] in lexicon.replies.negations


def _sentence(lexicon: Lexicon, text: str, tokens: list[str]) -> tuple[str, str] | None:
    """Find a sentence that is a compliance word, `STOP. I don't drink coffee.`, or a last part: `bye, stop`."""
    if lexicon.stops.isdisjoint(tokens):
        return None
    folded = spoken.fold(text)
    parts = spoken.clauses(folded)
    last = spoken.join_words(folded.replace(" - ", ",").rpartition(",")[2])
    for part in (*(parts if len(parts) > 1 else ()), last):
        found = compliance(lexicon, lexicon.spelling.respell(part))
        if found is not None and found[0].kind == "stop" and not found[0].plain and not found[0].typo:
            return "a sentence is a compliance word", found[1]
    return None


def _by_emoji(lexicon: Lexicon, text: str) -> Verdict | None:
    """A stop sign or a rude finger, with words that say nothing else, or alone."""
    if text.isascii():
        return None
    sign = next((emoji for emoji in lexicon.unsure_emoji if emoji in text), None)
    return Verdict("perhaps", "emoji", sign) if sign else None


def _several(lexicon: Lexicon, words: str) -> Word | None:
    """Return the first of several compliance words that stand beside each other: `stop unsubscribe`."""
    found = [lexicon.compliance.get(token) for token in words.split(" ")]
    clear = [word for word in found if word is not None and word.kind == "stop"]
    sure = any(not word.plain and not word.typo for word in clear)
    return clear[0] if len(clear) == len(found) > 1 and sure else None


def _once(words: str) -> str:
    """Return a word said several times as said once: `stop stop stop`."""
    tokens = words.split(" ")
    for size in (1, 2):
        if len(tokens) % size == 0 and tokens == tokens[:size] * (len(tokens) // size):
            return " ".join(tokens[:size])
    return words

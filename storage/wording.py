"""Words as search compares them: one folding for what is kept and what is asked, so that both databases agree.

Lower case, no accents, no apostrophes, compatibility forms made plain. Kept on purpose: each emoji, and each
character of a script that writes no spaces, is a word of its own; a run of them is asked for as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple

LONGEST = 40  #: characters of one word
MOST = 255  #: words of one text: as many places of one word as PostgreSQL keeps
LOOKED_AT = 1_600  #: characters; no carrier delivers more in one text
PART = 4  #: digits in a piece of a number; fewer are asked for as the beginning of one
LEAST_DIGITS = 3  #: of a number that is asked for by a part

Phrase = tuple[str, ...]  #: words one behind the other
_Kind = Literal["letter", "single", "mark", "apostrophe", "break"]

_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_APOSTROPHES = frozenset("'’‘‛ʼʻ＇`´")
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"})
#: Thai and Lao, Burmese, Khmer, kana, Han.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0x20000, 0x3FFFF),
)


class Word(NamedTuple):
    """One word of a text, folded, and where it stands there."""

    text: str
    start: int
    end: int


class Wanted(NamedTuple):
    """One thing that must be there: any of these phrases; with `open`, their last words may go on."""

    phrases: tuple[Phrase, ...]
    open: bool = False


def spans(text: str) -> list[Word]:
    """Return the words of a text with their places, at most `MOST`.

    >>> [word.text for word in spans("Didn’t get my CAFÉ-latte ☕!")]
    ['didnt', 'get', 'my', 'cafe', 'latte', '☕']
    """
    text = text[:LOOKED_AT]
    if text.isascii():
        found = islice(_ASCII_WORD.finditer(text.lower()), MOST)
        return [Word(match.group().replace("'", "")[:LONGEST], match.start(), match.end()) for match in found]
    return list(islice(_any_spans(text), MOST))


def words(text: str) -> Phrase:
    """Return the words of a text."""
    return tuple([word.text for word in spans(text)])


def number_words(number: str) -> Phrase:
    """Return the pieces of a phone number, by which any part of it is found.

    >>> number_words("+1 201 55")
    ('#1201', '#2015', '#0155', '#155')
    """
    digits = "".join(filter(str.isdecimal, number))
    pieces = [f"#{digits[at : at + PART]}" for at in range(len(digits) - PART + 1)]
    return (*pieces, f"#{digits[1 - PART :]}")


def code_words(code: str) -> Phrase:
    """Return the words of a code: whole, and its parts when it is written in several (`K7MR-2XWD`)."""
    parts = words(code)
    return ("".join(parts)[:LONGEST], *parts) if len(parts) > 1 else parts


_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_CHUNK = re.compile(r'"(?P<phrase>[^"]*)(?P<closed>"?)|(?P<word>[^\s"]+)')
_NUMBER = re.compile(r"(?<![^\s(+])[+(]*\d(?:[\s().\-/]*\d){2,}(?!\w)")
_QUERY_LIMIT = 200
_MOST_WANTED = 12


def wanted_in_texts(query: str) -> list[Wanted]:
    """Return what a query asks of texts: every word and phrase; the last one may go on."""
    return _last_open([(Wanted((phrase,)), typing) for _, phrase, typing in _chunks(query)])


def wanted_of_customers(query: str) -> list[Wanted]:
    """Return what a query asks of customers: names, e-mail, codes, and digits as part of a number."""
    found: list[tuple[Wanted, bool]] = []
    rest, numbers = query[:_QUERY_LIMIT], []
    for match in _NUMBER.finditer(rest):
        numbers.append("".join(filter(str.isdecimal, match.group())))
    for chunk, phrase, typing in _chunks(_NUMBER.sub(" ", rest) if numbers else rest):
        joined = ("".join(phrase)[:LONGEST],)
        found.append((Wanted((phrase, joined) if len(phrase) > 1 and " " not in chunk else (phrase,)), typing))
    asked = _last_open(found)
    return [*asked, *(_wanted_number(digits) for digits in numbers)][:_MOST_WANTED]


def _wanted_number(digits: str) -> Wanted:
    """Return digits as part of a number, as a code, or as a number with a country's own zeros before it."""
    forms = [digits] if len(digits) < 7 or digits[0] != "0" else [digits, digits.lstrip("0")]
    pieces = [number_words(form)[:-1] if len(form) >= PART else (f"#{form}",) for form in forms if form]
    return Wanted((*pieces, (digits[:LONGEST],)), open=True)


def _chunks(query: str) -> Iterator[tuple[str, Phrase, bool]]:
    """Give each word or phrase of a query, as written and folded, and whether it may still be being typed."""
    count = 0
    for match in _CHUNK.finditer(query[:_QUERY_LIMIT].translate(_QUOTES)):
        chunk = match["word"] or match["phrase"] or ""
        phrase = words(chunk)
        if phrase and count < _MOST_WANTED:
            count += 1
            yield chunk, phrase, not match["closed"]


def _last_open(found: list[tuple[Wanted, bool]]) -> list[Wanted]:
    """Let the last one go on when it is still being typed; one letter behind other words says nothing yet."""
    asked = [wanted for wanted, _ in found]
    if not found or not found[-1][1]:
        return asked
    last = asked.pop()
    if asked and all(len(phrase) == 1 and _is_letter(phrase[0]) for phrase in last.phrases):
        return asked
    return [*asked, last._replace(open=True)]


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii() and word.isalpha()


def _any_spans(text: str) -> Iterator[Word]:
    start: int | None = None
    for at, character in enumerate(text):
        kind = _kind(character)
        if kind == "letter":
            start = at if start is None else start
            continue
        if start is not None:
            if kind == "mark" or (kind == "apostrophe" and text[at + 1 : at + 2].isalnum()):
                continue
            yield from _word(text, start, at)
            start = None
        if kind == "single":
            yield from _word(text, at, at + 1)
    if start is not None:
        yield from _word(text, start, len(text))


def _word(text: str, start: int, end: int) -> Iterator[Word]:
    piece = text[start:end]
    folded = _fold(piece)
    if not folded and end - start == 1:
        folded = piece  # a symbol
    if folded:
        yield Word(folded[:LONGEST], start, end)


def _fold(piece: str) -> str:
    piece = unicodedata.normalize("NFKD", piece.casefold().translate(_PLAIN)).casefold().translate(_PLAIN)
    return "".join([c for c in piece if _kind(c) in ("letter", "single") or (_kind(c) == "mark" and _is_vowel(c))])


def _is_vowel(mark: str) -> bool:
    """Say whether a mark is a letter's part, as in Hindi, and no accent."""
    return mark.isprintable() and unicodedata.category(mark)[0] == "M" and not unicodedata.combining(mark)


@lru_cache(maxsize=8_192)
def _kind(character: str) -> _Kind:
    category = unicodedata.category(character)
    if character in _APOSTROPHES:
        return "apostrophe"
    if category[0] == "M" or category in ("Cf", "Sk"):  # accents, joiners, skin tones
        return "mark"
    if category == "So":
        return "single"
    if category[0] not in "LN":
        return "break"
    return "single" if any(first <= ord(character) <= last for first, last in _UNSPACED) else "letter"

"""Texts as words: what a phone keyboard sends, made comparable.

`normalise` is the one way in which customers' texts, keywords, questions and word lists are compared:
all of them go through it. It is linear in the text's length and never raises.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SHORT = 24  #: characters; what is made of longer texts is never kept in memory, because customers wrote them
LIMIT = 1_600  #: characters looked at; no carrier delivers more in one text

# Letters that look like Latin ones, after case folding. Spammers and fancy keyboards use them; so do
# customers whose keyboard is Cyrillic or Greek and who copy the word STOP by its looks.
_CYRILLIC = dict(zip("аеорсухіјѕтвнкмԁԛԝһгпѵзбч", "aeopcyxijstbhkmdqwhrnv364", strict=True))
_GREEK = dict(zip("αεορτυικνχβηµςσωγ", "aeoptuiknxbhmsswy", strict=True))
_SMALL_CAPITALS = dict(zip("ꜱᴛᴏᴘᴀᴄᴅᴇɪʟɴʀᴜ", "stopacdeilnru", strict=True))
_BOXED = dict(zip("🆂🆃🅾🅿🅂🅃🄾🄿", "stopstop", strict=True))
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ß": "ss", "ð": "d"}
_INVISIBLE = [0xAD, 0x34F, 0x115F, 0x1160, 0x3164, 0xFEFF, 0xFE0F, 0x20E3]
_INVISIBLE += [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A)]
_LOOK_ALIKES = str.maketrans(
    _CYRILLIC | _GREEK | _SMALL_CAPITALS | _BOXED | _LETTERS | {chr(code): "" for code in _INVISIBLE}
)
_QUOTES = str.maketrans(dict.fromkeys("’‘‛ʼʻ＇`´′", "'"))

_NOT_WORD = re.compile(r"[\W_]+")
_CONTRACTION = re.compile(r"(?<=[a-z])'(?=(?:t|s|m|d|re|ve|ll|all|in|em)\b)")
_LONG_RUN = re.compile(r"([^\W\d_])\1{2,}")
_ANY_RUN = re.compile(r"([^\W\d_])\1+")
_SPELT_OUT = re.compile(r"\b(?:[a-z] ){2,20}[a-z]\b")
_MASKED = re.compile(r"(?<=[a-z])\*+(?=[a-z])|\*+\b")
_LEET_SIGN = re.compile(r"[@$](?=[a-z]{2})|(?<=[a-z])[@$](?=[a-z])")
_NUMBER_SIGN = re.compile(r"#(?=\s|$|[.,!?])")
_LEET_WORD = re.compile(r"\b(?=[a-z0-9]{3,20}\b)(?:[013457]?[a-z]+){1,4}[013457]?[a-z]*\b")
_LEET = str.maketrans("@$", "as")
_LEET_DIGITS = str.maketrans("013457", "oieast")
_UNITS = re.compile(r"^\d+(?:st|nd|rd|th|pts?|points?|oz|am|pm|x|k|mins?|hrs?|days?|usd|ml|puntos?|ptos?|de|stars?)$")

# What phones and mail programs add below a text; compared after folding.
_SIGNATURES = re.compile(
    r"(?:^|[\s.!?,;:-])(?:"
    r"sent (?:from|via|with|on) (?:my |the |an? )?[^\n]{2,40}|get outlook for [^\n]{2,20}"
    r"|enviad[oa] (?:desde|do|de|a partir do|pelo) (?:mi|meu|mon|el|o)?\s?[^\n]{2,30}"
    r"|envoye (?:de|depuis) (?:mon|ma) [^\n]{2,30}"
    r"|(?:von mei(?:nem|ner) [^\n]{2,30} gesendet|gesendet (?:von|mit) [^\n]{2,30})"
    r"|inviato da[^\n]{2,30})\s*$"
)
_SIGNATURE_HINTS = ("sent ", "enviad", "envoye", "gesendet", "get outlook", "inviato")
_DASHES = re.compile(r"\n\s*--[ \t]*(?:\n.*|$)", re.DOTALL)
_DASH_NAME = re.compile(r"\n\s*[-–—~]{1,2}\s?[^\W\d_]+(?: [^\W\d_]+){0,2}\s*$")


def fold(text: str) -> str:
    """Return lower-case text without accents, look-alike letters, zero-width characters and signature.

    Line breaks and punctuation stay: `fold("Ｓтóp!\\n--\\nJohn")` is `"stop!"`.
    """
    text = text[:LIMIT]
    if not text.isascii():
        text = _fold_unicode(text)
    text = text.lower()
    if "\n" in text or any(hint in text for hint in _SIGNATURE_HINTS):
        text = _without_signature(text)
    return text


def normalise(text: str) -> str:
    """Return the words of a text, comparable and separated by single spaces.

    >>> normalise("  Please S.T.O.P.!!! ")
    'please stop'
    >>> normalise("ST0P")
    'stop'
    """
    return _normalise_short(text) if len(text) <= SHORT else join_words(fold(text))


@lru_cache(maxsize=4_096)
def _normalise_short(text: str) -> str:
    return join_words(fold(text))


def join_words(folded: str) -> str:
    """Return the words of an already folded text."""
    if folded.isalpha() and folded.isascii() and not _LONG_RUN.search(folded):
        return folded
    folded = _CONTRACTION.sub("", folded) if "'" in folded else folded
    if "*" in folded:
        folded = _MASKED.sub("", folded)
    if "#" in folded:
        folded = _NUMBER_SIGN.sub(" number ", folded)
    if "$" in folded or "@" in folded:
        folded = _LEET_SIGN.sub(lambda match: match.group().translate(_LEET), folded)
    words = _NOT_WORD.sub(" ", folded).strip()
    if not words.isascii() or any(digit in words for digit in "013457"):
        words = _LEET_WORD.sub(_unleet, words)
    words = _LONG_RUN.sub(r"\1\1", words)
    if words[1:2] == " " or " " in words[-2:-1] or _has_single(words):
        words = _SPELT_OUT.sub(lambda match: match.group().replace(" ", ""), words)
    return words


@lru_cache(maxsize=4_096)
def squeeze(word: str) -> str:
    """Return a word with every run of the same letter as one: `stoopp` and `stop` meet in `stop`."""
    return _ANY_RUN.sub(r"\1", word)


def clauses(folded: str) -> list[str]:
    """Return the parts of a folded text between full stops, marks and line breaks, as words."""
    return [words for part in _CLAUSE_END.split(folded) if (words := join_words(part))]


_CLAUSE_END = re.compile(r"[.!?;\n…]+(?=\s|$)|\n+")


def _has_single(words: str) -> bool:
    return _SINGLE.search(words) is not None


_SINGLE = re.compile(r" [a-z] [a-z] ")


def _unleet(match: re.Match[str]) -> str:
    word = match.group()
    if word.isalpha() or _UNITS.match(word) or sum(map(str.isdigit, word)) > 2:
        return word
    letters = sum(map(str.isalpha, word))
    return word.translate(_LEET_DIGITS) if letters >= 3 or (letters == 2 and len(word) == 4) else word


def _fold_unicode(text: str) -> str:
    text = text.translate(_QUOTES).casefold().translate(_LOOK_ALIKES)
    text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    return text.translate(_LOOK_ALIKES)


def _without_signature(text: str) -> str:
    """Cut what stands below the text; a text that is only a signature stays as it is."""
    short = text
    if "\n" in short:
        short = _DASH_NAME.sub("", _DASHES.sub("", short))
    if any(hint in short for hint in _SIGNATURE_HINTS):
        short = _SIGNATURES.sub("", short)
    return short if short.strip() else text


def unsigned(text: str) -> str:
    """Return a text as it was written, without what the phone put below it."""
    lines = text[:LIMIT].split("\n")
    while len(lines) > 1 and (not lines[-1].strip() or _is_signature(lines[-1])):
        lines.pop()
    return "\n".join(lines).strip()


def _is_signature(line: str) -> bool:
    folded = fold(line).strip()
    return _SIGNATURES.fullmatch(folded) is not None

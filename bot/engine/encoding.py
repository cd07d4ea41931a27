"""What a text costs to send: its alphabet, its length in that alphabet, its segments.

A text is sent in the GSM 7-bit alphabet (3GPP TS 23.038) when every character is in it, else all of
it in UCS-2, where a segment holds less than half as much. One curly quote is enough to double a bill.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Encoding = Literal["GSM-7", "UCS-2"]

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"  #: sent as an escape and a second septet
GSM_CHARACTERS = frozenset(_BASIC + _EXTENSION)

_not_basic = re.compile(f"[^{re.escape(_BASIC)}]").search
_not_gsm = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]").search
_culprits = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]").findall
_extended = re.compile(f"[{re.escape(_EXTENSION)}]")
_astral = re.compile("[\U00010000-\U0010ffff]").findall
_regional_indicator = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True, slots=True)
class Measure:
    """What a text costs: `Measure("GSM-7", 27, 1, ())`.

    `units` are septets or UTF-16 units; `culprits` the characters, each once and in order, that are
    not in GSM-7 and so force UCS-2.
    """

    encoding: Encoding
    units: int
    segments: int
    culprits: tuple[str, ...] = ()


def measure(text: str) -> Measure:
    """Count alphabet, units and segments the way Twilio's segment calculator does.

    160 septets or 70 UTF-16 units travel alone; a longer text is cut into parts of 153 or 67, and
    nothing that takes two units, and no grapheme cluster, is cut in two. An empty text is one segment.
    """
    if _not_basic(text) is None:
        units = len(text)
        return Measure("GSM-7", units, 1 if units <= 160 else -(-units // 153))
    if _not_gsm(text) is None:
        septets = _extended.sub("\x1b\\g<0>", text)
        return Measure("GSM-7", len(septets), _septet_parts(septets))
    units = len(text) + len(_astral(text))
    segments = 1 if units <= 70 else _ucs2_parts(text)
    return Measure("UCS-2", units, segments, tuple(dict.fromkeys(_culprits(text))))


def utf16_units(text: str) -> int:
    """Return how many UTF-16 units a text has, the strictest reading of a carrier's "characters"."""
    return len(text) if text.isascii() else len(text) + len(_astral(text))


def _septet_parts(septets: str) -> int:
    """Count parts of a text in which every extension character follows an escape character."""
    length = len(septets)
    if length <= 160:
        return 1
    parts = start = 0
    while start < length:
        start += 153
        if start < length and septets[start - 1] == "\x1b":
            start -= 1
        parts += 1
    return parts


def _ucs2_parts(text: str) -> int:
    parts, used = 1, 0
    for size in _cluster_sizes(text):
        if used and used + size > 67:
            parts += 1
            used = 0
        while size > 67:  # no part can hold the cluster whole
            parts += 1
            size -= 67
        used += size
    return parts


def _cluster_sizes(text: str) -> list[int]:
    """Return the UTF-16 size of each grapheme cluster.

    Marks, variation selectors, skin tones, tags, joined emoji and flags are kept together (UAX #29
    without the rules for Hangul letters and for Thai and Lao vowels, which are rare in decomposed form).
    """
    sizes: list[int] = []
    joined = False  # the character before was a zero width joiner
    flags = 0  # regional indicators in a row
    for character in text:
        code = ord(character)
        size = 2 if code > 0xFFFF else 1
        flags = flags + 1 if code in _regional_indicator else 0
        if sizes and (_extends(character, code) or flags == 2 or (joined and unicodedata.category(character) == "So")):
            sizes[-1] += size
            flags = 0 if flags == 2 else flags
        else:
            sizes.append(size)
        joined = code == 0x200D
    return sizes


def _extends(character: str, code: int) -> bool:
    if code < 0x300:
        return False
    return (
        unicodedata.category(character)[0] == "M"
        or code in (0x200C, 0x200D)
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
    )


def fold(text: str) -> str:
    """Return the text in plain look-alikes if all of it then is GSM-7, else as it was.

    `¡Más café!` becomes `¡Mas café!` (é is in the alphabet, á is not); Arabic or a text with an emoji
    keeps its accents, because folding them would save nothing.
    """
    if _not_gsm(text) is None:
        return text
    composed = unicodedata.normalize("NFC", text)
    plain = {}
    for character in set(_culprits(composed)):
        look_alike = _look_alike(character)
        if look_alike is None:
            return text
        plain[ord(character)] = look_alike
    return composed.translate(plain)


@lru_cache(maxsize=4096)
def _look_alike(character: str) -> str | None:
    """Return GSM-7 characters that read the same, or None."""
    known = _LOOK_ALIKES.get(character)
    if known is not None:
        return known
    parts = unicodedata.normalize("NFKD", character)
    if parts == character:
        return None
    base = "".join(_LOOK_ALIKES.get(part, part) for part in parts if not unicodedata.combining(part))
    return base if base and _not_gsm(base) is None else None


def _groups(*groups: tuple[str, str]) -> dict[str, str]:
    return {character: plain for characters, plain in groups for character in characters}


_LOOK_ALIKES = _groups(
    ("\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u00b4\u0060\u275b\u275c", "'"),
    ("\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb", "'"),
    ("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u02ba\u02ee\u275d\u275e\u301d\u301e", '"'),
    ("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2022\u00b7\u2027\u23bc\u23bd", "-"),
    ("\u2026", "..."),
    ("\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    ("\u000b\u0085\u2028\u2029", "\n"),
    ("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\ufe0e\ufe0f", ""),
    ("\u2044\u2215\u29f8\u00f7", "/"),
    ("\u00d7", "x"),
    ("\u00a9", "(c)"),
    ("\u00ae", "(R)"),
    ("\u00a6\u2223", "|"),
    ("Đ", "D"),
    ("đ", "d"),
    ("Ð", "D"),
    ("ð", "d"),
    ("Ł", "L"),
    ("ł", "l"),
    ("ı", "i"),
    ("Œ", "OE"),
    ("œ", "oe"),
    ("ẞ", "SS"),
    ("Þ", "Th"),
    ("þ", "th"),
    ("Ħ", "H"),
    ("ħ", "h"),
    ("Ŋ", "N"),
    ("ŋ", "n"),
    ("Ŧ", "T"),
    ("ŧ", "t"),
)

"""Tells what a text matched in the customer's own words: `balnce -> balance`. For the explanation only.

Split from `route.py`.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from bot.engine.words import normalise

_LONGEST = 60  #: words; of a longer text nothing is lined up
_SHOWN = 80  #: characters of a customer's words that are shown
ARROW = " -> "


def own_words(text: str, words: str, matched: str) -> str:
    """Return the customer's spelling of `matched`, which stands in `words`, the respelled words of `text`.

    >>> own_words("Do not txt me, ok?", "dont text me ok", "dont text me")
    'do not txt me'
    """
    plain = normalise(text)
    if plain == words or f" {matched} " in f" {plain} ":
        return matched
    read, wanted, written = words.split(" "), matched.split(" "), plain.split(" ")
    if len(read) > _LONGEST:
        return matched
    begin = next((i for i in range(len(read)) if read[i : i + len(wanted)] == wanted), None)
    if begin is None:
        return matched
    if len(read) == len(written):
        return " ".join(written[begin : begin + len(wanted)])
    first, last = len(written), 0
    for tag, i, j, k, m in SequenceMatcher(None, read, written, autojunk=False).get_opcodes():
        low, high = max(i, begin), min(j, begin + len(wanted))
        if low < high:
            first = min(first, k + low - i if tag == "equal" else k)
            last = max(last, k + high - i if tag == "equal" else m)
    return " ".join(written[first:last]) or matched


def taken_for(own: str, meant: str) -> str:
    """Return what was said and, where it differs, what it was taken for."""
    return own[:_SHOWN] if own == meant else f"{own[:_SHOWN]}{ARROW}{meant}"

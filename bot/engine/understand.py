"""A reply to an open question: yes or no, a choice, a number, a date, an address, words.

`understand` answers what was meant and how sure that is: a score of 1.0 is said in so many words, less is a
reading (a wrong spelling, a part of a name). Nothing here looks at commands or opt-outs; `route.py` does
that first. Only this file and `route.py` (with `keywords.py` and `questions.py`, split from it) measure
likeness with rapidfuzz.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rapidfuzz.distance import OSA

from bot.engine import words as spoken
from bot.engine.dates import Day, read_day
from bot.engine.definition import Ask
from bot.engine.lexicon import Lexicon, Replies, known_words
from bot.engine.routing import RunnerUp

INVALID = "invalid"  #: the outcome of what is understood and not allowed
_SURE = 1.0
_READING = 0.9  #: said with other words around it
_TYPO = 0.8
_LONGEST_ANSWER = 12  #: words; more than that is a story, not a choice

_NUMBER = re.compile(r"(?<![\w.,])[-−]?\d{1,9}(?:[.,]\d{1,9})*(?![\w])")
_EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,24}(?![\w-])", re.IGNORECASE)
_STAR = re.compile(r"[⭐★🌟]")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that can be given: what it is called, other words for it, the value it stands for."""

    key: str
    label: str
    words: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Understood:
    """A reply understood. With `outcome="invalid"`, `problem` says why it is not allowed."""

    outcome: str
    value: Any
    matched: str
    score: float = _SURE
    runner_up: RunnerUp | None = None
    problem: str | None = None


def understand(
    ask: Ask, text: str, choices: Sequence[Choice], *, language: str, today: date, lexicon: Lexicon
) -> Understood | None:
    """Return what a text means as the answer to `ask`, or None when it is no answer.

    `choices` are those shown, in their order; "2" means the second. `language` decides whether 3/4 is the 3rd
    of April; `today` is the customer's day.
    """
    match ask.kind:
        case "yes_no":
            return yes_or_no(text, lexicon)
        case "choice":
            return _choice(ask, text, choices, lexicon)
        case "number":
            return _number(ask, text, lexicon)
        case "date":
            return _date(ask, read_day(text, language=language, today=today, lexicon=lexicon), today)
        case "email":
            return _email(text)
        case "text":
            return _text(ask, text, lexicon)
        case "keyword":
            return keyword(ask.keywords, text, lexicon)


def yes_or_no(text: str, lexicon: Lexicon) -> Understood | None:
    """Understand yes or no in five languages, politeness around it and the emoji that stand for them."""
    replies = lexicon.replies
    words = lexicon.words(text)
    if not words:
        return _by_emoji(text, replies)
    for outcome, known in (("yes", replies.yes), ("no", replies.no)):
        if words in known:
            return Understood(outcome, outcome == "yes", words)
    tokens = [token for token in words.split(" ") if token not in replies.around]
    bare = " ".join(tokens)
    if not tokens or len(tokens) > _LONGEST_ANSWER:
        return None
    for outcome, known in (("no", replies.no), ("yes", replies.yes)):
        if bare in known:
            return Understood(outcome, outcome == "yes", bare)
    return _leaning(tokens, replies)


def _leaning(tokens: list[str], replies: Replies) -> Understood | None:
    """Understand `yes go for it` and `no I changed my mind`: how it begins, if nothing turns it round."""
    if not replies.turns.isdisjoint(tokens):
        return None
    begins = _beginning(tokens, replies)
    if begins == "no" or (begins is None and not replies.negations.isdisjoint(tokens) and len(tokens) <= 5):
        says_yes = begins is None and any(token in replies.yes and token not in replies.no for token in tokens)
        ends_no = " ".join(tokens[-3:]) in replies.no or " ".join(tokens[-2:]) in replies.no
        if begins == "no" or (not says_yes and (ends_no or " ".join(tokens[:3]) in replies.no)):
            return Understood("no", False, " ".join(tokens), _READING)
        return None
    if begins == "yes" and replies.negations.isdisjoint(tokens) and len(tokens) <= 6:
        return Understood("yes", True, " ".join(tokens), _READING)
    return None


def _beginning(tokens: list[str], replies: Replies) -> str | None:
    for size in (4, 3, 2, 1):
        if len(tokens) > size:
            head = " ".join(tokens[:size])
            if head in replies.no:
                return "no"
            if head in replies.yes and (size > 1 or len(head) > 1):
                return "yes"
    return None


def _by_emoji(text: str, replies: Replies) -> Understood | None:
    yes = any(emoji in text for emoji in replies.yes_emoji)
    no = any(emoji in text for emoji in replies.no_emoji)
    if yes == no:
        return None
    return Understood("yes" if yes else "no", yes, text.strip()[:8])


def _choice(ask: Ask, text: str, choices: Sequence[Choice], lexicon: Lexicon) -> Understood | None:
    """Understand a number of the list, its place in words, or (a part of) a name, also misspelled."""
    words = lexicon.words(text)
    if not words or not choices:
        return None
    if words.isdecimal() and 1 <= int(words[:4]) <= len(choices):
        return _chosen(ask, choices[int(words) - 1], words)
    names = [[known_words(lexicon, name) for name in (c.label, c.key.replace("_", " "), *c.words)] for c in choices]
    for choice, known in zip(choices, names, strict=True):
        if words in known:
            return _chosen(ask, choice, words)
    tokens = words.split(" ")
    if len(tokens) > _LONGEST_ANSWER:
        return None
    place = _place(tokens, text, len(choices), lexicon.replies)
    if place is not None:
        if 1 <= place <= len(choices):
            return _chosen(ask, choices[place - 1], words)
        return Understood(INVALID, None, words, problem=f"there is no number {place}")
    return _by_name(ask, tokens, choices, names, lexicon.replies)


def _place(tokens: list[str], text: str, count: int, replies: Replies) -> int | None:
    """Return the place in the list a text names, or None; `the second one please` is 2."""
    rest = [token for token in tokens if token not in replies.choosing or token == "one"]
    if len(rest) > 1 and "one" in rest:
        rest.remove("one")
    if not rest:
        rest = [token for token in tokens if token in replies.numbers][:1]
    if len(rest) != 1:
        return None
    word = rest[0]
    if word.isdecimal():
        return int(word) if len(word) <= 3 and "-" not in text[:2] else None
    if word in replies.lasts:
        return count
    return replies.ordinals.get(word, replies.numbers.get(word))


def _by_name(
    ask: Ask, tokens: list[str], choices: Sequence[Choice], names: list[list[str]], replies: Replies
) -> Understood | None:
    rest = [token for token in tokens if token not in replies.choosing]
    if not rest or not replies.negations.isdisjoint(rest) or not replies.turns.isdisjoint(rest):
        return None
    scored = sorted(((_likeness(rest, known), place) for place, known in enumerate(names)), key=lambda s: (-s[0], s[1]))
    (best, place), second = scored[0], scored[1] if len(scored) > 1 else (0.0, -1)
    runner_up = RunnerUp(choices[second[1]].key, names[second[1]][0], second[0]) if second[0] > 0 else None
    if best < 0.5 or best - second[0] < 0.15:
        return None
    found = _chosen(ask, choices[place], " ".join(rest))
    return Understood(found.outcome, found.value, found.matched, min(best, _READING), runner_up)


def _likeness(rest: list[str], names: list[str]) -> float:
    """Say how much of what was said belongs to a name: 1.0 all of it, also misspelled a little less."""
    best = 0.0
    for name in names:
        parts = [part for part in name.split(" ") if part]
        hits = sum(max((_same(token, part) for part in parts), default=0.0) for token in rest)
        covered = sum(max((_same(token, part) for token in rest), default=0.0) for part in parts)
        best = max(best, 0.75 * hits / len(rest) + 0.25 * covered / max(len(parts), 1))
    return best


def _same(token: str, part: str) -> float:
    if token == part:
        return 1.0
    if token.rstrip("s") == part.rstrip("s") and len(part) > 3:
        return 0.95
    if min(len(token), len(part)) < 4:
        return 0.0
    allowed = 1 if len(part) < 7 else 2
    distance = OSA.distance(token, part, score_cutoff=allowed)
    return _TYPO if distance <= allowed and token[0] == part[0] else 0.0


def _chosen(ask: Ask, choice: Choice, matched: str) -> Understood:
    return Understood("chosen" if ask.source else choice.key, choice.value, matched)


def _number(ask: Ask, text: str, lexicon: Lexicon) -> Understood | None:
    """Understand a number in digits, words or stars: `5`, `five`, `4/5`, `I'd say a 4`."""
    replies = lexicon.replies
    stars = len(_STAR.findall(text[:100]))
    words = lexicon.words(text)
    if stars and not words:
        return _within(ask, stars, text.strip()[:20])
    tokens = words.split(" ")
    if len(tokens) > _LONGEST_ANSWER:
        return None
    digits = [found.group() for found in _NUMBER.finditer(words if "." not in text and "," not in text else text)]
    spelled = [replies.numbers[token] for token in tokens if token in replies.numbers]
    sayable = all(t in replies.rating or t in replies.numbers or t.isdecimal() or t in replies.choosing for t in tokens)
    if digits:
        if not sayable or (len(set(digits)) > 1 and not _out_of(tokens, digits, ask)):
            return None
        if not digits[0].lstrip("-−").isdecimal():
            return Understood(INVALID, None, digits[0], problem="not a whole number")
        negative = digits[0] != digits[0].lstrip("-−") or text.strip().startswith("-")
        value = int(digits[0].lstrip("-−"))
        return _within(ask, -value if negative else value, digits[0], _SURE if len(tokens) == 1 else _READING)
    if not spelled or not sayable:
        return None
    said = [n for t, n in zip(tokens, (replies.numbers.get(t) for t in tokens), strict=True) if n is not None]
    strong = [n for t, n in ((t, replies.numbers.get(t)) for t in tokens) if n is not None and t not in replies.rating]
    values = strong or said
    if len(set(values)) > 1:
        return None
    return _within(ask, values[0], " ".join(tokens), _SURE if len(tokens) == 1 else _READING)


def _out_of(tokens: list[str], digits: list[str], ask: Ask) -> bool:
    """Say whether two numbers are `4 out of 5`: the second is the largest that can be given."""
    return len(digits) == 2 and digits[1] in (str(ask.maximum), "5", "10") and tokens[-1] == digits[1]


def _within(ask: Ask, value: int, matched: str, score: float = _SURE) -> Understood:
    if ask.minimum is not None and value < ask.minimum:
        return Understood(INVALID, value, matched, score, problem=f"less than {ask.minimum}")
    if ask.maximum is not None and value > ask.maximum:
        return Understood(INVALID, value, matched, score, problem=f"more than {ask.maximum}")
    return Understood("given", value, matched, score)


def _date(ask: Ask, day: Day | None, today: date) -> Understood | None:
    """Check a date against what is asked: a birthday, a day gone by, a day to come, any."""
    if day is None:
        return None
    if day.value is None:
        return Understood(INVALID, None, day.matched, problem="no such day")
    value = day.placed(today, ask.dates)
    problem = None
    if ask.dates == "birthday" and day.has_year and not today.year - 120 <= value.year <= today.year:
        problem = "not a year somebody could be born in"
    elif ask.dates in ("past", "birthday") and value > today:
        problem = "in the future"
    elif ask.dates == "future" and value < today:
        problem = "in the past"
    if problem:
        return Understood(INVALID, value, day.matched, day.score, problem=problem)
    return Understood("given", value, day.matched, day.score)


def _email(text: str) -> Understood | None:
    found = _EMAIL.search(text[: spoken.LIMIT])
    if found is None:
        return Understood(INVALID, None, text.strip()[:80], problem="not an e-mail address") if "@" in text else None
    address = found.group().strip(".")
    return Understood("given", address, address)


def _text(ask: Ask, text: str, lexicon: Lexicon) -> Understood | None:
    """Take the words as they are, without a phone's signature; of `My name is Ana` only the name."""
    value = " ".join(spoken.unsigned(text).split())
    if not value:
        return None
    if ask.slot == "name":
        value = _name(value, lexicon.replies)
        if not any(c.isalpha() for c in value):
            return Understood(INVALID, None, value[:40], problem="no letters")
    if ask.minimum is not None and len(value) < ask.minimum:
        return Understood(INVALID, value, value[:40], problem=f"shorter than {ask.minimum} characters")
    if ask.maximum is not None and len(value) > ask.maximum:
        return Understood(INVALID, value, value[:40], problem=f"longer than {ask.maximum} characters")
    return Understood("given", value, value[:40], _READING)


def _name(value: str, replies: Replies) -> str:
    pieces = value.split(" ")
    said = [spoken.normalise(piece) for piece in pieces]
    for lead in replies.names:
        size = lead.count(" ") + 1
        for taken in (size, size + 1):  # "I'm" is one piece and two words elsewhere
            if len(pieces) > taken and " ".join(said[:taken]) == lead:
                return " ".join(pieces[taken:]).strip(" .,!")
    return value.strip(' .,!"“”')


def keyword(keywords: Sequence[str], text: str, lexicon: Lexicon, *, fuzzy: bool = True) -> Understood | None:
    """Understand one of some keywords; a wrong spelling only of words of five letters or more."""
    words = lexicon.words(text)
    if not words:
        return None
    known = {known_words(lexicon, word): word for word in keywords}
    if words in known:
        return Understood(known[words].upper(), known[words].upper(), words)
    if words.isdecimal():
        return None
    bare = " ".join(token for token in words.split(" ") if token not in lexicon.replies.around)
    if bare in known:
        return Understood(known[bare].upper(), known[bare].upper(), bare)
    if not fuzzy:
        return None
    near = [word for word in known if len(word) >= 5 and _same(bare, word)]
    if len(near) != 1:
        return None
    return Understood(known[near[0]].upper(), known[near[0]].upper(), bare, _TYPO)

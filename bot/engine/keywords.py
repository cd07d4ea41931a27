"""The flows' keywords: the whole text, any case; then, carefully, a wrong spelling. Split from `route.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from bot.engine.definition import Flow
from bot.engine.lexicon import Lexicon
from bot.engine.routing import RunnerUp
from bot.engine.words import normalise

# Measured on tests/engine/routing/labelled_tune.jsonl: one edit keeps "balnce" and refuses "places"; two edits
# are safe from eight letters on.
_SHORTEST = 5
_TWO_EDITS_FROM = 8
_LONGEST = 24
_TAIL = 7  #: letters a keyword and a word of leaving may not end in alike, to be guessed


@dataclass(frozen=True, slots=True)
class Way:
    """One trigger a keyword or question leads to."""

    flow: str
    trigger: int
    words: str
    languages: frozenset[str]
    takes: bool = False

    @property
    def language(self) -> str | None:
        return next(iter(self.languages)) if len(self.languages) == 1 else None


@dataclass(frozen=True, slots=True)
class Near:
    """The best wrong spelling, the next best of another flow, and whether the guess may be taken."""

    way: Way
    score: float
    runner_up: RunnerUp | None
    taken: bool


@dataclass(frozen=True)
class Keywords:
    """All keywords of all flows, built once."""

    exact: Mapping[str, Way]
    taking: Mapping[str, Way]  #: keywords that take what follows them
    long: tuple[str, ...]
    written: frozenset[str]  #: keywords as the flows spell them; another spelling is a slip
    not_typos: frozenset[str]
    little: frozenset[str]
    _first: frozenset[str] = field(default=frozenset())

    def near(self, words: str) -> Near | None:
        """Return the keyword of which `words` is a wrong spelling. Short words are never guessed."""
        size = len(words)
        if not _SHORTEST <= size <= _LONGEST or words in self.not_typos or words in self.exact:
            return None
        allowed = 2 if size >= _TWO_EDITS_FROM else 1
        found = extract(words, self.long, scorer=OSA.distance, score_cutoff=allowed, limit=6, processor=None)
        if not found:
            return None
        best = self.exact[found[0][0]]
        score = 1 - found[0][1] / max(size, len(best.words))
        other = next((self.exact[word] for word, _, _ in found[1:] if self.exact[word].flow != best.flow), None)
        runner_up = None
        if other is not None:
            distance = next(d for word, d, _ in found if word == other.words)
            runner_up = RunnerUp(other.flow, other.words, 1 - distance / max(size, len(other.words)))
        close = other is not None and next(d for w, d, _ in found if w == other.words) == found[0][1]
        return Near(best, score, runner_up, taken=not close and len(best.words) >= _SHORTEST)

    def with_argument(self, text: str, words: str, lexicon: Lexicon) -> tuple[Way, str] | None:
        """Return the keyword that a text begins with and the code after it: `JOIN ANA42`."""
        if words.split(" ", 1)[0] not in self._first:
            return None
        pieces = text[:200].split()
        for size in (3, 2, 1):
            if len(pieces) <= size or len(pieces) > size + 4:
                continue
            way = self.taking.get(lexicon.words(" ".join(pieces[:size])))
            if way is None:
                continue
            argument = pieces[-1].strip(".,!?\"'“”:;()#")
            between = [lexicon.words(piece) for piece in pieces[size:-1]]
            if _is_code(argument) and all(not word or word in self.little for word in between):
                return way, argument
        return None


def build_keywords(flows: Mapping[str, Flow], lexicon: Lexicon) -> Keywords:
    """Index every keyword of the flows' triggers; of two flows with the same one, the first in order wins."""
    ways: dict[str, Way] = {}
    written: set[str] = set()
    for flow in flows.values():
        for number, trigger in enumerate(flow.triggers):
            for language, keywords in trigger.keywords.items():
                for keyword in keywords:
                    written.add(normalise(keyword))
                    words = lexicon.words(keyword)
                    known = ways.get(words)
                    if known is None:
                        ways[words] = Way(flow.name, number, words, frozenset({language}), trigger.takes is not None)
                    elif known.flow == flow.name:
                        languages = known.languages | {language}
                        takes = known.takes or trigger.takes is not None
                        ways[words] = Way(known.flow, known.trigger, words, languages, takes)
    ways.pop("", None)
    taking = {words: way for words, way in ways.items() if way.takes}
    return Keywords(
        exact=ways,
        taking=taking,
        long=tuple(words for words in ways if len(words) >= _SHORTEST and not _ends_a_stop(words, lexicon)),
        written=frozenset(written),
        not_typos=lexicon.questions.not_typos,
        little=lexicon.questions.little | {"code", "codes", "using", "friend", "referral", "codigo"},
        _first=frozenset(words.split(" ")[0] for words in taking),
    )


def _ends_a_stop(words: str, lexicon: Lexicon) -> bool:
    """Say whether a slip of the finger lies between a keyword and leaving: `subscribe`, `unsubscribe`."""
    word = words.split(" ")[0]
    return any(stop != word and len(stop) > _TAIL and stop[-_TAIL:] == word[-_TAIL:] for stop in lexicon.stops)


def _is_code(piece: str) -> bool:
    if not 3 <= len(piece) <= 20 or not piece.replace("-", "").isalnum():
        return False
    return any(c.isdigit() for c in piece) or (piece.isupper() and len(piece) >= 5)

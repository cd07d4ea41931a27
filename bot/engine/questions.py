"""The flows' questions: natural language compared word by word. Split from `route.py`.

A word weighs more the fewer flows use it. A text matches a phrase by how much of the phrase it says and how
much of it the phrase explains; a phrase of little words only ("who are you") must be said almost in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import log, sqrt

from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from bot.engine.definition import Flow
from bot.engine.keywords import Way
from bot.engine.lexicon import Lexicon
from bot.engine.lexicon import Questions as Lists
from bot.engine.routing import RunnerUp

# Measured on tests/engine/routing/labelled_tune.jsonl, see tests/engine/routing/test_labelled.py.
ENOUGH = 0.60  #: below this a phrase is no match
CLOSE = 0.02  #: two flows nearer than this: no guess
_LITTLE = 0.16  #: what a little word of a phrase weighs
_LITTLE_MORE = 0.05  #: what a little word beyond the phrase weighs
_UNKNOWN = 0.8  #: what a word no flow uses weighs
_TYPO = 0.85  #: a word spelled wrong, as a share of the right one
_TURNED = 0.6  #: the text denies what the phrase says, or the other way round
_OTHERWISE = 0.85  #: the text asks when, the phrase asks where
_SHORT = 0.5  #: a phrase that weighs less must be said in full
_LONGEST = 40  #: words looked at
_GUESSES = 6  #: unknown words for which a wrong spelling is considered


@dataclass(frozen=True, slots=True)
class Asked:
    """The best phrase, its score, the best of another flow, and whether the guess may be taken."""

    way: Way
    score: float
    runner_up: RunnerUp | None
    taken: bool


@dataclass(frozen=True, slots=True)
class _Phrase:
    way: Way
    telling: frozenset[str]
    little: frozenset[str]
    turned: bool
    asks: str | None  #: how, when, where, who, why, what
    weight: float


@dataclass(frozen=True, slots=True)
class _Said:
    """A text sorted into telling words (with how surely each is meant), little words and unknown ones."""

    telling: dict[str, float]
    little: frozenset[str]
    unknown: int
    turned: bool
    asks: str | None


@dataclass(frozen=True)
class Questions:
    """All question phrases of all flows, built once."""

    lists: Lists
    exact: Mapping[str, Way]
    phrases: tuple[_Phrase, ...]
    by_word: Mapping[str, tuple[int, ...]]
    small: tuple[int, ...]  #: phrases without a telling word
    weights: Mapping[str, float]
    vocabulary: Mapping[str, tuple[str, ...]]  #: by first letter, which people rarely get wrong
    known: frozenset[str]

    def best(self, words: str) -> Asked | None:
        """Return the phrase a text comes nearest to, None when nothing is near at all."""
        if (way := self.exact.get(words)) is not None:
            return Asked(way, 1.0, None, taken=True)
        tokens = words.split(" ")[:_LONGEST]
        said, stands_for = self._read(tokens), len(tokens) == 1 and tokens[0] in self.lists.same
        candidates = {number for word in said.telling for number in self.by_word.get(word, ())}
        if not said.telling:
            candidates.update(self.small)
        best_of: dict[str, tuple[float, _Phrase]] = {}
        for number in candidates:
            phrase = self.phrases[number]
            if stands_for and len(phrase.telling | phrase.little) > 1:
                continue  # one word alone has to be the phrase's own: "look" is not "check me in"
            score = self._score(phrase, said)
            if score > best_of.get(phrase.way.flow, (0.0, None))[0]:
                best_of[phrase.way.flow] = (score, phrase)
        if not best_of:
            return None
        ranked = sorted(best_of.values(), key=lambda found: -found[0])
        score, phrase = ranked[0]
        runner_up = RunnerUp(ranked[1][1].way.flow, ranked[1][1].way.words, ranked[1][0]) if len(ranked) > 1 else None
        close = runner_up is not None and score - runner_up.score < CLOSE
        return Asked(phrase.way, score, runner_up, taken=score >= ENOUGH and not close)

    def _read(self, tokens: list[str]) -> _Said:
        telling: dict[str, float] = {}
        little: set[str] = set()
        turned, unknown, guesses = False, 0, _GUESSES
        for token in tokens:
            turned = turned or token in self.lists.turning
            if token in self.lists.little:
                little.add(token)
                continue
            word = concept(token, self.lists)
            if word in self.weights:
                telling[word] = 1.0
            elif guesses > 0 and (near := self._spelled(token)) is not None:
                telling.setdefault(near, _TYPO)
                guesses -= 1
            elif token not in self.lists.turning:
                unknown += 1
                guesses -= 1
        return _Said(telling, frozenset(little), unknown, turned, _asks(tokens, self.lists))

    def _spelled(self, token: str) -> str | None:
        size = len(token)
        if size < 4 or size > 20 or token in self.lists.not_typos or token in self.known or not token.isalpha():
            return None
        words = self.vocabulary.get(token[0], ())
        found = extractOne(token, words, scorer=OSA.distance, score_cutoff=2 if size >= 8 else 1, processor=None)
        if found is None:
            return None
        near = found[0]
        if size <= 5 and len(near) == size and sorted(near) != sorted(token):
            return None  # another letter in a short word makes another word
        return concept(near, self.lists)

    def _score(self, phrase: _Phrase, said: _Said) -> float:
        weights, little = self.weights, said.little
        matched = sum(weights[word] * share for word, share in said.telling.items() if word in phrase.telling)
        matched += len(phrase.little & little) * _LITTLE
        if matched == 0.0:
            return 0.0
        extra = sum(weights[word] for word in said.telling if word not in phrase.telling)
        extra += said.unknown * _UNKNOWN + len(little - phrase.little) * _LITTLE_MORE
        score = sqrt(min(1.0, matched / phrase.weight) * (matched / (matched + extra)))
        if said.turned != phrase.turned:
            score *= _TURNED
        if said.asks != phrase.asks and said.asks is not None and phrase.asks is not None:
            score *= _OTHERWISE
        if phrase.weight < _SHORT and score < 0.93:
            return 0.0
        return score


def _asks(tokens: list[str], lists: Lists) -> str | None:
    return next((lists.asking[token] for token in tokens if token in lists.asking), None)


def concept(word: str, lists: Lists) -> str:
    """Return the word that stands for all forms of it: `expiring`, `expires` and `expire` are one."""
    same = lists.same.get(word)
    if same is not None:
        return same
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def build_questions(flows: Mapping[str, Flow], lexicon: Lexicon) -> Questions:
    """Index every question of the flows' triggers, and their keywords as short questions."""
    lists = lexicon.questions
    same = {variant: concept(word, lists) for variant, word in lists.same.items()}
    same |= {word: concept(word, lists) for word in lists.same.values() if word not in same}
    lists = replace(lists, same=same)
    ways = list(_ways(flows, lexicon))
    flows_of: dict[str, set[str]] = {}
    for way in ways:
        for token in way.words.split(" "):
            if token not in lists.little:
                flows_of.setdefault(concept(token, lists), set()).add(way.flow)
    weights = {word: 0.45 + log(1 + len(flows) / len(names)) / log(1 + len(flows)) for word, names in flows_of.items()}
    phrases = tuple(_phrase(way, lists, weights) for way in ways)
    by_word: dict[str, list[int]] = {}
    for number, phrase in enumerate(phrases):
        for word in phrase.telling:
            by_word.setdefault(word, []).append(number)
    spoken = {token for way in ways for token in way.words.split(" ") if token not in lists.little}
    long_words = {word for word in spoken | set(same) if len(word) >= 4}
    vocabulary: dict[str, tuple[str, ...]] = {}
    for word in sorted(long_words):
        if concept(word, lists) in weights:
            vocabulary[word[0]] = (*vocabulary.get(word[0], ()), word)
    return Questions(
        lists=lists,
        exact={way.words: way for way in reversed(ways)},
        phrases=phrases,
        by_word={word: tuple(numbers) for word, numbers in by_word.items()},
        small=tuple(number for number, phrase in enumerate(phrases) if not phrase.telling),
        weights=weights,
        vocabulary=vocabulary,
        known=frozenset(spoken) | frozenset(same) | lists.little,
    )


def _ways(flows: Mapping[str, Flow], lexicon: Lexicon) -> Iterable[Way]:
    for flow in flows.values():
        for number, trigger in enumerate(flow.triggers):
            for language, questions in trigger.questions.items():
                for question in questions:
                    if words := lexicon.words(question):
                        yield Way(flow.name, number, words, frozenset({language}))


def _phrase(way: Way, lists: Lists, weights: Mapping[str, float]) -> _Phrase:
    tokens = way.words.split(" ")
    telling = frozenset(concept(token, lists) for token in tokens if token not in lists.little)
    telling &= weights.keys()
    little = frozenset(token for token in tokens if token in lists.little)
    weight = sum(weights[word] for word in telling) + len(little) * _LITTLE
    turned = any(token in lists.turning for token in tokens)
    return _Phrase(way, telling, little, turned, _asks(tokens, lists), weight)

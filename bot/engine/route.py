"""Which way a text goes, and why: compliance, leaving, the open question, keywords, questions, help.

The order is the promise: nothing a flow declares can come before STOP. Every answer names its rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rapidfuzz.distance import OSA

from bot.engine import holding, leaving
from bot.engine.definition import Flow
from bot.engine.keywords import Near, Way, build_keywords
from bot.engine.lexicon import Lexicon, Word
from bot.engine.questions import Asked, build_questions
from bot.engine.routing import Decided, Routing, RunnerUp
from bot.engine.standing import Standing
from bot.engine.telling import own_words, taken_for
from bot.engine.understand import INVALID, Understood, keyword, understand
from bot.engine.words import LIMIT, fold, normalise

_DECIDED: Mapping[str, Decided] = {"stop": "opt_out", "start": "opt_in", "help": "help", "unsure": "opt_out_confirm"}
_QUOTES = frozenset('"“”„«‹‘')
_SENT_THINGS = frozenset({"image", "photo", "picture", "message", "movie", "video", "attachment", "link", "sticker"})

_MISSPELLED = 0.9  #: the score of a compliance word in a wrong spelling that is listed

# A free answer may be almost anything, so that only a question said nearly in full interrupts it.
_SURE_QUESTION = 0.9


class Router:
    """Routes texts by the word lists and the flows' triggers; built once for a set of flows, never changes."""

    def __init__(self, lexicon: Lexicon, flows: Mapping[str, Flow]) -> None:
        self.lexicon = lexicon
        self.flows = dict(flows)
        self.keywords = build_keywords(flows, lexicon)
        self.questions = build_questions(flows, lexicon)
        self._compliance: dict[str, tuple[str, int]] = {}
        for flow in flows.values():
            for number, trigger in enumerate(flow.triggers):
                if trigger.compliance is not None:
                    self._compliance.setdefault(trigger.compliance, (flow.name, number))

    def route(self, text: str, standing: Standing) -> Routing:
        """Return the way of one text. Never raises for what stands in it."""
        text = text[:LIMIT]
        if standing.opt_out_type is not None:
            kind = standing.opt_out_type.lower()
            return self._comply(kind, f"carrier.{kind}", standing.opt_out_type)
        words = self.lexicon.words(text)
        routing = self._comply_with_words(text, words, standing)
        if routing is not None:
            quiet = standing.held and not holding.speaks(routing, standing.consent)
            return holding.held_back(routing) if quiet else routing
        if self._is_tapback(text, words):
            return Routing("ignore", "tapback", matched=text[:40])
        verdict = leaving.judge(self.lexicon, text, words) if words else None
        if verdict is not None and (verdict.level == "leave" or self._repeats_doubt(text, standing, verdict)):
            rule = "opt_out.phrase" if verdict.level == "leave" else "opt_out.doubt"
            return self._judged("stop", rule, text, words, verdict)
        if standing.consent == "unsubscribed":
            return Routing("ignore", "opted_out")
        if standing.held:
            doubtful = verdict is not None and verdict.level == "perhaps"
            return Routing("hold", holding.DOUBT if doubtful else self._held(text, words))
        if verdict is not None and verdict.level == "perhaps":
            return self._judged("unsure", "opt_out.perhaps", text, words, verdict)
        return self._converse(text, words, standing, verdict)

    def _comply_with_words(self, text: str, words: str, standing: Standing) -> Routing | None:
        """Answer the words that decide alone: stop, start, help."""
        if not words:
            if standing.consent != "unsubscribed" and any(emoji in text for emoji in self.lexicon.unsure_emoji):
                kind = "stop" if standing.doubt else "unsure"
                return self._comply(kind, "compliance.emoji", text.strip()[:8])
            return None
        found = leaving.compliance(self.lexicon, words)
        if found is not None and (found[0].kind != "start" or self._may_start(found, standing)):
            word, matched = found
            shown = taken_for(own_words(text, words, matched), matched)
            return replace(
                self._comply(word.kind, _rule(word), shown, word.language), score=_MISSPELLED if word.typo else 1.0
            )
        taken = self.keywords.with_argument(text, words, self.lexicon)
        if taken is not None and self._trigger_kind(taken[0]) == "start":
            way, argument = taken
            return replace(self._begin(way, "compliance.start", 1.0), argument=argument)
        return None

    def _repeats_doubt(self, text: str, standing: Standing, verdict: leaving.Verdict) -> bool:
        """Say whether a doubtful text settles an open doubt; "cancel that" may answer another flow's question."""
        if not standing.doubt:
            return False
        asking, expected = self._compliance.get("unsure"), standing.expectation
        elsewhere = expected is not None and (asking is None or expected.flow != asking[0])
        return not (verdict.level == "yields" and elsewhere and self._reply(text, standing) is not None)

    def _may_start(self, found: tuple[Word, str], standing: Standing) -> bool:
        return standing.consent != "unsubscribed" or found[1] in self.lexicon.returns

    def _converse(self, text: str, words: str, standing: Standing, verdict: leaving.Verdict | None) -> Routing:
        """Find who answers a text of somebody who may be talked to and did not ask to leave."""
        understood = self._reply(text, standing)
        if understood is not None and (understood[1].score >= 1.0 or verdict is not None):
            return self._answer(*understood, standing)
        if verdict is not None:
            return self._judged("unsure", "opt_out.perhaps", text, words, verdict)
        if not words and understood is not None:
            return self._answer(*understood, standing)
        pleasantry = self._pleasantry(text, words, standing) if understood is None else None
        if pleasantry is not None:
            return pleasantry
        if not words:
            return Routing("fallback", "picture" if standing.has_media else "empty", score=0.0)
        exact = self._exact(text, words)
        if exact is not None:
            return exact
        asked: Asked | None = None
        if understood is not None:
            free = understood[0] == "text"
            asked = self.questions.best(words) if free else None
            if asked is None or not asked.taken or asked.score < _SURE_QUESTION:
                return self._answer(*understood, standing)
        return self._guess(text, words, asked or self.questions.best(words))

    def _held(self, text: str, words: str) -> str:
        """Return the rule for a text that a person answers; thanks need no answer."""
        found = self.lexicon.courtesies.kind(text, words)
        return holding.THANKS if found is not None and found.kind == "thanks" else holding.HELD

    def _pleasantry(self, text: str, words: str, standing: Standing) -> Routing | None:
        """Leave thanks alone and answer a greeting with help, when no question is open."""
        asked = standing.expectation is not None and standing.expectation.ask is not None
        if asked or standing.has_media or words in self.keywords.exact:
            return None
        found = self.lexicon.courtesies.kind(text, words)
        if found is None:
            return None
        if found.kind == "thanks":
            return Routing("ignore", "pleasantry", matched=text.strip()[:40])
        return (
            self._comply("help", "greeting", text.strip()[:40], found.language) if "help" in self._compliance else None
        )

    def _reply(self, text: str, standing: Standing) -> tuple[str, Understood] | None:
        """Understand a text as what the open conversation waits for; with the kind of answer it is."""
        expected = standing.expectation
        if expected is None:
            return None
        if expected.listen:
            heard = keyword(expected.listen, text, self.lexicon)
            if heard is not None:
                outcome = next(word for word in expected.listen if word.upper() == heard.outcome)
                heard = replace(heard, outcome=outcome, value=None)
                if heard.score >= 1.0 or expected.ask is None:
                    return "keyword", heard
        if expected.ask is None:
            return None
        found = understand(
            expected.ask,
            text,
            expected.choices,
            language=standing.language,
            today=standing.today,
            lexicon=self.lexicon,
        )
        return None if found is None else (expected.ask.kind, found)

    def _answer(self, kind: str, found: Understood, standing: Standing) -> Routing:
        expected = standing.expectation
        assert expected is not None
        return Routing(
            "reply",
            f"reply.{kind}",
            matched=found.matched,
            score=found.score,
            runner_up=found.runner_up,
            flow=expected.flow,
            intent=_intent(kind, found),
            outcome=found.outcome,
            value=found.value,
            language=self._spoken(kind, found),
            problem=found.problem,
        )

    def _spoken(self, kind: str, found: Understood) -> str | None:
        """Return the language of a yes or no that only one language has."""
        if kind != "yes_no":
            return None
        replies = self.lexicon.replies
        languages = (replies.yes if found.value else replies.no).get(found.matched, "")
        return languages if languages and " " not in languages else None

    def _exact(self, text: str, words: str) -> Routing | None:
        way = self.keywords.exact.get(words)
        if way is None and " " in words:
            bare = " ".join(token for token in words.split(" ") if token not in self.lexicon.replies.around)
            way = self.keywords.exact.get(bare)
        if way is not None:
            return self._spelled(text, words, way)
        taken = self.keywords.with_argument(text, words, self.lexicon)
        if taken is not None:
            return replace(self._begin(taken[0], "keyword.exact", 1.0), argument=taken[1])
        return None

    def _spelled(self, text: str, words: str, way: Way) -> Routing:
        """Begin by a keyword, saying whether it was written so or read so: `balnce -> balance`."""
        own = own_words(text, words, way.words)
        if own == way.words or own in self.keywords.written:
            return self._begin(way, "keyword.exact", 1.0)
        near = 1 - OSA.distance(own, way.words) / max(len(own), len(way.words))
        return replace(self._begin(way, "keyword.typo", near), matched=taken_for(own, way.words))

    def _guess(self, text: str, words: str, asked: Asked | None) -> Routing:
        """Take a wrong spelling of a keyword, or a question, when the guess is good enough."""
        if asked is not None and asked.score >= 1.0:
            return self._asked(text, asked)
        bare = " ".join(token for token in words.split(" ") if token not in self.lexicon.replies.around)
        near = self.keywords.near(bare)
        if near is not None and near.taken and self._trigger_kind(near.way) is None:
            shown = taken_for(own_words(text, words, bare), near.way.words)
            return replace(self._begin(near.way, "keyword.fuzzy", near.score), matched=shown, runner_up=near.runner_up)
        if asked is not None and asked.taken:
            return self._asked(text, asked)
        return Routing("fallback", "fallback", score=0.0, runner_up=_best_guess(near, asked))

    def _asked(self, text: str, asked: Asked) -> Routing:
        shown = taken_for(normalise(text), asked.way.words)
        return replace(self._begin(asked.way, "question", asked.score), matched=shown, runner_up=asked.runner_up)

    def _begin(self, way: Way, rule: str, score: float) -> Routing:
        kind = self._trigger_kind(way)
        return Routing(
            _DECIDED.get(kind or "", "flow"),
            rule,
            matched=way.words,
            score=score,
            flow=way.flow,
            trigger=way.trigger,
            intent=self.flows[way.flow].intent,
            language=way.language if way.language != "en" or rule == "question" else None,
        )

    def _trigger_kind(self, way: Way) -> str | None:
        return self.flows[way.flow].triggers[way.trigger].compliance

    def _comply(self, kind: str, rule: str, matched: str, language: str | None = None) -> Routing:
        flow, trigger = self._compliance.get(kind, (None, None))
        intent = self.flows[flow].intent if flow is not None else kind
        return Routing(_DECIDED[kind], rule, matched, flow=flow, trigger=trigger, intent=intent, language=language)

    def _judged(self, kind: str, rule: str, text: str, words: str, verdict: leaving.Verdict) -> Routing:
        matched = own_words(text, words, verdict.matched)
        return replace(self._comply(kind, rule, matched), notes=(verdict.rule,))

    def _is_tapback(self, text: str, words: str) -> bool:
        if _QUOTES.isdisjoint(text) and words.rsplit(" ", 1)[-1] not in _SENT_THINGS:
            return False
        return self.lexicon.tapback.match(fold(text)) is not None


def _rule(word: Word) -> str:
    return f"compliance.{word.kind}.typo" if word.typo else f"compliance.{word.kind}"


def _intent(kind: str, found: Understood) -> str:
    """Name a reply: yes, no, choice, number, date, email, text, or the keyword heard."""
    if kind == "keyword" or (kind == "yes_no" and found.outcome != INVALID):
        return found.outcome.lower()
    return kind


def _best_guess(near: Near | None, asked: Asked | None) -> RunnerUp | None:
    guesses = [(g.score, g.way) for g in (near, asked) if g is not None]
    if not guesses:
        return None
    score, way = max(guesses, key=lambda guess: guess[0])
    return RunnerUp(way.flow, way.words, score)

"""Why the bot answered as it did: a message's stored explanation as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from textwrap import dedent
from typing import Any

from bot.desk.conditions import instead
from bot.desk.said import Said
from storage.rows import Row

DECISIONS: Mapping[str, Said] = {
    "opt_out": Said("Wants to leave: opted out"),
    "opt_out_confirm": Said("Perhaps wants to leave: asked back once, no marketing meanwhile"),
    "opt_in": Said("Wants to join or come back"),
    "help": Said("Asks for help"),
    "flow": Said("Starts something"),
    "reply": Said("Answers what was asked"),
    "fallback": Said("Not understood"),
    "ignore": Said("Nothing to answer"),
    "hold": Said("A person has the conversation: the bot stayed silent"),
}
RULES: Mapping[str, Said] = {
    "carrier.stop": Said("The carrier itself read it as STOP."),
    "carrier.start": Said("The carrier itself read it as START."),
    "carrier.help": Said("The carrier itself read it as HELP."),
    "compliance.stop": Said("A word that means leaving decides alone, before anything else."),
    "compliance.start": Said("A word that means joining decides alone."),
    "compliance.help": Said("A word that asks for help decides alone."),
    "compliance.unsure": Said("A word that may mean leaving: we ask back once."),
    "compliance.emoji": Said("An emoji that may mean leaving."),
    "opt_out.phrase": Said("A sentence that says they want to leave."),
    "opt_out.doubt": Said("We had asked back, and this settles that they want to leave."),
    "opt_out.perhaps": Said("A sentence that may mean leaving: in doubt we ask back once."),
    "tapback": Said("A reaction to a text, not a text."),
    "opted_out": Said("They have opted out, so nothing is answered."),
    "held": Said("Somebody of the staff has the conversation."),
    "pleasantry": Said("Thanks, or another pleasantry: nobody wants an answer to that."),
    "greeting": Said("A greeting is answered with what the bot can do."),
    "keyword.exact": Said("A keyword of the flow, as written."),
    "keyword.typo": Said("A keyword of the flow, with a slip of spelling."),
    "keyword.fuzzy": Said("Close to a keyword of the flow, and to no other."),
    "question": Said("Close to a question the flow answers."),
    "fallback": Said("Nothing was close enough to guess."),
    "empty": Said("There were no words in it."),
    "picture": Said("A picture without words."),
    "reply.yes_no": Said("Yes or no was asked, and this is one of them."),
    "reply.choice": Said("A choice was asked, and this names one."),
    "reply.number": Said("A number was asked, and this is one."),
    "reply.date": Said("A date was asked, and this is one."),
    "reply.email": Said("An e-mail address was asked, and this is one."),
    "reply.text": Said("Free words were asked, so this is taken as it stands."),
    "reply.keyword": Said("A word the open conversation listens for."),
}
ANSWERS: Mapping[str, Said] = {  #: intents of answers, see bot/engine/route.py
    "yes": Said("yes"),
    "no": Said("no"),
    "choice": Said("one of the choices"),
    "number": Said("a number"),
    "date": Said("a date"),
    "email": Said("an e-mail address"),
    "text": Said("free words"),
}
_MOST_LINES = 3
_TYPO = Said("A word that decides alone, in a spelling we know.")
EFFECTS: Mapping[str, Said] = {
    "SendMessage": Said("says something"),
    "RecordConsent": Said("records consent"),
    "AddEntry": Said("changes points"),
    "IssueVoucher": Said("gives a voucher"),
    "RevokeVoucher": Said("takes a voucher back"),
    "TakeStock": Said("takes from stock"),
    "SetAttribute": Said("notes a fact"),
    "SetMark": Said("remembers it was given"),
    "AddTag": Said("adds a tag"),
    "RemoveTag": Said("removes a tag"),
    "SetTimer": Said("sets a timer"),
    "CancelTimers": Said("cancels reminders"),
    "CancelPending": Said("holds back what was queued"),
    "RequestPerson": Said("asks for a person"),
    "RecordFact": Said("records an event"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow taken, with the line of the file that says so."""

    flow: str  #: its title
    source: str | None  #: state left; None: the flow began
    outcome: str
    target: str | None
    place: str  #: `redeem.yaml:31`
    refused: tuple[Said, ...]  #: what was so on the way, where other arrows wanted it otherwise
    lines: str | None = None  #: what stands there in the revision it went by, three lines at most
    revision: Row | None = None

    @property
    def version(self) -> str | None:
        """Return what tells revisions apart: the beginning of the text's digest."""
        return self.revision["digest"][:7] if self.revision is not None else None


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The next best reading."""

    what: str
    matched: str
    score: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one text was answered as it was."""

    gist: Said
    decision: str | None = None
    intent: str | None = None
    intent_said: Said | str | None = None  #: a flow's title, or what was answered
    rule: str | None = None
    rule_said: Said | None = None
    matched: str | None = None
    score: float = 0.0
    runner_up: RunnerUp | None = None
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    effects: tuple[tuple[Said, int], ...] = ()  #: what it did, and how often
    error: str | None = None


def explain(why: Mapping[str, Any], titles: Mapping[str, str], revisions: Mapping[str, Row]) -> Explanation:
    """Return a stored explanation in words; `titles` and `revisions` are those of its flows, by name.

    A flow's title may stand under its intent, too.
    """
    steps = tuple(_step(step, titles, revisions) for step in why.get("steps") or ())
    other = why.get("runner_up")
    rule = why.get("rule")
    return Explanation(
        gist=_gist(why, titles),
        decision=why.get("decision"),
        intent=why.get("intent"),
        intent_said=_intent_said(why.get("intent"), titles),
        rule=rule,
        rule_said=_rule_said(rule),
        matched=why.get("matched"),
        score=float(why.get("score") or 0),
        runner_up=RunnerUp(titles.get(other["what"], other["what"]), other["matched"], other["score"])
        if other
        else None,
        notes=tuple(why.get("notes") or ()),
        steps=steps,
        effects=_counted(why.get("effects") or ()),
        error=why.get("error"),
    )


def _gist(why: Mapping[str, Any], titles: Mapping[str, str]) -> Said:
    if why.get("error"):
        return Said("Something broke; the text is kept and the customer was told politely")
    begun = next((step["flow"] for step in why.get("steps") or () if step.get("from") is None), None)
    if why.get("decision") == "flow" and begun:
        return Said("Starts “{flow}”", {"flow": titles.get(begun, begun)})
    decision = str(why.get("decision") or "")
    return DECISIONS.get(decision) or Said("Recorded")


def _intent_said(intent: str | None, titles: Mapping[str, str]) -> Said | str | None:
    return None if intent is None else titles.get(intent) or ANSWERS.get(intent) or intent.replace("_", " ")


def _rule_said(rule: str | None) -> Said | None:
    if rule is None:
        return None
    return RULES.get(rule) or (_TYPO if rule.endswith(".typo") else None)


def _step(step: Mapping[str, Any], titles: Mapping[str, str], revisions: Mapping[str, Row]) -> Step:
    revision = revisions.get(step["flow"])
    place = step.get("at") or ""
    return Step(
        flow=titles.get(step["flow"], step["flow"]),
        source=step.get("from"),
        outcome=step.get("outcome") or "",
        target=step.get("to"),
        place=place,
        refused=tuple(instead(condition) for condition in step.get("refused") or ()),
        lines=_lines(revision, place),
        revision=revision,
    )


def _lines(revision: Row | None, place: str) -> str | None:
    """Return the line of a place and those that belong to it: they are indented further."""
    number = place.rpartition(":")[2]
    if revision is None or not number.isdigit():
        return None
    first, *rest = revision["source"].splitlines()[max(int(number) - 1, 0) :] or [""]
    within = takewhile(lambda line: line.strip() and _indent(line) > _indent(first), rest)
    return dedent("\n".join([first, *islice(within, _MOST_LINES - 1)])).rstrip() or None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _counted(names: tuple[str, ...] | list[str]) -> tuple[tuple[Said, int], ...]:
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    return tuple((EFFECTS.get(name) or Said(name), times) for name, times in counted.items())

"""Plays transcripts and says where the conversation went another way than written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.engine.decision import Decision
from bot.transcripts.casting import PHONE
from bot.transcripts.script import Saying, ScriptStep, Transcript
from bot.transcripts.stage import Play, Sent, Stage


@dataclass(slots=True)
class Result:
    """How one transcript went."""

    transcript: Transcript
    problems: list[str] = field(default_factory=list)  #: each begins with `file:line`
    said: list[Sent] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  #: the conversation as it really went

    @property
    def passed(self) -> bool:
        return not self.problems

    def report(self) -> str:
        """Return the problems and, under them, the conversation as it went."""
        return "\n".join([*self.problems, "", "The conversation went:", *(f"  {line}" for line in self.log)])


def run_transcript(stage: Stage, transcript: Transcript) -> Result:
    """Play one transcript; stop at the first line that does not fit."""
    result = Result(transcript)
    play = stage.play(transcript.given)
    waiting: list[Sent] = []
    for step in transcript.steps:
        if step.kind != "bot" and waiting and step.kind != "expect":
            result.problems.append(f"{_at(step)}: before this line the bot also said {waiting[0].body!r}")
            break
        if not _take(step, play, waiting, result):
            break
    else:
        if waiting:
            result.problems.append(f"{_at(step)}: after this line the bot also said {waiting[0].body!r}")
    result.decisions = play.turns.decisions
    broken = [decision.error for decision in result.decisions if decision.error]
    result.problems += [f"{_at(step)}: a flow broke: {error}" for error in broken]
    return result


def _at(step: ScriptStep) -> str:
    return f"{step.place.file}:{step.place.line}"


def _take(step: ScriptStep, play: Play, waiting: list[Sent], result: Result) -> bool:
    """Play one line; False when it does not fit."""
    if step.kind == "bot":
        return _compare(step, waiting, result)
    if step.kind == "expect":
        return _expect(step, play, result)
    said: Sequence[Sent]
    if step.kind == "customer":
        picture = step.value["picture"] if isinstance(step.value, dict) else None
        result.log.append(f"customer: {step.value if picture is None else '[picture]'}")
        said = play.text("" if picture else step.value, [picture] if picture else [])
    elif step.kind == "event":
        name, data = step.value
        result.log.append(f"event: {name} {data}")
        said = play.record(name, data)
    elif step.kind == "till":
        result.log.append("till: the newest code is used")
        play.use_voucher()
        said = []
    else:
        result.log.append(f"wait: {step.value}")
        said = play.wait(step.value)
    ours = [sent for sent in said if sent.to == PHONE]
    result.said += said
    result.log += [f"     bot: {sent.body}" for sent in ours]
    waiting.extend(ours)
    return True


def _compare(step: ScriptStep, waiting: list[Sent], result: Result) -> bool:
    expected: Saying = step.value
    if expected.match == "nothing":
        if not waiting:
            return True
        result.problems.append(f"{_at(step)}: expected no text, the bot said {waiting[0].body!r}")
        return False
    if not waiting:
        result.problems.append(f"{_at(step)}: expected {expected}, the bot said nothing")
        return False
    said = waiting.pop(0)
    if expected.fits(said.body) and expected.picture in (None, said.picture):
        return True
    along = f" with {said.picture or 'no picture'}" if expected.picture else ""
    result.problems.append(f"{_at(step)}:\n  expected {expected}\n  but said {said.body!r}{along}")
    return False


def _expect(step: ScriptStep, play: Play, result: Result) -> bool:
    true_now = play.facts()
    before = len(result.problems)
    for name, wanted in step.value.items():
        found = true_now.get(name)
        if not _same(wanted, found):
            result.problems.append(f"{_at(step)}: expected {name} {wanted!r}, found {found!r}")
    return len(result.problems) == before


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_same(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and sorted(map(str, wanted)) == sorted(map(str, found))
    if wanted == "none" and found is None:
        return True
    if isinstance(wanted, str) and isinstance(found, str):
        return Saying("whole", wanted).fits(found)
    return bool(wanted == found)

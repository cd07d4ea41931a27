"""Reading and playing transcripts: mistakes are named by their line, and a wrong line fails."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.transcripts import Coverage, Stage, read_transcripts, run_transcript
from bot.transcripts.script import Saying

GOOD = """
- transcript: Alice asks
  given: {consent: subscribed, points: 120, last_purchase: 200 days ago}
  steps:
    - customer: BALANCE
    - bot: {contains: 120 points}
    - wait: 3d
    - expect: {points: 120}
"""


def test_it_reads_a_transcript() -> None:
    """Steps keep their kind, value and line; spans become timedeltas."""
    (transcript,), findings = read_transcripts(GOOD, "t.test.yaml")
    assert findings == []
    assert transcript.title == "Alice asks"
    assert transcript.given["last_purchase"] == timedelta(days=200)
    assert [(step.kind, step.place.line) for step in transcript.steps] == [
        ("customer", 5),
        ("bot", 6),
        ("wait", 7),
        ("expect", 8),
    ]
    assert transcript.steps[2].value == timedelta(days=3)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("- transcript: x\n  steps:\n    - custmer: HI\n", 3, "did you mean 'customer'"),
        ("- transcript: x\n  given: {pionts: 3}\n  steps: [{customer: HI}]\n", 2, "did you mean 'points'"),
        ("- transcript: x\n  steps:\n    - wait: soon\n", 3, "write a duration"),
        ("- transcript: x\n  steps:\n    - expect: {state: a, balanse: 3}\n", 3, "unknown key 'balanse'"),
        ("- transcript: x\n  steps:\n    - bot: {matches: '('}\n", 3, "not a regular expression"),
        ("- transcript: x\n  steps:\n    - bot: {says: hi}\n", 3, "expected a text, `nothing`"),
        ("- transcript: x\n  steps:\n    - till: card\n", 3, "till: voucher"),
        ("- transcript: x\n  given: {last_purchase: lately}\n  steps: [{customer: HI}]\n", 2, "200 days ago"),
        ("- transcript: x\n", 1, "needs `steps`"),
        ("- transcript: x\n  steps: []\n", 2, "`steps` is a list"),
        ("transcript: x\n", 1, "is a list"),
        ("- transcript: x\n  steps: [{wait: 1h}]\n- transcript: x\n  steps: [{wait: 1h}]\n", 3, "two transcripts"),
        ("- transcript: [\n", 2, ""),
    ],
)
def test_it_names_a_mistake_by_its_line(text: str, line: int, words: str) -> None:
    """Each mistake is a finding with the line it stands on and what to do."""
    _, findings = read_transcripts(text, "t.test.yaml")
    assert findings
    assert findings[0].place.line == line
    assert words in findings[0].message


@pytest.mark.parametrize(
    ("saying", "said", "fits"),
    [
        (Saying("whole", "Enjoy! ...until ..."), "Enjoy! Free latte\nuntil Apr 1", True),
        (Saying("whole", "Enjoy!"), "Enjoy! More", False),
        (Saying("whole", "a.c"), "abc", False),
        (Saying("contains", "latte"), "Free latte", True),
        (Saying("matches", "^Free"), "A Free latte", False),
    ],
)
def test_it_compares_what_was_said(saying: Saying, said: str, fits: bool) -> None:
    """A whole text may skip with three dots; every other sign stands for itself."""
    assert saying.fits(said) is fits


def _play(stage: Stage, steps: str) -> list[str]:
    text = f"- transcript: x\n  given: {{consent: subscribed, points: 120}}\n  steps:\n{steps}"
    (transcript,), findings = read_transcripts(text, "t.test.yaml")
    assert findings == []
    return run_transcript(stage, transcript).problems


def test_it_passes_when_everything_fits(stage: Stage) -> None:
    """No problems for a conversation that goes as written."""
    steps = "    - customer: BALANCE\n    - bot: {contains: 120 points}\n    - expect: {points: 120}\n"
    assert _play(stage, steps) == []


@pytest.mark.parametrize(
    ("steps", "line", "words"),
    [
        ("    - customer: BALANCE\n    - bot: Hello\n", 5, "expected 'Hello'"),
        ("    - customer: BALANCE\n    - bot: nothing\n", 5, "expected no text"),
        ("    - customer: BALANCE\n    - customer: BALANCE\n", 5, "the bot also said"),
        ("    - customer: BALANCE\n", 4, "the bot also said"),
        ("    - wait: 1h\n    - bot: Hello\n", 5, "the bot said nothing"),
        ("    - wait: 1h\n    - expect: {points: 3, consent: none}\n", 5, "expected points 3, found 120"),
    ],
)
def test_it_fails_where_the_conversation_differs(stage: Stage, steps: str, line: int, words: str) -> None:
    """The first problem names the line of the transcript and what happened instead."""
    problems = _play(stage, steps)
    assert problems[0].startswith(f"t.test.yaml:{line}:")
    assert words in problems[0]


def test_it_plays_each_transcript_on_a_clean_stage(stage: Stage) -> None:
    """Nothing of one transcript is left for the next."""
    steps = "    - customer: BALANCE\n    - bot: '...120...'\n    - customer: REDEEM\n    - bot: '...'\n"
    assert _play(stage, steps) == []
    assert _play(stage, steps) == []


def test_coverage_counts_what_was_not_visited(stage: Stage) -> None:
    """Without any transcript everything is missing, and the report says so by file and line."""
    coverage = Coverage(stage.book.flows)
    assert ("stop", "state", "left") in coverage.missing()
    assert "not covered: state left" in coverage.report()

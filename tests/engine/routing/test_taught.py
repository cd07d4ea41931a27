"""What staff taught: texts that were misunderstood once; README.md says how they come here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.routing.test_judged import is_right, routed
from tests.engine.routing.test_labelled import read

FIELDS = {"text", "decision", "intent", "kind", "lang", "state", "consent", "waiting"}
LESSONS = read("taught")


@pytest.mark.parametrize("lesson", LESSONS, ids=[lesson["text"][:40] for lesson in LESSONS])
def test_it_knows_what_it_was_taught(lesson: dict[str, Any]) -> None:
    """A lesson is understood as it was taught; one that waits is not yet, else its mark is to be taken away."""
    found = routed(lesson)
    outcome = f"{lesson['text']!r} is {found.decision}/{found.intent} by {found.rule}"
    assert is_right(lesson, found) is not lesson.get("waiting", False), outcome


def test_the_lessons_have_the_fields_of_the_other_lists() -> None:
    """Every line has words, a decision, a language and nothing about the customer."""
    for lesson in LESSONS:
        assert set(lesson) <= FIELDS, json.dumps(lesson)
        assert lesson["text"].strip()
        assert lesson["lang"]

"""Replies to open questions."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bot.engine.dates import NO_YEAR
from bot.engine.definition import Ask
from bot.engine.understand import Choice, Understood, understand
from bot.lexicon import load
from tests.engine.routing.standing import HERE, REWARDS, TODAY

LEXICON = load()


def ask(
    kind: Any, text: str, choices: tuple[Choice, ...] = (), *, language: str = "en", **more: Any
) -> Understood | None:
    return understand(Ask(kind, HERE, **more), text, choices, language=language, today=TODAY, lexicon=LEXICON)


@pytest.mark.parametrize(
    "text",
    [
        "yes", "YES!!", "y", "yeah sure", "yep", "yup", "ok", "Okay", "si", "Sí", "oui", "ja", "sim", "👍", "👍🏽",
        "yes please", "yesss", "sure why not", "of course", "yes go for it", "dale", "claro que sí",
    ],
)  # fmt: skip
def test_it_understands_yes(text: str) -> None:
    """Five languages, slang, thumbs."""
    found = ask("yes_no", text)
    assert found is not None
    assert (found.outcome, found.value) == ("yes", True)


@pytest.mark.parametrize(
    "text",
    [
        "no", "NO", "nope", "nah", "no thanks", "No, thank you!", "n", "👎", "not now", "never mind", "non", "nein",
        "não", "no gracias", "I don't want it", "no I changed my mind", "maybe later", "todavía no", "nah im good",
    ],
)  # fmt: skip
def test_it_understands_no(text: str) -> None:
    """Also put politely, for later, or as second thoughts."""
    found = ask("yes_no", text)
    assert found is not None
    assert (found.outcome, found.value) == ("no", False)


@pytest.mark.parametrize(
    "text", ["maybe", "hello", "how many points do i have", "yes but how many points", "2", "what", "👍👎", "😶", ""]
)
def test_it_takes_nothing_else_for_yes_or_no(text: str) -> None:
    """A new thought is no answer."""
    assert ask("yes_no", text) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1", "latte"), ("#1", "latte"), ("1.", "latte"), ("the first one", "latte"), ("option 2", "muffin"),
        ("uno", "latte"), ("two", "muffin"), ("the last one", "muffin"), ("No. 2", "muffin"), ("el segundo", "muffin"),
        ("latte", "latte"), ("lattee", "latte"), ("Free latte", "latte"), ("can I get the muffin pls", "muffin"),
        ("bluberry mufin", "muffin"), ("1️⃣", "latte"),
    ],
)  # fmt: skip
def test_it_understands_a_choice(text: str, key: str) -> None:
    """By number, place or name, also misspelled; the value is the choice's."""
    found = ask("choice", text, REWARDS, source="rewards_in_reach")
    assert found is not None
    assert (found.outcome, found.value, found.problem) == ("chosen", key, None)


def test_a_fixed_choice_answers_with_its_key() -> None:
    """Options of the flow have outcomes of their own."""
    choices = (Choice("coffee", "Café", ("latte",), "coffee"), Choice("sweet", "Algo dulce", (), "sweet"))
    found = ask("choice", "latte", choices, language="es")
    assert found is not None
    assert found.outcome == "coffee"


def test_two_choices_that_fit_alike_are_no_choice() -> None:
    """ "free" is in both names."""
    choices = (Choice("cookie", "Free cookie", (), "cookie"), Choice("latte", "Free latte", (), "latte"))
    assert ask("choice", "free", choices, source="rewards_in_reach") is None
    assert ask("choice", "not the latte", choices, source="rewards_in_reach") is None


def test_a_number_beyond_the_list_is_a_problem() -> None:
    """Understood, and not allowed."""
    found = ask("choice", "9", REWARDS, source="rewards_in_reach")
    assert found is not None
    assert (found.outcome, found.problem) == ("invalid", "there is no number 9")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("five", 5), ("4!", 4), ("I'd say 4", 4), ("a 5", 5), ("5/5", 5), ("3 out of 5", 3), ("cinco", 5),
        ("⭐⭐⭐", 3),
    ],
)  # fmt: skip
def test_it_understands_a_number(text: str, value: int) -> None:
    """Digits, words, marks out of five, stars."""
    found = ask("number", text, minimum=1, maximum=5)
    assert found is not None
    assert (found.outcome, found.value) == ("given", value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("9", "more than 5"), ("0", "less than 1"), ("-1", "less than 1"), ("4.5", "not a whole number")],
)
def test_a_number_out_of_range_is_a_problem(text: str, problem: str) -> None:
    """The state can say why."""
    found = ask("number", text, minimum=1, maximum=5)
    assert found is not None
    assert (found.outcome, found.problem) == ("invalid", problem)


@pytest.mark.parametrize("text", ["hello", "4 or 5", "I waited 20 minutes and the coffee was cold", "100 points how"])
def test_a_story_with_a_number_is_no_number(text: str) -> None:
    """Only what is said as an answer counts."""
    assert ask("number", text, minimum=1, maximum=5) is None


@pytest.mark.parametrize(
    ("text", "language", "day"),
    [
        ("3/14", "en", (3, 14)), ("14/3", "en", (3, 14)), ("3/4", "en", (3, 4)), ("3/4", "es", (4, 3)),
        ("14.3.", "en", (3, 14)), ("March 14", "en", (3, 14)), ("march 14th", "en", (3, 14)),
        ("14 de marzo", "es", (3, 14)),
        ("el 14 de marzo", "es", (3, 14)), ("14 mars", "fr", (3, 14)), ("14. März", "de", (3, 14)),
        ("Feb 29", "en", (2, 29)),
        ("my birthday is the 3rd of may", "en", (5, 3)),
    ],
)  # fmt: skip
def test_it_understands_a_birthday_without_a_year(text: str, language: str, day: tuple[int, int]) -> None:
    """The customer's language says whether the day or the month comes first."""
    found = ask("date", text, language=language, dates="birthday")
    assert found is not None
    assert found.value == date(NO_YEAR, *day)


@pytest.mark.parametrize(
    "text",
    ["1990-03-14", "03/14/1990", "14.03.1990", "3-14-90", "Mar 14 1990", "14 de marzo de 1990", "03141990"],
)
def test_it_understands_a_whole_date(text: str) -> None:
    """With its year, in two or four digits."""
    found = ask("date", text, dates="birthday")
    assert found is not None
    assert found.value == date(1990, 3, 14)


def test_dates_are_checked_against_what_was_asked() -> None:
    """No birthday in the future, no 31 April, no day gone by for a day to come."""
    assert _problem("1/1/2030", "birthday") == "not a year somebody could be born in"
    assert _problem("april 31", "birthday") == "no such day"
    assert _problem("2026-03-01", "future") == "in the past"
    assert _problem("2026-03-03", "past") == "in the future"


def test_a_day_without_a_year_is_the_nearest_that_fits() -> None:
    """On 2 March 2026: 1 March is next year's when a day to come is asked for, this year's for a day gone by."""
    assert _value("March 1", "future") == date(2027, 3, 1)
    assert _value("March 1", "past") == date(2026, 3, 1)
    assert _value("March 3", "past") == date(2025, 3, 3)
    assert _value("tomorrow", "future") == date(2026, 3, 3)


def _problem(text: str, dates: str) -> str | None:
    found = ask("date", text, dates=dates)
    assert found is not None
    return found.problem


def _value(text: str, dates: str) -> Any:
    found = ask("date", text, dates=dates)
    assert found is not None
    return found.value


@pytest.mark.parametrize("text", ["ana@example.com", "it's ana@example.com.", "Ana <ana@example.com>"])
def test_it_finds_an_address(text: str) -> None:
    """Among other words too."""
    found = ask("email", text)
    assert found is not None
    assert found.value == "ana@example.com"


def test_half_an_address_is_a_problem() -> None:
    """Something with an @ was meant as one."""
    found = ask("email", "ana@home")
    assert found is not None
    assert found.outcome == "invalid"
    assert ask("email", "I have none") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ana", "Ana"),
        ("  John   Smith ", "John Smith"),
        ("My name is Ana", "Ana"),
        ("I'm O'Brien", "O'Brien"),
        ("Me llamo José", "José"),
        ("Ana\n\nSent from my iPhone", "Ana"),
    ],
)
def test_it_takes_a_name_as_written(text: str, name: str) -> None:
    """Trimmed, without the lead-in and the phone's signature."""
    found = ask("text", text, slot="name", maximum=40)
    assert found is not None
    assert found.value == name


def test_text_too_long_is_a_problem() -> None:
    """The state's limit holds."""
    found = ask("text", "x" * 50, slot="name", maximum=40)
    assert found is not None
    assert found.problem == "longer than 40 characters"


def test_it_hears_a_keyword() -> None:
    """In any case, politely, with a slip of the finger in a long word only."""
    for text in ("latest", "LATEST please", "latets"):
        found = ask("keyword", text, keywords=("LATEST", "BACK"))
        assert found is not None
        assert found.outcome == "LATEST"
    assert ask("keyword", "bcak", keywords=("LATEST", "BACK")) is None

"""What predicates ask of one customer, and how they are said in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.guards import FACTS, All, Any_, Ask, Not, Operator, Predicate, describe, holds

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OPERATORS: tuple[Operator, ...] = ("is", "one_of", "at_least", "at_most", "before", "after", "known", "never")
ALICE: Mapping[str, Any] = {
    "consent": "subscribed",
    "points": 120,
    "tier": "gold",
    "tag": frozenset({"vip", "staff"}),
    "used": frozenset({"profile"}),
    "last_purchase": NOW - 40 * DAY,
    "birthday": date(1990, 5, 17),
    "voucher": True,
    "reward_in_reach": False,
    "attribute:favourite": "latte",
    "attribute:shoe": "42",
    "attribute:seen": "2026-02-01",
    "slot:score": 4,
    "slot:code": " Bean7 ",
    "setting:day_code": "BEAN7",
    "variant:winback": 50,
}


def look(fact: str, key: str | None) -> Any:
    return ALICE.get(f"{fact}:{key}" if key else fact)


def ask(fact: str, operator: Operator, value: Any, key: str | None = None) -> bool:
    return holds(Ask(fact, operator, value, key), look, NOW)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-100, 100),
    st.floats(),
    st.text(max_size=5),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.frozensets(st.sampled_from(["vip", "staff", "4"])),
)
OPERANDS = VALUES | st.timedeltas(timedelta(-10000), timedelta(10000)) | st.just(("gold", "silver", 4))
ASKS = st.builds(
    Ask, st.sampled_from(sorted(FACTS)), st.sampled_from(OPERATORS), OPERANDS, st.none() | st.sampled_from(["a", "b"])
)
PREDICATES: st.SearchStrategy[Predicate] = st.recursive(
    ASKS,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(All, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Any_, st.lists(parts, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
WORLDS = st.dictionaries(st.tuples(st.sampled_from(sorted(FACTS)), st.none() | st.sampled_from(["a", "b"])), VALUES)


@pytest.mark.parametrize(
    ("fact", "operator", "value", "key", "answer"),
    [
        ("consent", "is", "subscribed", None, True),
        ("consent", "is", "pending", None, False),
        ("tier", "one_of", ("silver", "gold"), None, True),
        ("tier", "one_of", ("silver",), None, False),
        ("points", "at_least", 120, None, True),
        ("points", "at_least", 121, None, False),
        ("points", "at_most", 120, None, True),
        ("points", "is", 120, None, True),
        ("tag", "is", "vip", None, True),
        ("tag", "is", "VIP", None, False),
        ("tag", "one_of", ("new", "staff"), None, True),
        ("used", "is", "profile", None, True),
        ("used", "is", "check_in", None, False),
        ("voucher", "is", True, None, True),
        ("voucher", "is", False, None, False),
        ("reward_in_reach", "is", False, None, True),
        ("last_purchase", "before", 30 * DAY, None, True),
        ("last_purchase", "before", 180 * DAY, None, False),
        ("last_purchase", "after", 180 * DAY, None, True),
        ("last_purchase", "after", date(2026, 1, 1), None, True),
        ("last_purchase", "never", True, None, False),
        ("last_purchase", "known", True, None, True),
        ("birthday", "before", 18 * 366 * DAY, None, True),
        ("birthday", "known", False, None, False),
        ("attribute", "is", "latte", "favourite", True),
        ("attribute", "is", 42, "shoe", True),
        ("attribute", "at_least", 41.5, "shoe", True),
        ("attribute", "at_least", 3, "favourite", False),
        ("attribute", "after", 60 * DAY, "seen", True),
        ("slot", "at_least", 4, "score", True),
        ("slot", "is", "day_code", "code", True),
        ("slot", "is", "day_code", "score", False),
        ("slot", "known", True, "code", True),
        ("slot", "known", True, "other", False),
        ("variant", "at_most", 50, "winback", True),
    ],
)
def test_it_answers_what_the_language_promises(
    fact: str, operator: Operator, value: Any, key: str | None, answer: bool
) -> None:
    assert ask(fact, operator, value, key) is answer


def test_it_lets_everybody_pass_without_a_predicate() -> None:
    assert holds(None, look, NOW)


def test_it_compares_ages_strictly() -> None:
    """Exactly thirty days ago is neither before nor after thirty days ago."""
    exact = {"last_purchase": NOW - 30 * DAY}
    for operator in ("before", "after"):
        assert not holds(Ask("last_purchase", operator, 30 * DAY), lambda fact, key: exact[fact], NOW)


def test_it_has_no_right_answer_on_a_day_without_a_code() -> None:
    predicate = Ask("slot", "is", "day_code", "code")
    assert not holds(predicate, lambda fact, key: {"slot": "None"}.get(fact), NOW)
    assert not holds(predicate, lambda fact, key: {"slot": "x", "setting": ""}.get(fact), NOW)


@pytest.mark.parametrize("operator", OPERATORS)
@given(value=OPERANDS)
def test_it_finds_a_missing_fact_satisfies_only_never_and_unknown(operator: Operator, value: Any) -> None:
    held = holds(Ask("last_purchase", operator, value), lambda fact, key: None, NOW)
    expected = (operator == "never" and value is not False) or (operator == "known" and not value)
    assert held == expected


@given(PREDICATES, WORLDS)
def test_it_answers_yes_or_no_to_anything(predicate: Predicate, world: Mapping[Any, Any]) -> None:
    """Missing facts, wrong types, odd numbers: an answer, never an exception; the opposite is the opposite."""

    def seen(fact: str, key: str | None) -> Any:
        return world.get((fact, key))

    answer = holds(predicate, seen, NOW)
    assert answer is True or answer is False
    assert holds(Not(predicate), seen, NOW) is not answer
    assert describe(predicate)


@given(PREDICATES, PREDICATES, WORLDS)
def test_it_keeps_the_laws_of_logic(one: Predicate, other: Predicate, world: Mapping[Any, Any]) -> None:
    """All is and, any is or, and De Morgan holds."""

    def answer(predicate: Predicate) -> bool:
        return holds(predicate, lambda fact, key: world.get((fact, key)), NOW)

    assert answer(All((one, other))) == (answer(one) and answer(other))
    assert answer(Any_((one, other))) == (answer(one) or answer(other))
    assert answer(Not(All((one, other)))) == answer(Any_((Not(one), Not(other))))
    assert answer(Not(Any_((one, other)))) == answer(All((Not(one), Not(other))))
    assert answer(All(()))
    assert not answer(Any_(()))


def test_it_looks_only_as_far_as_needed() -> None:
    asked: list[str] = []

    def watching(fact: str, key: str | None) -> Any:
        asked.append(fact)
        return 0

    assert not holds(All((Ask("points", "at_least", 1), Ask("spent", "at_least", 1))), watching, NOW)
    assert asked == ["points"]


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (None, "always"),
        (
            All((Ask("points", "at_least", 100), Not(Ask("tag", "is", "staff")))),
            "points at least 100 and not tag staff",
        ),
        (Ask("last_purchase", "before", 180 * DAY), "last purchase before 180 days ago"),
        (Ask("last_purchase", "after", timedelta(hours=1)), "last purchase after 1 hour ago"),
        (Ask("last_purchase", "never", True), "last purchase never"),
        (Ask("name", "known", True), "name known"),
        (Ask("slot", "known", False, "code"), "slot code unknown"),
        (Ask("slot", "at_least", 4, "score"), "slot score at least 4"),
        (Ask("tier", "one_of", ("silver", "gold")), "tier silver or gold"),
        (Ask("voucher", "is", True), "voucher"),
        (Ask("voucher", "is", False), "no voucher"),
        (Ask("birthday", "after", date(1990, 1, 1)), "birthday after 1990-01-01"),
        (
            All((Any_((Ask("language", "is", "es"), Ask("points", "at_most", 5))), Ask("voucher", "is", True))),
            "(language es or points at most 5) and voucher",
        ),
        (Not(All((Ask("language", "is", "es"), Ask("tag", "is", "vip")))), "not (language es and tag vip)"),
    ],
)
def test_it_says_predicates_in_plain_words(predicate: Predicate | None, words: str) -> None:
    assert describe(predicate) == words

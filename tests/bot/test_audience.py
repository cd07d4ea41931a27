"""Audiences: SQL answers a predicate as the guard does, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from bot.audience import AudienceError, count_customers, select_customers
from bot.engine.guards import FACTS, All, Any_, Ask, Not, Predicate, holds, variant_of
from storage import customers, vouchers
from storage.database import reading, writing
from storage.ids import next_id

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORDS = ("vip", "staff", "latte", "5", "5.0", "4.5", "-3", "007", "true", "false", "1e-07", "o'clock", '"', "ñandú")
KEYS = ("favourite", "likes", "größe")

words = st.sampled_from(WORDS)
numbers = st.one_of(st.integers(-6, 6), st.sampled_from([4.5, 5.0, -3.0, 0.1, 1e-07, 2.5e10, 123456789012]))
plain = st.one_of(words, numbers, st.booleans())
moments = st.one_of(
    st.integers(0, 1_000_000).map(lambda minutes: NOW + timedelta(minutes=200_000 - minutes, microseconds=minutes)),
    st.sampled_from([NOW - timedelta(days=days) for days in (0, 1, 30, 180)]),
    st.sampled_from([datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21, 22)]),
)
days = st.one_of(
    st.dates(date(1950, 1, 1), date(2026, 12, 31)), st.sampled_from([date(2026, 11, day) for day in (20, 21, 22)])
)


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    """One customer's row, but for id and phone, with vouchers' (status, ends_at)."""
    member = st.one_of(st.none(), st.just(""), plain, st.lists(plain, max_size=3), st.just({"latte": 5}))
    return {
        "language": draw(st.sampled_from(["en", "es"])),
        "name": draw(st.one_of(st.none(), st.just(""), words)),
        "consent": draw(st.sampled_from(["none", "pending", "subscribed", "unsubscribed"])),
        "points": draw(st.integers(-5, 300)),
        "tier": draw(st.sampled_from([None, "bronze", "gold"])),
        "tags": draw(st.lists(words, max_size=3, unique=True)),
        "attributes": draw(st.dictionaries(st.sampled_from(KEYS), member)),
        "birthday": draw(st.none() | days),
        "email": draw(st.one_of(st.none(), words)),
        "frequency": draw(st.sampled_from(["normal", "less"])),
        "purchases": draw(st.integers(0, 5)),
        "spent_minor": draw(st.sampled_from([0, 4999, 5000, 3_000_000_000])),
        "last_purchase_at": draw(st.none() | moments),
        "joined_at": draw(st.none() | moments),
        "vouchers": draw(st.lists(st.tuples(st.sampled_from(["issued", "redeemed"]), moments), max_size=2)),
    }


def _ask(fact: str, operator: Any, values: st.SearchStrategy[Any], key: Any = None) -> st.SearchStrategy[Predicate]:
    return st.builds(Ask, st.just(fact), st.just(operator), values, st.none() if key is None else key)


def _asks() -> st.SearchStrategy[Predicate]:
    """Every question the flow language has, and some it would refuse that the guards answer all the same."""
    keys = st.sampled_from(KEYS)
    sides = st.one_of(numbers, words, st.just(True))
    ages = st.sampled_from([timedelta(0), timedelta(days=1), timedelta(days=30), timedelta(days=180)])
    limits = st.one_of(ages, days, moments, st.just("2026-11-21"), st.just("2026-11-21T10:00:00"), st.just("soon"))
    several = st.lists(plain, min_size=1, max_size=3).map(tuple)
    found: list[st.SearchStrategy[Predicate]] = []
    closed = {
        "consent": ["none", "pending", "subscribed", "unsubscribed"],
        "tier": ["bronze", "gold"],
        "language": ["en", "es"],
        "frequency": ["normal", "less"],
    }
    for fact, choices in closed.items():
        value = st.sampled_from([*choices, "other", 5])
        found += [_ask(fact, "is", value), _ask(fact, "one_of", st.lists(value, min_size=1).map(tuple))]
    for fact in ("name", "email", "tag"):
        found += [_ask(fact, "is", plain), _ask(fact, "one_of", several)]
    for fact in ("name", "email", "tier", "birthday", "last_purchase", "joined"):
        found.append(_ask(fact, "known", st.booleans()))
    for fact in ("points", "purchases", "spent"):
        amounts = st.one_of(numbers, st.sampled_from([5000, 4999.5, "5", 10**30, -(10**30), float("nan"), True]))
        found += [_ask(fact, operator, amounts) for operator in ("is", "at_least", "at_most")]
    for fact in ("last_purchase", "joined", "birthday"):
        found += [_ask(fact, "before", limits), _ask(fact, "after", limits)]
    for fact in ("last_purchase", "joined"):
        found.append(_ask(fact, "never", st.booleans()))
    found += [_ask("attribute", "is", plain, keys), _ask("attribute", "one_of", several, keys)]
    found += [_ask("attribute", "at_least", sides, keys), _ask("attribute", "at_most", sides, keys)]
    found += [_ask("attribute", "known", st.booleans(), keys), _ask("voucher", "is", st.booleans())]
    groups = st.sampled_from(["winback", "", "größe"])
    found += [_ask("variant", operator, st.integers(0, 101), groups) for operator in ("is", "at_least", "at_most")]
    return st.one_of(found)


predicates = st.recursive(
    _asks(),
    lambda part: st.one_of(
        st.builds(All, st.lists(part, max_size=3).map(tuple)),
        st.builds(Any_, st.lists(part, max_size=3).map(tuple)),
        st.builds(Not, part),
    ),
    max_leaves=5,
)


def _insert(connection: Connection, number: int, person: Mapping[str, Any]) -> int:
    customer_id = next_id() if number % 2 else number + 1
    row = {name: value for name, value in person.items() if name != "vouchers"}
    customers.insert_missing(
        connection, [{**row, "id": customer_id, "phone": f"+1202555{number:04}", "created_at": NOW}]
    )
    vouchers.insert(
        connection,
        [
            {
                "id": next_id(),
                "customer_id": customer_id,
                "code": f"{customer_id}-{place}",
                "name": "Free latte",
                "status": status,
                "issued_at": NOW,
                "ends_at": ends_at,
            }
            for place, (status, ends_at) in enumerate(person["vouchers"])
        ],
    )
    return customer_id


def _look(connection: Connection, customer_id: int) -> Callable[[str, str | None], Any]:
    """Answer the guards' questions from the customer's row."""
    row = customers.by_id(connection, customer_id)
    assert row is not None
    held = vouchers.of(connection, [customer_id]).get(customer_id, [])
    facts = {
        **{name: row[name] for name in FACTS if name in row},
        "tag": frozenset(row["tags"]),
        "spent": row["spent_minor"],
        "last_purchase": row["last_purchase_at"],
        "joined": row["joined_at"],
        "voucher": any(one["status"] == "issued" and one["ends_at"] > NOW for one in held),
    }

    def look(fact: str, key: str | None) -> Any:
        if fact == "attribute":
            return row["attributes"].get(key)
        if fact == "variant":
            return variant_of(customer_id, key or "")
        return facts[fact]

    return look


def _chosen(connection: Connection, predicate: Predicate | None) -> list[int]:
    return list(connection.execute(select_customers(predicate, NOW)).scalars())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(people(), min_size=1, max_size=4), st.lists(predicates, min_size=1, max_size=6))
@example([], [All(()), Any_(()), Not(All(()))])
def test_it_answers_as_the_guards_do(engine: Engine, crowd: list[dict[str, Any]], asked: list[Predicate]) -> None:
    """For random customers and predicates SQL finds exactly those the guards say yes to, in the order of ids."""
    with engine.connect() as connection, connection.begin() as transaction:
        ids = [_insert(connection, number, person) for number, person in enumerate(crowd)]
        looks = {customer_id: _look(connection, customer_id) for customer_id in ids}
        for predicate in asked:
            expected = sorted(i for i in ids if holds(predicate, looks[i], NOW))
            assert _chosen(connection, predicate) == expected, predicate
            assert connection.execute(count_customers(predicate, NOW)).scalar() == len(expected)
        transaction.rollback()


def test_it_turns_pages(engine: Engine) -> None:
    """Page after page by the last id gives everybody once."""
    person = {"vouchers": []}
    with writing(engine) as connection:
        ids = sorted(_insert(connection, number, person) for number in range(25))
    found: list[int] = []
    with reading(engine) as connection:
        while page := connection.execute(select_customers(None, NOW, found[-1] if found else 0, 10)).scalars().all():
            assert len(page) <= 10
            found += page
    assert found == ids


@pytest.mark.parametrize("fact", [fact.name for fact in FACTS.values() if not fact.in_segments])
def test_it_names_what_only_a_conversation_knows(fact: str) -> None:
    """A fact that is not for segments is refused by name, however deep it stands."""
    predicate = All((Ask("consent", "is", "subscribed"), Not(Any_((Ask(fact, "is", "x", key="x"),)))))
    with pytest.raises(AudienceError, match=fact):
        select_customers(predicate, NOW)


@pytest.mark.parametrize(
    "ask",
    [
        Ask("shoe_size", "is", 5),
        Ask("points", "before", timedelta(days=1)),
        Ask("tag", "at_least", 5),
        Ask("consent", "known", True),
        Ask("voucher", "at_most", 1),
        Ask("joined", "is", "today"),
        Ask("attribute", "before", timedelta(days=1), key="x"),
        Ask("attribute", "is", "x", key='a"b'),
        Ask("joined", "before", timedelta(days=999999)),
    ],
)
def test_it_refuses_what_the_language_does_not_have(ask: Ask) -> None:
    """A question no flow file can ask is an error, not a wrong answer."""
    with pytest.raises(AudienceError, match=ask.fact):
        select_customers(ask, NOW)


def test_it_knows_every_fact_for_segments(engine: Engine) -> None:
    """Whatever FACTS offers to segments can be asked."""
    operators = {"word": "is", "words": "is", "number": "at_least", "moment": "known", "date": "known", "flag": "is"}
    with reading(engine) as connection:
        for fact in FACTS.values():
            if fact.in_segments:
                operator: Any = "at_least" if fact.name == "variant" else operators[fact.type]
                assert _chosen(connection, Ask(fact.name, operator, 1, key="x")) == []


def test_it_uses_the_index_of_subscribers(engine: Engine) -> None:
    """An audience of subscribers reads the partial index, not the whole table."""
    with writing(engine) as connection:
        for number in range(200):
            _insert(connection, number, {"vouchers": [], "consent": "subscribed" if number == 7 else "none"})
    query = select_customers(Ask("consent", "is", "subscribed"), NOW)
    with reading(engine) as connection:
        explain = "EXPLAIN QUERY PLAN"
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # so few rows are read quickest as they lie
            explain = "EXPLAIN"
        compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.execute(text(f"{explain} {compiled}")).all()
    assert "ix_customers_subscribed" in str(plan)


def test_it_spreads_groups_evenly_and_independently() -> None:
    """Over 20,000 ids made in sequence each of 100 groups is near its share, and two names are independent."""
    ids = [next_id() for _ in range(20_000)]
    for name in ("winback", "holdout"):
        shares = Counter(variant_of(customer_id, name) for customer_id in ids)
        assert set(shares) == set(range(1, 101))
        assert sum((count - 200) ** 2 / 200 for count in shares.values()) < 160  # chi square, 99 degrees, p < 0.0001
    both = sum(variant_of(i, "winback") <= 50 and variant_of(i, "holdout") <= 50 for i in ids)
    assert abs(both - 5_000) < 350

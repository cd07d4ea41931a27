"""Points as turns write them: whatever a turn decides, ledger, lots and balance tell the same story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from bot.apply import Context, Rows, apply_all
from bot.engine.effects import AddEntry
from bot.errors import Conflict
from bot.loading import load_customers
from storage import customers, loyalty
from storage.errors import StorageError
from storage.ids import next_id

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

#: (kind, points, days until they expire or None) of one effect; several make one turn.
kinds = st.one_of(
    st.tuples(st.just("earn"), st.integers(1, 60), st.sampled_from([None, 1, 30])),
    st.tuples(st.just("burn"), st.integers(-80, -1), st.none()),
    st.tuples(st.just("adjust"), st.integers(-20, 20).filter(bool), st.none()),
    st.tuples(st.just("reverse"), st.integers(-60, -1), st.none()),
    st.tuples(st.just("undo"), st.integers(0, 3), st.none()),
)
turns = st.lists(st.lists(kinds, min_size=1, max_size=3), max_size=8)


def _effects(turn: list[tuple[str, int, int | None]], burns: dict[str, int]) -> list[AddEntry]:
    effects = []
    for kind, points, days in turn:
        key = f"{kind} {next_id()}"
        if kind == "undo":
            if not burns:
                continue
            burnt = list(burns)[points % len(burns)]
            effects.append(AddEntry("reverse", burns[burnt], f"undo {burnt}", "undo", reverses=burnt))
        else:
            expires_at = NOW + timedelta(days=days) if days else None
            effects.append(AddEntry(cast(Any, kind), points, key, kind, expires_at=expires_at))
    return effects


def _take_turn(connection: Connection, customer_id: int, effects: list[AddEntry]) -> None:
    records = customers.lock_by_id(connection, [customer_id])
    customer = load_customers(connection, records, "en", NOW)[customer_id]
    context = Context(
        connection, Rows(), customer, cast(Any, None), NOW, sender="+12025550100", lots=list(customer.lots)
    )
    apply_all(effects, context)
    context.rows.flush(connection, NOW)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns)
def test_it_keeps_balance_ledger_and_lots_equal(engine: Engine, story: list[list[tuple[str, int, int | None]]]) -> None:
    """After any turns the balance is the ledger's sum, and the lots hold exactly what can be spent of it."""
    with engine.connect() as connection, connection.begin() as transaction:
        alice = next_id()
        customers.insert_missing(connection, [{"id": alice, "phone": f"+{alice}", "created_at": NOW}])
        burns: dict[str, int] = {}
        for turn in story:
            effects = _effects(turn, burns)
            try:
                with connection.begin_nested():
                    _take_turn(connection, alice, effects)
            except (Conflict, StorageError):
                continue
            burns |= {effect.key: -effect.points for effect in effects if effect.kind == "burn"}
            row = customers.by_id(connection, alice)
            assert row is not None
            held = sum(lot.remaining for lot in loyalty.lots_of(connection, [alice]).get(alice, []))
            assert row["points"] == sum(entry["points"] for entry in loyalty.entries_of(connection, alice))
            assert held == max(row["points"], 0)
        transaction.rollback()

"""How a timeline finds its rows, and what stands in one order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite

from storage import migrate, timeline


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A migrated SQLite database, driven directly."""
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/x.db"
    migrate.upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection.connection.driver_connection
    engine.dispose()


@pytest.mark.parametrize("kind", sorted(timeline.SOURCES))
def test_each_kind_of_thing_is_found_by_its_customer(connection: Any, kind: str) -> None:
    """One customer's rows are found by an index that begins with the customer, however many others there are."""
    text = str(timeline._older(kind).compile(dialect=sqlite.dialect()))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?"))]
    assert any("customer_id=?" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN")]

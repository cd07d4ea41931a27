"""How queries find their rows: with a million of them, by an index."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Executable, create_engine
from sqlalchemy.dialects import sqlite

from storage import migrate

#: Tables that stay small, or questions asked of a whole table.
SMALL = {
    "glance._PRESENT",
    "glance._VERSION",
    "handoffs._WAITING",
    "stock._STOCK",
    "reviews._WAITING",
    "revisions._LATEST",
    "revisions._ranked",
    "saved._REPLIES",
    "saved._VIEWS",
    "staff._ALL",
    "erasures._NEWEST",
    "approvals._DECIDED",  # the newest first, and nearly all of them are decided
    "customers._COUNT",
    "budgets._PAUSED",  # a row for each sender
    "budgets._REFUSED",
    "tallies._FORGET",  # some numbers for each day
}
DEMO = {"handsets"}  # what only the demo's simulated phones ask
# The parameter itself; indexes that hold nothing but what is asked for; a walk with one step for each lane; the
# few texts of one customer, already found.
HARMLESS = (
    "json_each|ix_messages_(broken|dead|misunderstood)|ix_approvals_open|ix_erasures_unscrubbed|ix_handoffs_(open|waiting)"
    "|^SCAN (lanes|unread|anon_1|anon_2)$"
)


def _statements() -> Iterator[tuple[str, ClauseElement]]:
    """Give every prepared statement of storage with its name."""
    for path in sorted(Path(migrate.__file__).parent.glob("*.py")):
        if path.stem in DEMO:
            continue
        module = importlib.import_module(f"storage.{path.stem}")
        for name, value in vars(module).items():
            chosen: Any = value.get("sqlite") if isinstance(value, dict) else value
            if name.startswith("_") and isinstance(chosen, Executable) and isinstance(chosen, ClauseElement):
                yield f"{path.stem}.{name}", chosen


STATEMENTS = dict(_statements())


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A migrated SQLite database, driven directly."""
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/x.db"
    migrate.upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection.connection.driver_connection
    engine.dispose()


@pytest.mark.parametrize("name", sorted(set(STATEMENTS) - SMALL))
def test_it_finds_rows_by_an_index(connection: Any, name: str) -> None:
    """No statement that runs for a text, a timer or a batch reads through a whole table."""
    text = re.sub(r"\(__\[POSTCOMPILE_\w+\]\)", "('a', 'b')", str(STATEMENTS[name].compile(dialect=sqlite.dialect())))
    plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", ["[]"] * text.count("?")).fetchall()
    scans = [row[3] for row in plan if row[3].startswith("SCAN") and not re.search(HARMLESS, row[3])]
    assert scans == [], text


def test_it_looks_at_all_of_storage() -> None:
    """The test above knows the statements it is about."""
    assert {"customers._LOCK_PHONES", "inbound._INBOUND", "loyalty._LOTS_OF", "outbox._CLAIM"} <= set(STATEMENTS)

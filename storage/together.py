"""Statements that travel together: PostgreSQL gets a whole block in one trip (a pipeline), SQLite one by one.

What decides the speed of a turn on PostgreSQL is how often it waits for the network and the scheduler, not
how many statements it has. In a `together` block writes wait for nothing, and reads that are asked together
wait once; each statement still sees what those before it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.errors import meaning_of
from storage.rows import PIPELINE, Row, Trip, all_rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A question to ask together with others. `shape` makes the answer of the rows; there is no IN list in it."""

    statement: Select[Any]
    parameters: Row
    shape: Callable[[Sequence[Row]], T]


def ask(connection: Connection, *queries: Query[Any]) -> list[Any]:
    """Return the answers in order. On PostgreSQL all questions travel together."""
    if connection.dialect.name != "postgresql":
        return [query.shape(all_rows(connection.execute(query.statement, query.parameters))) for query in queries]
    with together(connection):
        driver: Any = connection.connection.driver_connection
        asked = []
        for query in queries:
            plan = _plan(query.statement, connection.dialect)
            given = {**plan.fixed, **query.parameters}
            values = {name: process(given[name]) if process else given[name] for name, process in plan.parameters}
            asked.append((driver.cursor().execute(plan.sql, values, prepare=True), plan, query))
        connection.info[PIPELINE].sync()
        return [query.shape(plan.rows(cursor.fetchall())) for cursor, plan, query in asked]


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """Let the writes of `write_many` in this block travel together.

    What they have to say, errors too, is known when the block ends. Queries in it must be asked by `ask`.
    Blocks may be nested. Raises what `storage.errors` makes of a refusal.
    """
    if connection.dialect.name != "postgresql" or PIPELINE in connection.info:
        yield
        return
    driver: Any = connection.connection.driver_connection
    try:
        with driver.pipeline() as pipeline:
            trip = connection.info[PIPELINE] = Trip(driver, pipeline.sync)
            yield
    except driver.Error as trouble:
        raise _translated(connection, trouble) from trouble
    finally:
        connection.info.pop(PIPELINE, None)
    trip.check()


def by_customer(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Return rows by their `customer_id`, in the order they came."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(row)
    return found


def _translated(connection: Connection, trouble: Exception) -> Exception:
    """Return the driver's error as SQLAlchemy's, or our own; a connection that broke is not used again."""
    dialect = connection.dialect
    assert dialect.loaded_dbapi is not None
    error = DBAPIError.instance(
        None, None, trouble, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect, ismulti=None
    )
    driver: Any = connection.connection.driver_connection
    if dialect.is_disconnect(trouble, driver, None):  # type: ignore[arg-type]
        connection.invalidate(error)
    if isinstance(error, IntegrityError):
        return meaning_of(error)
    return error if isinstance(error, Exception) else trouble


@dataclass(frozen=True, slots=True)
class _Plan:
    """A compiled query: its SQL, what prepares its parameters, what is fixed, and how its rows are read."""

    sql: str
    parameters: Sequence[tuple[str, Callable[[Any], Any] | None]]
    fixed: Row
    names: tuple[str, ...]
    readers: Sequence[tuple[str, Callable[[Any], Any]]]

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Row]:
        """Return rows by column name, read as their types demand."""
        rows: list[dict[str, Any]] = [dict(zip(self.names, row, strict=True)) for row in found]
        for name, read in self.readers:
            for row in rows:
                row[name] = read(row[name])
        return list(rows)


@cache
def _plan(statement: Select[Any], dialect: Dialect) -> _Plan:
    compiled = statement.compile(dialect=dialect)
    binds: Mapping[str, Any] = compiled.binds
    columns = [(column.key, column.type) for column in statement.selected_columns]
    readers = [(str(name), type_.dialect_impl(dialect).result_processor(dialect, None)) for name, type_ in columns]
    return _Plan(
        sql=str(compiled),
        parameters=[(name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in binds.items()],
        fixed={name: bind.effective_value for name, bind in binds.items() if not bind.required},
        names=tuple(str(name) for name, _ in columns),
        readers=[(name, read) for name, read in readers if read is not None],
    )

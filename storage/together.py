"""Statements that travel together: PostgreSQL gets a whole block in one trip (a pipeline), SQLite one by one.

What decides the speed of a turn on PostgreSQL is how often it waits for the network and the scheduler, not
how many statements it has. In a `together` block writes wait for nothing, and reads that are asked together
wait once; each statement still sees what those before it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Boolean, Connection, Date, Dialect, Integer, Select, Text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.types import TypeEngine

from storage.columns import Document, Moment, Words
from storage.errors import meaning_of
from storage.rows import PIPELINE, Row, Trip, all_rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A question to ask together with others. `shape` makes the answer of the rows; there is no IN list in it."""

    statement: Select[Any]
    parameters: Row
    shape: Callable[[Sequence[Row]], T]
    locks: bool = False


def ask(connection: Connection, *queries: Query[Any]) -> list[Any]:
    """Return the answers in order. On PostgreSQL all questions travel together.

    There those that lock nothing are one statement, asked after the others, so that it sees what those who held
    a lock before have committed. Two of them may use the same parameter only for the same value.
    """
    if connection.dialect.name != "postgresql":
        return [query.shape(all_rows(connection.execute(query.statement, query.parameters))) for query in queries]
    locking = [query for query in queries if query.locks]
    looking = [query for query in queries if not query.locks]
    with together(connection):
        driver, dialect = cast(Any, connection.connection.driver_connection), connection.dialect
        plans = [_plan(query.statement, dialect) for query in locking]
        locked = [_send(driver, plan, query.parameters) for plan, query in zip(plans, locking, strict=True)]
        whole = _merged(tuple(query.statement for query in looking), dialect)
        seen = _send(driver, whole, _all_parameters(looking)) if looking else None
        connection.info[PIPELINE].sync()
        found = [plan.rows(cursor.fetchall()) for plan, cursor in zip(plans, locked, strict=True)]
        found += whole.rows(seen.fetchone()) if seen else ()
    rows = {id(query): each for query, each in zip((*locking, *looking), found, strict=True)}
    return [query.shape(rows[id(query)]) for query in queries]


def _send(driver: Any, plan: _Plan | _Merged, parameters: Row) -> Any:
    """Send one statement and return the cursor that will have its answer."""
    given = {**plan.fixed, **parameters}
    values = {name: process(given[name]) if process else given[name] for name, process in plan.parameters}
    return driver.cursor().execute(plan.sql, values, prepare=True)


def _all_parameters(queries: Sequence[Query[Any]]) -> Row:
    given: dict[str, Any] = {}
    for query in queries:
        for name, value in query.parameters.items():
            if given.setdefault(name, value) != value:
                raise ValueError(f"questions that are asked together differ in {name}")
    return given


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


@dataclass(frozen=True, slots=True)
class _Merged:
    """Queries compiled into one statement, whose single row has the rows of each as JSON."""

    sql: str
    parameters: Sequence[tuple[str, Callable[[Any], Any] | None]]
    fixed: Row
    readers: Sequence[Sequence[tuple[str, Callable[[Any], Any]]]]

    def rows(self, found: Sequence[Any]) -> list[list[Row]]:
        """Return the rows of each query by column name, read as their types demand."""
        for rows, readers in zip(found, self.readers, strict=True):
            for name, read in readers:
                for row in rows:
                    if row[name] is not None:
                        row[name] = read(row[name])
        return list(found)


@cache
def _merged(statements: tuple[Select[Any], ...], dialect: Dialect) -> _Merged:
    columns: list[str] = []
    parameters: dict[str, Callable[[Any], Any] | None] = {}
    fixed: dict[str, Any] = {}
    readers: list[list[tuple[str, Callable[[Any], Any]]]] = []
    for number, statement in enumerate(statements):
        plan = _plan(statement, dialect)
        sql = plan.sql
        names = {name: f"fixed_{number}_{name}" for name in plan.fixed}  # SQLAlchemy's own: the same in each statement
        for name, other in names.items():
            sql = sql.replace(f"%({name})s", f"%({other})s")
        fixed |= {other: plan.fixed[name] for name, other in names.items()}
        parameters |= {names.get(name, name): how for name, how in plan.parameters}
        columns.append(f"(SELECT coalesce(json_agg(found), '[]') FROM ({sql}) AS found)")  # noqa: S608 (compiled SQL)
        types = [(str(column.key), _of_json(column.type)) for column in statement.selected_columns]
        readers.append([(name, read) for name, read in types if read is not None])
    return _Merged(f"SELECT {', '.join(columns)}", tuple(parameters.items()), fixed, readers)


def _of_json(type_: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """Return what reads a value of a type out of JSON, None when JSON has it as it is."""
    if isinstance(type_, Moment):
        return _moment
    if isinstance(type_, Date):
        return date.fromisoformat
    if isinstance(type_, (Document, Words, Text, Integer, Boolean)):
        return None
    raise TypeError(f"JSON has no {type(type_).__name__}: ask for it alone")


def _moment(words: str) -> datetime:
    return datetime.fromisoformat(words).astimezone(UTC)


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

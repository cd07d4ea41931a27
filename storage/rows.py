"""Rows into tables, many in one call to the driver, and rows out of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Delete,
    Dialect,
    Insert,
    Result,
    Table,
    TableClause,
    Update,
    bindparam,
    insert,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from storage.columns import Document, to_json

Row = Mapping[str, Any]  #: one row to write, or one row read, by column name
PIPELINE = "pipeline"  #: the Trip in `Connection.info` while statements travel together


@cache
def blank(table: Table) -> dict[str, Any]:
    """Return what the columns that may be left out of a row are then."""
    return {
        column.name: getattr(column.default, "arg", None)
        for column in table.columns
        if column.nullable or column.default is not None
    }


def complete(table: Table, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the rows with every column that has a default or may be empty filled in."""
    empty = blank(table)
    return [{**empty, **row} for row in rows]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows in one call to the driver; columns that may be empty or have a default may be left out."""
    write_many(connection, _insert(table), rows, blank(table))


def write_many(
    connection: Connection,
    statement: Insert | Update | Delete,
    rows: Sequence[Row],
    empty: Row | None = None,
    then: Callable[[int], None] | None = None,
) -> None:
    """Execute one statement for many rows in one call to the driver; `then` is told how many rows it changed.

    The statement is compiled once; `empty` has what a row may leave out. For rows by the dozen this costs a
    third of `Connection.execute`, which prepares each row's parameters by name. In a block of
    `storage.together` nothing waits: `then` is told at its end.
    """
    if not rows:
        return
    empty = empty or {}
    if PIPELINE in connection.info and isinstance(statement, Insert):
        _insert_document(connection, statement, rows, empty, then)
        return
    compiled, parameters, by_name = _plan(statement, connection.dialect)
    values = []
    for row in rows:
        full = {**empty, **row} if empty else row
        values.append(tuple([process(full[name]) if process else full[name] for name, process in parameters]))
    if not by_name:
        result = connection.exec_driver_sql(compiled, values)
    else:
        names = [name for name, _ in parameters]
        named = [dict(zip(names, each, strict=True)) for each in values]
        if PIPELINE in connection.info:
            connection.info[PIPELINE].send_many(compiled, named, then)
            return
        result = connection.exec_driver_sql(compiled, named)
    if then is not None:
        then(result.rowcount)


def update_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set these columns of the rows with these ids; each row has its `id`, and every column that must not be empty.

    One call to the driver; in a block of `storage.together` one statement, however many rows. No id stands twice.
    """
    if not rows:
        return
    if PIPELINE in connection.info:
        sql, processes = _update_document_plan(table, tuple(columns), connection.dialect)
        _send_document(
            connection, sql, processes, [{name: row[name] for name in ("id", *columns)} for row in rows], None
        )
        return
    named = [{"the_id": row["id"], **{f"new_{name}": row[name] for name in columns}} for row in rows]
    write_many(connection, _update(table, tuple(columns)), named)


@cache
def _update(table: Table, columns: tuple[str, ...]) -> Update:
    return (
        update(table)
        .where(table.c.id == bindparam("the_id"))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns})
    )


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


def _insert_document(
    connection: Connection, statement: Insert, rows: Sequence[Row], empty: Row, then: Callable[[int], None] | None
) -> None:
    """Insert rows as one document that PostgreSQL takes apart: one parameter, however many rows and columns."""
    sql, processes = _document_plan(statement, connection.dialect)
    _send_document(connection, sql, processes, [{**empty, **row} for row in rows], then)


def _send_document(
    connection: Connection,
    sql: str,
    processes: _Processes,
    rows: list[dict[str, Any]],
    then: Callable[[int], None] | None,
) -> None:
    for name, process in processes:
        for row in rows:
            row[name] = process(row[name])
    connection.info[PIPELINE].send(sql, (to_json(rows),), then)


@cache
def _document_plan(statement: Insert, dialect: Dialect) -> tuple[str, _Processes]:
    """Return a statement that inserts the rows of one JSON document, and what prepares the values."""
    compiled = statement.compile(dialect=dialect)
    names = [bind.key for bind in compiled.binds.values()]
    table = statement.table
    columns = ", ".join(f'"{name}"' for name in names)
    _, conflict, then = str(compiled).partition(" ON CONFLICT")
    sql = (
        f'INSERT INTO "{table.name}" ({columns}) SELECT {columns}'  # noqa: S608 (names of our own columns)
        f' FROM json_populate_recordset(NULL::"{table.name}", %s::json){conflict}{then}'
    )
    return sql, _processes(table, names, dialect)


@cache
def _update_document_plan(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[str, _Processes]:
    """Return a statement that updates the rows of one JSON document by their ids, and what prepares the values."""
    sql = (
        f'UPDATE "{table.name}" AS old SET {", ".join(f"{name} = new.{name}" for name in columns)}'  # noqa: S608 (ours)
        f' FROM json_populate_recordset(NULL::"{table.name}", %s::json) AS new WHERE old.id = new.id'
    )
    return sql, _processes(table, columns, dialect)


_Processes = Sequence[tuple[str, Callable[[Any], Any]]]


def _processes(table: TableClause, names: Sequence[str], dialect: Dialect) -> _Processes:
    """Return what prepares the values of columns for JSON; a document stands in it as it is."""
    return [
        (name, process)
        for name in names
        if not isinstance(table.c[name].type, Document)
        and (process := table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) is not None
    ]


_Parameters = Sequence[tuple[str, Callable[[Any], Any] | None]]


@cache
def _plan(statement: Insert | Update | Delete, dialect: Dialect) -> tuple[str, _Parameters, bool]:
    """Return a statement's SQL, its parameters with what prepares each for the driver, and whether they go by name."""
    compiled = statement.compile(dialect=dialect)
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    assert names is not None
    parameters = [(name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names]
    return str(compiled), parameters, not compiled.positional


@dataclass(slots=True)
class Trip:
    """Statements on their way to PostgreSQL, and who wants to know how many rows each changed."""

    driver: Any
    sync: Callable[[], None]  #: send everything and wait for the answers
    told: list[tuple[Any, Callable[[int], None]]] = field(default_factory=list)

    def send(self, sql: str, parameters: Sequence[Any], then: Callable[[int], None] | None) -> None:
        """Send one statement."""
        self._note(self.driver.execute(sql, parameters, prepare=True), then)

    def send_many(self, sql: str, rows: Sequence[Row], then: Callable[[int], None] | None) -> None:
        """Send one statement for each of these rows."""
        cursor = self.driver.cursor()
        cursor.executemany(sql, rows)
        self._note(cursor, then)

    def check(self) -> None:
        """Tell everybody who wants to know, after the trip."""
        for cursor, then in self.told:
            then(cursor.rowcount)

    def _note(self, cursor: Any, then: Callable[[int], None] | None) -> None:
        if then is not None:
            self.told.append((cursor, then))


def all_rows(result: Result[Any]) -> list[Row]:
    """Return what a query found as mappings by column name."""
    return cast("list[Row]", result.mappings().all())


def first_row(result: Result[Any]) -> Row | None:
    """Return the first row a query found, None when there is none."""
    return cast("Row | None", result.mappings().first())


def for_both(build: Callable[[Callable[[Table], Any]], Any]) -> dict[str, Any]:
    """Build an INSERT with a conflict clause for each database: `{"sqlite": ..., "postgresql": ...}`."""
    return {"sqlite": build(sqlite.insert), "postgresql": build(postgresql.insert)}

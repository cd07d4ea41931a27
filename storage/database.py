"""How the database is opened, what a transaction is, and the column types every table shares.

SQLite and PostgreSQL are equals: `open_engine` hides the difference in connecting, `reading` and
`writing` hide the difference in locking, `Moment`, `Document` and `Words` the difference in types.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Self, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Delete,
    Dialect,
    Engine,
    Insert,
    Integer,
    MetaData,
    Result,
    Table,
    Text,
    Update,
    bindparam,
    create_engine,
    event,
    insert,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Row = Mapping[str, Any]  #: one row to write, or one row read, by column name

#: Ids are ours (`storage.ids`). In SQLite the type must be exactly INTEGER to be the row's own address.
Id = BigInteger().with_variant(Integer(), "sqlite")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUSY_SECONDS = 5.0
_POSTGRES_OPTIONS = f"-c timezone=UTC -c lock_timeout={int(BUSY_SECONDS * 1000)}"


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC: microseconds since 1970 in SQLite, timestamptz in PostgreSQL.

    Naive datetimes are refused with ValueError.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime is not a moment: {value!r}")
        if dialect.name != "sqlite":
            return value
        past = value - EPOCH
        return (past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return EPOCH + timedelta(microseconds=value)
        moment: datetime = value
        return moment.astimezone(UTC)


def _plain(value: object) -> object:
    """Return what JSON has instead: a mapping as an object, a set as a sorted list, a date in ISO form."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not fit into a document")


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_nul(part) for part in value]
    return value


def to_json(value: object) -> str:
    """Return compact JSON. NUL and lone surrogates, which PostgreSQL refuses, become U+FFFD."""
    text = _ENCODER.encode(value)
    if "\\u0000" in text:
        text = _ENCODER.encode(_without_nul(json.loads(text)))
    return text if text.isascii() else text.encode(errors="surrogatepass").decode(errors="replace")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)


class Document(TypeDecorator[Any]):
    """JSON: compact text in SQLite, JSONB in PostgreSQL. None is SQL's NULL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Text() if dialect.name == "sqlite" else JSONB(none_as_null=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return to_json(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value) if value is not None and dialect.name == "sqlite" else value


class Words(TypeDecorator[str]):
    """Text from anywhere. NUL and lone surrogates, which databases refuse, become U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return _clean(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        """Prepare without the decorator's detour: most columns of most rows are words."""
        return _clean


def _clean(value: str | None) -> str | None:
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\ufffd").encode(errors="surrogatepass").decode(errors="replace")


class Listed(TypeDecorator[Sequence[Any]]):
    """A list as one parameter: an array in PostgreSQL, JSON text in SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, of: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Text() if dialect.name == "sqlite" else ARRAY(self.of())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        items = list(value or ())
        if self.of is Text:
            items = [_WORDS.process_bind_param(item, dialect) for item in items]
        return to_json(items) if dialect.name == "sqlite" else items


_WORDS = Words()


class ConditionElement(FunctionElement[bool]):
    """A condition of our own making. SQLAlchemy would write `(...) = 1` for SQLite, which then uses no index."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: object = None) -> Self:
        return self


class _Among(ConditionElement):
    """`column IN (list)` with one parameter for the whole list, so that the statement's text never changes."""

    name = "among"
    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, items = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({items}))"  # noqa: S608 (both are compiled SQL)


@compiles(_Among, "postgresql")
def _among_postgres(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, items = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({items})"


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that `column` is one of the list given as parameter `name`."""
    of: type[TypeEngine[Any]] = Text if isinstance(column.type, (Words, Text)) else BigInteger
    return _Among(column, bindparam(name, type_=Listed(of)))


@cache
def blank(table: Table) -> dict[str, Any]:
    """Return what the columns that may be left out of a row are then."""
    return {
        column.name: getattr(column.default, "arg", None)
        for column in table.columns
        if column.nullable or column.default is not None
    }


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


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


def _insert_document(
    connection: Connection, statement: Insert, rows: Sequence[Row], empty: Row, then: Callable[[int], None] | None
) -> None:
    """Insert rows as one document that PostgreSQL takes apart: one parameter, however many rows and columns."""
    sql, processes = _document_plan(statement, connection.dialect)
    full = [{**empty, **row} for row in rows]
    for name, process in processes:
        for row in full:
            row[name] = process(row[name])
    document = to_json(full)
    connection.info[PIPELINE].send(sql, (document,), then)


@cache
def _document_plan(statement: Insert, dialect: Dialect) -> tuple[str, Sequence[tuple[str, Callable[[Any], Any]]]]:
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
    processes = [
        (name, process)
        for name in names
        if not isinstance(table.c[name].type, Document)
        and (process := table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) is not None
    ]
    return sql, processes


PIPELINE = "pipeline"  #: the Trip in `Connection.info` while statements travel together


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


_Parameters = Sequence[tuple[str, Callable[[Any], Any] | None]]


@cache
def _plan(statement: Insert | Update | Delete, dialect: Dialect) -> tuple[str, _Parameters, bool]:
    """Return a statement's SQL, its parameters with what prepares each for the driver, and whether they go by name."""
    compiled = statement.compile(dialect=dialect)
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    assert names is not None
    parameters = [(name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names]
    return str(compiled), parameters, not compiled.positional


def all_rows(result: Result[Any]) -> list[Row]:
    """Return what a query found as mappings by column name."""
    return cast("list[Row]", result.mappings().all())


def first_row(result: Result[Any]) -> Row | None:
    """Return the first row a query found, None when there is none."""
    return cast("Row | None", result.mappings().first())


def for_both(build: Callable[[Callable[[Table], Any]], Any]) -> dict[str, Any]:
    """Build an INSERT with a conflict clause for each database: `{"sqlite": ..., "postgresql": ...}`."""
    return {"sqlite": build(sqlite.insert), "postgresql": build(postgresql.insert)}


def normal_url(url: str) -> URL:
    """Return the URL with its driver: `postgres://` and `postgresql://` mean psycopg 3.

    Raises ValueError for another database than SQLite (in a file) or PostgreSQL.
    """
    if url.startswith("postgres://"):
        url = "postgresql" + url.removeprefix("postgres")
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ValueError(f"neither SQLite nor PostgreSQL: {parsed.drivername}")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("the embedded database needs a file, such as sqlite:///var/regulars.db")
    return parsed


def open_engine(url: str) -> Engine:
    """Return an engine for `sqlite:///file` or `postgresql://...`. Nothing connects yet."""
    parsed = normal_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed)
    engine = create_engine(
        parsed,
        pool_size=10,
        max_overflow=20,
        pool_timeout=30,
        query_cache_size=2000,
        hide_parameters=True,  # they are texts and numbers of customers; errors are logged
        connect_args={"options": _POSTGRES_OPTIONS} if "options" not in parsed.query else {},
        json_serializer=to_json,
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_ping_when_idle, engine.dialect))
    return engine


_IDLE_SECONDS = 2.0


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_when_idle(dialect: Dialect, connection: Any, record: Any, _proxy: object) -> None:
    """Look whether a connection still lives, unless it was used a moment ago: a look costs as much as a statement."""
    used = record.info.get("used")
    if used is None or time.monotonic() - used < _IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except Exception as trouble:
        raise DisconnectionError from trouble


def _open_sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=56,
        query_cache_size=2000,
        hide_parameters=True,
        connect_args={
            "check_same_thread": False,
            "isolation_level": None,  # BEGIN is ours, see _begin
            "timeout": BUSY_SECONDS,
            "cached_statements": 1024,
        },
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    for pragma in (
        f"busy_timeout = {int(BUSY_SECONDS * 1000)}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -65536",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


_queues: dict[str, threading.Lock] = {}
_queues_guard = threading.Lock()


def _queue_of(engine: Engine) -> threading.Lock:
    """Return the lock on which writers of this process wait for a SQLite file.

    SQLite's own wait is a sleep that grows to 100 ms; threads wake each other up at once.
    """
    path = str(Path(engine.url.database or "").resolve())
    with _queues_guard:
        return _queues.setdefault(path, threading.Lock())


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that may write; commit at the end, roll back on an error."""
    calls: Sequence[Callable[[], object]] = ()
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            connection.info.pop(_AFTER, None)  # of a transaction that was rolled back
            with connection.begin():
                yield connection
            calls = connection.info.pop(_AFTER, ())
    else:
        queue = _queue_of(engine)
        if not queue.acquire(timeout=6 * BUSY_SECONDS):
            raise TimeoutError("the embedded database was busy for too long")
        try:
            with engine.connect() as connection:
                connection = connection.execution_options(writes=True)
                connection.info.pop(_AFTER, None)
                with connection.begin():
                    yield connection
                calls = connection.info.pop(_AFTER, ())
        finally:
            queue.release()
    for call in calls:
        call()


_AFTER = "after commit"


def after_commit(connection: Connection, call: Callable[[], object]) -> None:
    """Let `writing` make this call once the transaction is committed; a rollback forgets it."""
    connection.info.setdefault(_AFTER, []).append(call)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that only reads. It never waits for writers."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def alone(engine: Engine) -> Iterator[Any]:
    """Give the driver's own connection outside any transaction, for what allows none, such as VACUUM.

    Other writers of this process wait meanwhile where the database has but one. The connection is not used again.
    """
    queue = _queue_of(engine) if engine.dialect.name == "sqlite" else threading.Lock()
    if not queue.acquire(timeout=6 * BUSY_SECONDS):
        raise TimeoutError("the embedded database was busy for too long")
    try:
        connection = engine.raw_connection()
        try:
            if engine.dialect.name == "postgresql":
                cast(Any, connection.driver_connection).autocommit = True
            yield connection.driver_connection
        finally:
            connection.invalidate()
    finally:
        queue.release()

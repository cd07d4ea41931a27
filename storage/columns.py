"""The column types and indexes tables share: SQLite and PostgreSQL differ in them, what a row says does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, DateTime, Dialect, Index, Integer, MetaData, Text, TextClause
from sqlalchemy.dialects.postgresql import JSONB
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

#: Ids are ours (`storage.ids`). In SQLite the type must be exactly INTEGER to be the row's own address.
Id = BigInteger().with_variant(Integer(), "sqlite")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def partial_index(
    name: str, *columns: ColumnElement[Any], where: ColumnElement[bool] | TextClause, unique: bool = False
) -> Index:
    """Return an index of those rows only of which `where` holds."""
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)

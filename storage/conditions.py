"""Conditions SQLAlchemy has no words for."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy import BigInteger, Boolean, ColumnElement, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from storage.columns import Listed, Words


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

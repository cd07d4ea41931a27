"""What search keeps: the words of each text and customer, and the vocabulary of all of them.

Apart from what it is about, so that no text waits for an index. PostgreSQL has a tsvector under GIN, SQLite a table
with FTS5 beside it; both get the same words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    Connection,
    Dialect,
    Integer,
    Table,
    Text,
    bindparam,
    delete,
    event,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.columns import Id, Words, metadata, partial_index
from storage.conditions import among
from storage.rows import for_both, insert_rows, write_many
from storage.wording import Phrase

_LOCK = 0x7365_6172_6368_6573  # "searches", the advisory lock of whoever changes the index


class Wordlist(TypeDecorator[Phrase]):
    """The words of a text in order: a tsvector in PostgreSQL, words between spaces in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Text() if dialect.name == "sqlite" else TSVECTOR()

    def process_bind_param(self, value: Phrase | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "sqlite":
            return value if value is None else " ".join(value)
        places: dict[str, list[str]] = {}
        for place, word in enumerate(value, 1):
            places.setdefault(word, []).append(str(place))
        return " ".join(f"'{word}':{','.join(found)}" for word, found in places.items())

    def process_result_value(self, value: Any, dialect: Dialect) -> Phrase | None:
        if value is None or dialect.name == "sqlite":
            return value if value is None else tuple(value.split())
        found = [(int(place), word) for word, places in _LEXEME.findall(value) for place in places.split(",")]
        return tuple([word for _, word in sorted(found)])


_LEXEME = re.compile(r"'([^']+)':([\d,]+)")
Shelf = Table  #: what is searched: `TEXTS` or `CUSTOMERS`

TEXTS: Shelf = Table(
    "search_texts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  #: a message's
    Column("words", Wordlist, nullable=False),
)
CUSTOMERS: Shelf = Table(
    "search_customers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  #: a customer's
    Column("words", Wordlist, nullable=False),
)
vocabulary = Table(
    "search_vocabulary",
    metadata,
    Column("shelf", Words, primary_key=True),
    # In PostgreSQL in the order of bytes, so that the words with one beginning lie together.
    Column("word", Words().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("texts", Integer, nullable=False),  #: how many have it
)
# Codes and addresses, used once each, are most of the words; beginnings are looked for among the others first.
partial_index(
    "ix_search_vocabulary_used_again",
    vocabulary.c.shelf,
    vocabulary.c.word,
    where=vocabulary.c.texts > 1,
)

_AFTER_CREATE = {
    "sqlite": (
        "CREATE VIRTUAL TABLE {0}_fts USING fts5(words, content='{0}', content_rowid='id',"
        " tokenize=\"ascii tokenchars '#'\", columnsize=0)",
        "CREATE TRIGGER {0}_added AFTER INSERT ON {0} BEGIN"
        " INSERT INTO {0}_fts(rowid, words) VALUES (NEW.id, NEW.words); END",
        "CREATE TRIGGER {0}_removed AFTER DELETE ON {0} BEGIN"
        " INSERT INTO {0}_fts({0}_fts, rowid, words) VALUES ('delete', OLD.id, OLD.words); END",
    ),
    "postgresql": ("CREATE INDEX ix_{0}_words ON {0} USING gin (words) WITH (gin_pending_list_limit = 512)",),
}
_ddl: Any = DDL
for _shelf in (TEXTS, CUSTOMERS):
    for _dialect, _statements in _AFTER_CREATE.items():
        for _statement in _statements:
            event.listen(_shelf, "after_create", _ddl(_statement.format(_shelf.name)).execute_if(dialect=_dialect))
    event.listen(_shelf, "before_drop", _ddl(f"DROP TABLE {_shelf.name}_fts").execute_if(dialect="sqlite"))


def is_declared(_item: object, name: str | None, *_more: object) -> bool:
    """Say for Alembic whether something in the database is part of the tables: FTS5's own and GIN indexes are not."""
    return not (name or "").startswith(_UNDECLARED)


_UNDECLARED = tuple(name for shelf in (TEXTS, CUSTOMERS) for name in (f"{shelf.name}_fts", f"ix_{shelf.name}_words"))
_KNOWN = {shelf.name: select(shelf).where(among(shelf.c.id, "ids")) for shelf in (TEXTS, CUSTOMERS)}
_REMOVE = {shelf.name: delete(shelf).where(among(shelf.c.id, "ids")) for shelf in (TEXTS, CUSTOMERS)}
_COUNT_IN = for_both(
    lambda insert: insert(vocabulary).on_conflict_do_update(
        index_elements=["shelf", "word"],
        set_={"texts": vocabulary.c.texts + insert(vocabulary).excluded.texts},
    )
)
_COUNT_OUT = (
    update(vocabulary)
    .where(vocabulary.c.shelf == bindparam("the_shelf"), vocabulary.c.word == bindparam("the_word"))
    .values(texts=vocabulary.c.texts - bindparam("fewer", type_=Integer))
)
_UNUSED = delete(vocabulary).where(
    vocabulary.c.shelf == bindparam("shelf"), among(vocabulary.c.word, "words"), vocabulary.c.texts <= 0
)


def lock(connection: Connection) -> None:
    """Wait until nobody else changes the index; held until the transaction ends. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def try_lock(connection: Connection) -> bool:
    """Say whether the index is ours to change until the transaction ends."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}).scalar())


def put(connection: Connection, shelf: Shelf, found: Mapping[int, Phrase]) -> int:
    """Make these the words of these ids; return how many are new or changed. The index must be locked."""
    known = words_of(connection, shelf, found)
    changed = {key: words for key, words in found.items() if known.get(key) != words}
    remove(connection, shelf, known.keys() & changed.keys())
    insert_rows(connection, shelf, [{"id": key, "words": changed[key]} for key in sorted(changed)])
    counts = Counter(chain.from_iterable(set(words) for words in changed.values()))
    rows = [{"shelf": shelf.name, "word": word, "texts": count} for word, count in sorted(counts.items())]
    write_many(connection, _COUNT_IN[connection.dialect.name], rows)
    return len(changed)


def words_of(connection: Connection, shelf: Shelf, ids: Iterable[int]) -> dict[int, Phrase]:
    """Return the words that are known of these ids."""
    return {row.id: row.words for row in connection.execute(_KNOWN[shelf.name], {"ids": list(ids)})}


def remove(connection: Connection, shelf: Shelf, ids: Collection[int]) -> None:
    """Forget these ids and the words nobody else uses. The index must be locked."""
    if not ids:
        return
    counts = Counter(chain.from_iterable(map(set, words_of(connection, shelf, ids).values())))
    connection.execute(_REMOVE[shelf.name], {"ids": list(ids)})
    rows = [{"the_shelf": shelf.name, "the_word": word, "fewer": count} for word, count in sorted(counts.items())]
    write_many(connection, _COUNT_OUT, rows)
    connection.execute(_UNUSED, {"shelf": shelf.name, "words": sorted(counts)})


def clear(connection: Connection) -> None:
    """Make the index anew, empty; `storage.indexing` fills it again."""
    lock(connection)
    for table in (TEXTS, CUSTOMERS, vocabulary):
        table.drop(connection)
        table.create(connection)

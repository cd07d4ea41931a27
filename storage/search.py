"""Full-text search: which texts and customers have the words of a query, the newest first.

`storage.indexing` brings what is searched up to date, a moment after it happened. Beginnings of words are looked up
in the vocabulary and asked for as whole words, the `BEGINNINGS` most used ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, text

from storage.customers import by_ids, customers
from storage.database import Row, all_rows, among
from storage.messages import messages
from storage.shelves import CUSTOMERS, TEXTS, Shelf, lock, remove, vocabulary
from storage.wording import Phrase, Wanted, wanted_in_texts, wanted_of_customers

BEGINNINGS = 100  #: whole words that a beginning stands for, the most used ones
RARE = 10_000  #: texts; words of no more are read from the index and sorted
WALK = 15_000  #: newest texts read one by one when every word is common
MOST_FOUND = 20_000  #: texts sorted at most, when a query of common words finds too few among the newest
_MEMORY = "SET LOCAL work_mem = '64MB'"  # else PostgreSQL forgets which rows of a page it meant
_FOREVER = (1 << 63) - 1

_USED = select(vocabulary.c.word, vocabulary.c.texts).where(
    vocabulary.c.shelf == bindparam("shelf"), among(vocabulary.c.word, "words")
)
_BEGINNING = (
    select(vocabulary.c.word, vocabulary.c.texts)
    .where(
        vocabulary.c.shelf == bindparam("shelf"),
        vocabulary.c.word >= bindparam("first"),
        vocabulary.c.word < bindparam("end"),
    )
    .order_by(vocabulary.c.texts.desc(), vocabulary.c.word)
    .limit(BEGINNINGS)
)
_THEIR_TEXTS = select(messages.c.id).where(messages.c.customer_id == bindparam("customer_id"))


_TEXTS = (
    select(
        *(messages.c[name] for name in ("id", "customer_id", "direction", "purpose", "staff_id", "body", "created_at")),
        customers.c.phone,
        customers.c.name,
    )
    .outerjoin_from(messages, customers, messages.c.customer_id == customers.c.id)
    .where(among(messages.c.id, "ids"))
    .order_by(messages.c.id.desc())
)


class Page(NamedTuple):
    """What was found, the newest first. `complete`: nothing newer or equal was left out for want of time."""

    ids: list[int]
    complete: bool = True


def forget(connection: Connection, customer_id: int) -> None:
    """Forget a customer and their texts. To be called before their messages are deleted, in that transaction."""
    lock(connection)
    remove(connection, CUSTOMERS, [customer_id])
    remove(connection, TEXTS, list(connection.execute(_THEIR_TEXTS, {"customer_id": customer_id}).scalars()))


def scrub(connection: Connection) -> None:
    """Rewrite SQLite's index without what was removed from it; to be called before VACUUM.

    FTS5 keeps a removed word until it merges. PostgreSQL's GIN keeps it too, until VACUUM FULL builds it anew.
    """
    if connection.dialect.name == "sqlite":
        for shelf in (TEXTS, CUSTOMERS):
            connection.execute(text(f"INSERT INTO {shelf.name}_fts({shelf.name}_fts) VALUES ('optimize')"))  # noqa: S608


class Found(NamedTuple):
    """What a query found: rows of customers and of texts with their customers, the newest first."""

    customers: list[Row]
    texts: list[Row]
    complete: bool  #: no text is missing for want of time
    older: int | None  #: there may be more texts, below this id


def find(connection: Connection, query: str, limit: int, before: int | None = None) -> Found:
    """Return who and what fits a query as a person types it, at most `limit` of each; `before` gives older texts.

    All words must be there; the last one may go on; "words in quotes" stand one behind the other. Customers are
    found by name, e-mail, any part of their number, referral code and vouchers' codes.
    """
    who = Page([]) if before else newest(connection, CUSTOMERS, wanted_of_customers(query), limit)
    what = newest(connection, TEXTS, wanted_in_texts(query), limit, before)
    people = by_ids(connection, who.ids)
    texts = all_rows(connection.execute(_TEXTS, {"ids": what.ids}))
    return Found(
        [people[key] for key in who.ids if key in people],
        texts,
        what.complete,
        what.ids[-1] if len(what.ids) == limit else None,
    )


def newest(
    connection: Connection, shelf: Shelf, wanted: Sequence[Wanted], limit: int, before: int | None = None
) -> Page:
    """Return the newest ids below `before` that have everything wanted; nothing when nothing is wanted.

    Bounded on PostgreSQL: when every word is common and too few of the newest `WALK` fit, at most `MOST_FOUND`
    are sorted; are there more, the page has what was found among the newest and is not complete.
    """
    asked = [_known(connection, shelf, each) for each in wanted]
    if not asked or not all(asked):
        return Page([])
    values: dict[str, Any] = {"before": before or _FOREVER, "limit": limit}
    if connection.dialect.name == "sqlite":
        values["query"] = " AND ".join(f"({' OR '.join(_quoted(p, ' ') for p in group)})" for group in asked)
        return Page(list(connection.execute(_sqlite(shelf), values).scalars()))
    values["query"] = " & ".join(f"({' | '.join(_tsquery(p) for p in group)})" for group in asked)
    return _newest_postgres(connection, shelf, values, min(sum(group.values()) for group in asked) <= RARE)


def _known(connection: Connection, shelf: Shelf, wanted: Wanted) -> dict[Phrase, int]:
    """Return the phrases that may be there, with no beginnings left in them, and how many texts at most have each."""
    heads = {word for phrase in wanted.phrases for word in (phrase[:-1] if wanted.open else phrase)}
    used: dict[str, int] = {}
    if heads:
        found = connection.execute(_USED, {"shelf": shelf.name, "words": sorted(heads)})
        used = {row.word: row.texts for row in found}
    known: dict[Phrase, int] = {}
    for phrase in wanted.phrases:
        ends = _beginning_with(connection, shelf, phrase[-1]) if wanted.open else used
        for end in ends if wanted.open else phrase[-1:]:
            counts = [used.get(word, 0) for word in phrase[:-1]] + [ends.get(end, 0)]
            if min(counts):
                known[(*phrase[:-1], end)] = min(counts)
    return known


def _beginning_with(connection: Connection, shelf: Shelf, beginning: str) -> dict[str, int]:
    """Return the word itself and the most used ones that begin so; of a single Latin letter only itself."""
    values = {"shelf": shelf.name, "first": beginning, "end": beginning + "\U0010ffff"}
    alone = {"shelf": shelf.name, "words": [beginning]}
    found = {row.word: row.texts for row in connection.execute(_USED, alone)}
    if len(beginning) > 1 or not beginning.isascii():
        found |= {row.word: row.texts for row in connection.execute(_BEGINNING, values)}
    return found


def _quoted(phrase: Phrase, between: str) -> str:
    return f'"{between.join(phrase)}"'


def _tsquery(phrase: Phrase) -> str:
    return " <-> ".join(f"'{word}'" for word in phrase)


def _sqlite(shelf: Shelf) -> Any:
    """FTS5 walks its lists from the newest text back, and stops when it has enough."""
    name = f"{shelf.name}_fts"
    return text(
        f"SELECT rowid FROM {name} WHERE {name} MATCH :query AND rowid < :before"  # noqa: S608 (our own names)
        " ORDER BY rowid DESC LIMIT :limit"
    )


def _newest_postgres(connection: Connection, shelf: Shelf, values: dict[str, Any], rare: bool) -> Page:
    """GIN knows no order: what is common is found by walking back, what is rare by collecting and sorting.

    The planner, which guesses how many rows fit, would now and then choose otherwise.
    """
    walked: list[int] = []
    if not rare:
        walked = list(connection.execute(_walk(shelf), {**values, "walk": WALK}).scalars())
        if len(walked) == values["limit"]:
            return Page(walked)
    connection.execute(text(_MEMORY))
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    connection.execute(text("SET LOCAL enable_indexscan = off"))
    found = connection.execute(_collect(shelf), {**values, "most": MOST_FOUND + 1}).all()
    for setting in ("enable_seqscan", "enable_indexscan", "work_mem"):
        connection.execute(text(f"SET LOCAL {setting} TO DEFAULT"))
    if found and found[0].many > MOST_FOUND:
        return Page(walked, complete=False)
    return Page([row.id for row in found])


def _walk(shelf: Shelf) -> Any:
    return text(
        f"SELECT id FROM (SELECT id, words FROM {shelf.name} WHERE id < :before ORDER BY id DESC LIMIT :walk) AS newest"  # noqa: S608
        " WHERE words @@ CAST(:query AS tsquery) ORDER BY id DESC LIMIT :limit"
    )


def _collect(shelf: Shelf) -> Any:
    found = f"SELECT id FROM {shelf.name} WHERE words @@ CAST(:query AS tsquery) AND id < :before LIMIT :most"  # noqa: S608
    many = "(SELECT count(*) FROM found) AS many"
    return text(f"WITH found AS MATERIALIZED ({found}) SELECT id, {many} FROM found ORDER BY id DESC LIMIT :limit")  # noqa: S608

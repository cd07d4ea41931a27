"""Full-text search: which texts and customers have the words of a query, the newest first.

`storage.indexing` brings what is searched up to date, a moment after it happened. Beginnings of words are looked up
in the vocabulary and asked for as whole words, the `BEGINNINGS` most used ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, literal_column, select, text

from storage.conditions import among
from storage.customers import by_ids, customers
from storage.messages import messages
from storage.rows import Row, all_rows
from storage.shelves import CUSTOMERS, TEXTS, Shelf, lock, remove, vocabulary
from storage.wording import Phrase, Wanted, wanted_in_texts, wanted_of_customers

BEGINNINGS = 100  #: whole words that a beginning stands for, the most used ones
RARE = 10_000  #: texts; words of no more are read from the index and sorted
WALK = 15_000  #: newest texts read one by one when every word is common
MOST_FOUND = 10_000  #: texts sorted at most, when a query of common words finds too few among the newest
PROBES = 30  #: stretches of time that are looked into when that is too many
SAMPLE = 200  #: texts of each of them
_FOREVER = (1 << 63) - 1

_USED = select(vocabulary.c.word, vocabulary.c.texts).where(
    vocabulary.c.shelf == bindparam("shelf"), among(vocabulary.c.word, "words")
)
_begins = (
    vocabulary.c.shelf == bindparam("shelf"),
    vocabulary.c.word >= bindparam("first"),
    vocabulary.c.word < bindparam("end"),
)
_USED_AGAIN = (
    select(vocabulary.c.word, vocabulary.c.texts)
    .where(*_begins, vocabulary.c.texts > literal_column("1"))  # a literal, so that the partial index is used
    .order_by(vocabulary.c.texts.desc(), vocabulary.c.word)
    .limit(bindparam("count"))
)
_USED_ONCE = (
    select(vocabulary.c.word, vocabulary.c.texts)
    .where(*_begins, vocabulary.c.texts == 1)
    .order_by(vocabulary.c.word)
    .limit(bindparam("count"))
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
    are sorted. Are there more, the page has some of the newest and is not complete.
    """
    asked = [_known(connection, shelf, each) for each in wanted]
    if not asked or not all(asked):
        return Page([])
    values: dict[str, Any] = {"before": before or _FOREVER, "limit": limit}
    if connection.dialect.name == "sqlite":
        values["query"] = " AND ".join(f"({' OR '.join(map(_fts_phrase, group))})" for group in asked)
        return Page(list(connection.execute(_sqlite(shelf), values).scalars()))
    values["query"] = _tsquery(asked, " <-> ")
    values["all"] = _tsquery(asked, " & ")
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
    alone = {"shelf": shelf.name, "words": [beginning]}
    found = {row.word: row.texts for row in connection.execute(_USED, alone)}
    if len(beginning) == 1 and beginning.isascii():
        return found
    values = {"shelf": shelf.name, "first": beginning, "end": beginning + "\U0010ffff"}
    for statement in (_USED_AGAIN, _USED_ONCE):
        if len(found) < BEGINNINGS:
            rows = connection.execute(statement, {**values, "count": BEGINNINGS - len(found)})
            found |= {row.word: row.texts for row in rows}
    return found


def _fts_phrase(phrase: Phrase) -> str:
    return f'"{" ".join(phrase)}"'


def _tsquery(asked: Sequence[Collection[Phrase]], between: str) -> str:
    """Return a tsquery; `between` the words of a phrase stands "one behind the other" or "and"."""
    return " & ".join(f"({' | '.join(f'({between.join(_lexemes(phrase))})' for phrase in group)})" for group in asked)


def _lexemes(phrase: Phrase) -> list[str]:
    return [f"'{word}'" for word in phrase]


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
        walked = _walk(connection, shelf, values, WALK)
        if len(walked) == values["limit"]:
            return Page(walked)
    for setting in ("enable_seqscan = off", "enable_indexscan = off", "work_mem = '64MB'"):
        connection.execute(text(f"SET LOCAL {setting}"))  # without so much memory it forgets which rows of a page fit
    found = connection.execute(_collect(shelf), {**values, "most": MOST_FOUND + 1}).one()
    for setting in ("enable_seqscan", "enable_indexscan", "work_mem"):
        connection.execute(text(f"SET LOCAL {setting} TO DEFAULT"))
    if found.many <= MOST_FOUND:
        return Page(list(found.ids))
    return Page(walked or _probe(connection, shelf, values), complete=False)


def _walk(connection: Connection, shelf: Shelf, values: dict[str, Any], steps: int) -> list[int]:
    """Look at so many texts one by one, from the newest back."""
    newest_ones = f"SELECT id, words FROM {shelf.name} WHERE id < :before ORDER BY id DESC LIMIT :steps"  # noqa: S608
    query = (
        f"SELECT id FROM ({newest_ones}) AS newest WHERE words @@ CAST(:query AS tsquery) ORDER BY id DESC LIMIT :limit"  # noqa: S608
    )
    return list(connection.execute(text(query), {**values, "steps": steps}).scalars())


def _probe(connection: Connection, shelf: Shelf, values: dict[str, Any]) -> list[int]:
    """Look at a few texts of each stretch of time, back to the first that has some that fit, and walk from its end."""
    ends = connection.execute(text(f"SELECT min(id) AS first, max(id) AS last FROM {shelf.name}")).one()  # noqa: S608
    last = min(ends.last, values["before"])
    step = (last - ends.first) // PROBES + 1

    def has_some(before: int) -> bool:
        return bool(_walk(connection, shelf, {**values, "before": before}, SAMPLE))

    fits = next((at for number in range(1, PROBES) if has_some(at := last - number * step)), None)
    if fits is None:
        return []
    too_new = fits + step
    for _ in range(8):
        middle = (fits + too_new) // 2
        fits, too_new = (middle, too_new) if has_some(middle) else (fits, middle)
    return _walk(connection, shelf, {**values, "before": too_new}, WALK)


def _collect(shelf: Shelf) -> Any:
    """Collect what has all the words, at most `most`; then see whether those of a phrase stand together."""
    found = f"SELECT id, words FROM {shelf.name} WHERE words @@ CAST(:all AS tsquery) AND id < :before LIMIT :most"  # noqa: S608
    ids = "SELECT id FROM found WHERE words @@ CAST(:query AS tsquery) ORDER BY id DESC LIMIT :limit"
    return text(
        f"WITH found AS MATERIALIZED ({found}) SELECT (SELECT count(*) FROM found) AS many, ARRAY({ids}) AS ids"  # noqa: S608
    )

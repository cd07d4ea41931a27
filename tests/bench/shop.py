"""A large shop made in SQL: customers with names, mails and codes, their texts of a year, and the search index.

The index is what `storage.indexing` would make of them, made in bulk; a sample is checked against it.
"""

# ruff: noqa: S608 (every name and number in this SQL is our own)
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from storage import indexing, shelves, switches
from storage.columns import EPOCH
from storage.database import reading, writing
from storage.ids import START, distance, id_at
from storage.wording import words

BEGUN = id_at(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=365))
YEAR = distance(timedelta(days=365))
NAMES = ("Ana", "Bob", "Charlie", "Dana", "Eva", "Femi", "Grace", "Hugo", "Ines", "Kofi", "Lena", "Mia", "Noor", "Rosa")
FAMILIES = ("Lopez", "Smith", "Okafor", "Chen", "Garcia", "Muller", "Rossi", "Silva", "Khan", "Nguyen", "Jensen")
#: What texts begin with, so that the commonest words are in millions of them; five other words follow.
OPENINGS = (
    "i never got my coffee",
    "coffee please my usual",
    "how many points do i have for coffee",
    "you have 120 points reply redeem for a free coffee",
    "thank you see you soon at the coffee shop",
    "what time do you open",
    "yes",
    "balance",
    "can i bring my dog to the cafe",
    "i never said that my card was lost",
)
HEAVY = 77  #: the customer who has written most
MOST = 50_000  #: texts of that customer
ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
_LETTERS = 7


def make(engine: Engine, people: int, texts: int) -> None:
    """Fill an empty, migrated database."""
    sqlite = engine.dialect.name == "sqlite"
    with writing(engine) as conn:
        if not sqlite:
            conn.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        write(conn, _customers(people, sqlite))
        write(conn, _vouchers(people, sqlite))
        write(conn, _texts(people, texts, sqlite))
    with writing(engine) as conn:
        _index(conn, people, sqlite)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        conn.execute(text("ANALYZE" if sqlite else "VACUUM ANALYZE"))
    _check(engine)


def write(conn: Connection, statement: str) -> None:
    driver: Any = conn.connection.driver_connection  # to which a percent sign is no parameter
    driver.execute(statement)


def code(number: int, letters: int = _LETTERS) -> str:
    """Return a customer's referral code, in small letters."""
    mixed = (number + 1) * 2_654_435_761 % 30**letters
    return "".join(ALPHABET[mixed // 30**at % 30] for at in range(letters))


def numbers(count: int, sqlite: bool) -> str:
    if sqlite:
        return f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1})"
    return f"WITH numbers AS (SELECT n FROM generate_series(0::bigint, {count - 1}) AS n)"


def picked(number: str, among: Sequence[str]) -> str:
    whens = " ".join(f"WHEN {at} THEN '{one}'" for at, one in enumerate(among))
    return f"(CASE {number} % {len(among)} {whens} END)"


def number_id(number: str, count: int) -> str:
    return f"({BEGUN} + {number} * {YEAR // count // 1000 * 1000})"


def moment_at(identifier: str, sqlite: bool) -> str:
    """Return the moment an id was made, in SQL."""
    milliseconds = f"(({identifier} >> 22) + {(START - EPOCH) // timedelta(milliseconds=1)})"
    return f"({milliseconds} * 1000)" if sqlite else f"to_timestamp({milliseconds} / 1000.0)"


def _code(number: str, letters: int) -> str:
    mixed = f"(({number} + 1) * 2654435761 % {30**letters})"
    return " || ".join(
        f"substr('{ALPHABET}', CAST({mixed} / {30**at} % 30 AS integer) + 1, 1)" for at in range(letters)
    )


_NAME, _FAMILY = picked("n", NAMES), picked("(n / 7)", FAMILIES)
_PHONE = "('+1' || (2010000000 + n * 7919 % 7900000000))"
_VOUCHER = _code("(n + 3000000000)", 8)


def _customers(people: int, sqlite: bool) -> str:
    at = moment_at(number_id("n", people), sqlite)
    return f"""{numbers(people, sqlite)} INSERT INTO customers (id, phone, name, email, referral_code, language,
        language_chosen, consent, points, qualifying, tags, attributes, marks, frequency, purchases, spent_minor,
        marketing_paused, sendable, created_at)
        SELECT {number_id("n", people)}, {_PHONE}, {_NAME} || ' ' || {_FAMILY},
        lower({_NAME} || '.' || {_FAMILY}) || n || '@example.com', upper({_code("n", _LETTERS)}), 'en', FALSE,
        'none', 0, 0, {_tags(sqlite)}, '{{}}', '{{}}', 'normal', 0, 0, FALSE, TRUE, {at} FROM numbers"""


def _tags(sqlite: bool) -> str:
    tags = """CASE WHEN n % 1000 = 3 THEN '["vip"]' WHEN n % 3 = 0 THEN '["regular"]' ELSE '[]' END"""
    return tags if sqlite else f"CAST({tags} AS jsonb)"


def _vouchers(people: int, sqlite: bool) -> str:
    code = f"upper(substr({_VOUCHER}, 1, 4) || '-' || substr({_VOUCHER}, 5))"
    begun, ends = moment_at(number_id("n", people), sqlite), moment_at(str(BEGUN + 2 * YEAR), sqlite)
    return f"""{numbers(people, sqlite)} INSERT INTO vouchers (id, customer_id, code, name, cost, status, issued_at,
        ends_at) SELECT {number_id("n", people)}, {number_id("n", people)}, {code}, 'Free coffee', 0, 'issued',
        {begun}, {ends} FROM numbers WHERE n % 5 = 0"""


def _texts(people: int, texts: int, sqlite: bool) -> str:
    number = "printf('%x', {})" if sqlite else "to_hex({})"
    more = " || ".join(
        "' w' || " + number.format(f"(n * {prime} % 251) * (n * {prime + 2} % 241)")
        for prime in (7919, 104729, 15485863)
    )
    season = f"CASE WHEN n * 100 / {texts} BETWEEN 40 AND 49 THEN ' pumpkin' ELSE '' END"
    rare = "CASE WHEN n % 99991 = 7 THEN ' walnut' ELSE '' END"
    stride = max(2, 2 * texts // min(MOST, texts // 5))
    who = number_id(f"(CASE WHEN n % {stride} < 2 THEN {HEAVY} ELSE n * 2654435761 % {people} END)", people)
    at = moment_at(number_id("n", texts), sqlite)
    inbound, missed = "n % 2 = 0", "n % 1002 = 7"
    return f"""{numbers(texts, sqlite)} INSERT INTO messages (id, customer_id, direction, sid, sender, recipient, body,
        state, purpose, attempts, created_at, sent_at, delivered_at, error_code, misunderstood, unanswered, flow,
        segments, language, conversation_id)
        SELECT {number_id("n", texts)} + 7, {who}, CASE WHEN {inbound} THEN 'in' ELSE 'out' END, 'SMbench' || n,
        CASE WHEN {inbound} THEN '+12010000001' ELSE '+14155550100' END,
        CASE WHEN {inbound} THEN '+14155550100' ELSE '+12010000001' END,
        {picked("n", OPENINGS)} || {more} || {season} || {rare},
        CASE WHEN {inbound} THEN 'received' WHEN {missed} THEN 'undelivered' ELSE 'delivered' END,
        CASE WHEN {inbound} THEN NULL ELSE 'reply' END, 0, {at}, CASE WHEN {inbound} THEN NULL ELSE {at} END,
        CASE WHEN {inbound} OR {missed} THEN NULL ELSE {at} END, CASE WHEN {missed} THEN '30005' ELSE NULL END,
        CASE WHEN n % 502 = 0 THEN TRUE ELSE NULL END, CASE WHEN n % 2002 = 8 THEN TRUE ELSE NULL END,
        {picked("(n / 2)", ("redeem", "balance", "info"))}, CASE WHEN {inbound} THEN NULL ELSE 1 END, 'en',
        CASE WHEN n % 8 < 6 THEN {who} ELSE NULL END FROM numbers"""


def _index(conn: Connection, people: int, sqlite: bool) -> None:
    """Fill both shelves and the vocabulary; PostgreSQL's indexes are made at the end."""
    bodies = f"SELECT id, {'body' if sqlite else _TO_WORDS} FROM messages"
    everybody = f"{numbers(people, sqlite)} SELECT {number_id('n', people)}, {_customer_words(sqlite)} FROM numbers"
    for name, rows in ((shelves.TEXTS.name, bodies), (shelves.CUSTOMERS.name, everybody)):
        for statement in (_SQLITE if sqlite else _POSTGRES).split(";"):
            write(conn, statement.format(name=name, rows=rows))
    done = {"from": 0, "to": BEGUN + YEAR}
    progress = {"texts": done, "customers": done, "vouchers": BEGUN + YEAR, "profile_changes": BEGUN + YEAR}
    switches.set(conn, indexing.PROGRESS, progress)


_TO_WORDS = "to_tsvector('simple', body)"
_POSTGRES = """DROP INDEX ix_{name}_words;
    INSERT INTO {name} (id, words) {rows};
    CREATE INDEX ix_{name}_words ON {name} USING gin (words) WITH (gin_pending_list_limit = 512);
    INSERT INTO search_vocabulary SELECT '{name}', word, ndoc FROM ts_stat('SELECT words FROM {name}')"""
_SQLITE = """INSERT INTO {name} (id, words) {rows};
    CREATE VIRTUAL TABLE temp.seen USING fts5vocab(main, {name}_fts, row);
    INSERT INTO search_vocabulary SELECT '{name}', term, doc FROM temp.seen;
    DROP TABLE temp.seen"""


def _customer_words(sqlite: bool) -> str:
    """Return a customer's words in the order in which `storage.indexing` gives them."""
    name, family = f"lower({_NAME})", f"lower({_FAMILY})"
    pieces = [f"'#' || substr({_PHONE}, {at}, 4)" for at in range(2, 10)] + [f"'#' || substr({_PHONE}, 10)"]
    found = [name, family, name, f"{family} || n", "'example'", "'com'", *pieces, _code("n", _LETTERS)]
    held = [_VOUCHER, f"substr({_VOUCHER}, 1, 4)", f"substr({_VOUCHER}, 5)"]
    more = f"CASE WHEN n % 5 = 0 THEN ' ' || {_listed(held, len(found) + 1, sqlite)} ELSE '' END"
    listed = f"({_listed(found, 1, sqlite)} || {more})"
    return listed if sqlite else f"CAST({listed} AS tsvector)"


def _listed(found: Sequence[str], first: int, sqlite: bool) -> str:
    if sqlite:
        return " || ' ' || ".join(f"({word})" for word in found)
    return " || ".join(f"'''' || ({word}) || ''':{at} '" for at, word in enumerate(found, first))


def _check(engine: Engine) -> None:
    """Hold a sample against what the product itself would index."""
    with reading(engine) as conn:
        for number in (0, 5, 77, 500):
            at = conn.execute(
                text("SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET :n"), {"n": number}
            ).scalar_one()
            assert shelves.words_of(conn, shelves.CUSTOMERS, [at]) == indexing.customers_words(conn, [at])
            row = conn.execute(text("SELECT id, body FROM messages ORDER BY id LIMIT 1 OFFSET :n"), {"n": number}).one()
            assert shelves.words_of(conn, shelves.TEXTS, [row.id]) == {row.id: words(row.body)}

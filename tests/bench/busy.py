"""What a year of work leaves behind in a large shop, made in SQL: ledger, consent, desk, audit, tallies."""

# ruff: noqa: S608 (every name and number in this SQL is our own)
from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from bot.desk.reports import DAY
from storage import switches, tallies
from storage.database import writing
from tests.bench.shop import HEAVY, moment_at, number_id, numbers, picked, write

STAFF = 40
_FIRST = 1_000_000  # ids of staff
_WHO = f"({_FIRST} + n % {STAFF})"
_AUDIT = 400_000
_WAITING = 300
_FLOWS = ("redeem", "join", "human", "preferences", "profile")


def fill(engine: Engine, people: int, now: datetime) -> None:
    """Add to the customers and texts of `tests.bench.shop`; the flows must be published already."""
    sqlite = engine.dialect.name == "sqlite"
    for statement in _statements(people, sqlite):
        with writing(engine) as conn:
            write(conn, statement)
    with writing(engine) as conn:
        for number in range(366):
            tallies.write(conn, (now - number * DAY).date(), list(_counted(number)))
        switches.set(conn, "tallies", {"done": now.date().isoformat(), "at": now.isoformat()})
        _put_aside(conn, now)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        conn.execute(text("ANALYZE" if sqlite else "VACUUM ANALYZE"))


def _statements(people: int, sqlite: bool) -> Iterator[str]:
    """Give what fills one table each; `n` counts its rows."""

    apart = itertools.count(1)  # two lots of rows of one table have ids of their own

    def into(table: str, columns: str, count: int, values: str, more: str = "") -> str:
        own = 0 if table == "conversations" else next(apart)  # the texts call a conversation by its customer's id
        head, identifier = numbers(count, sqlite), f"{number_id('n', count)} + {own}"
        return f"{head} INSERT INTO {table} (id, {columns}) SELECT {identifier}, {values} FROM numbers {more}"

    def anybody(spread: int = 1) -> str:
        return number_id(f"(n * {spread} % {people})", people)

    def at(count: int, later: str = "0") -> str:
        return moment_at(f"({number_id('n', count)} + ({later}))", sqlite)

    heavy, second = number_id(str(HEAVY), people), 1000 << 22
    yield f"""{numbers(STAFF, sqlite)} INSERT INTO staff (id, email, name, role, language, preferences, created_at)
        SELECT {_FIRST} + n, 'staff' || n || '@example.com', 'Staff ' || n,
        CASE n WHEN 0 THEN 'manager' WHEN 1 THEN 'admin' WHEN 2 THEN 'marketer' ELSE 'support' END, 'en', '{{}}',
        {at(STAFF)} FROM numbers"""
    yield into(
        "ledger",
        "customer_id, kind, points, key, reason, qualifying, at",
        people,
        f"{anybody()}, 'earn', 10 + n % 90, 'bench' || n, 'purchase', 10, {at(people)}",
        "WHERE n % 2 = 0",
    )
    yield into(
        "ledger",
        "customer_id, kind, points, key, reason, qualifying, at",
        5_000,
        f"{heavy}, 'earn', 10, 'heavy' || n, 'purchase', 10, {at(5_000)}",
    )
    for status, part in (("subscribed", 1), ("unsubscribed", 25), ("subscribed", 50)):
        yield into(
            "consent_records",
            "customer_id, status, how, wording, version, language, at",
            people + part,  # so that each has ids of its own
            f"{anybody()}, '{status}', 'keyword', 'join', 1, 'en', {at(people + part)}",
            f"WHERE n % {part} = 0 AND n < {people}",
        )
    flow = picked("(n / 50)", _FLOWS)
    revision = f"(SELECT coalesce(max(id), 1) FROM flow_revisions WHERE name = {flow})"
    yield into(
        "conversations",
        "customer_id, flow, revision_id, state, slots, turn_no, misses, outcome, opened_at, updated_at, ended_at",
        people,
        f"{anybody()}, {flow}, {revision}, 'choosing', '{{}}', 2, 0, CASE WHEN n % 50 = 0 THEN NULL ELSE 'done' END,"
        f" {at(people)}, {at(people)}, CASE WHEN n % 50 = 0 THEN NULL ELSE {at(people)} END",
    )
    closed = at(people, f"{second} * 300")
    yield into(
        "handoffs",
        "customer_id, reason, requested_at, closed_at, closed_by",
        people,
        f"{anybody()}, 'asked', {at(people)}, {closed}, 'Staff 3'",
        "WHERE n % 100 = 0",
    )
    yield into(
        "handoffs",
        "customer_id, reason, requested_at",
        _WAITING,
        f"{anybody(people // _WAITING)}, 'asked', {at(_WAITING)}",
    )
    yield into(
        "leases",
        "customer_id, staff_id, began_at, ends_at, ended_at, how",
        people,
        f"{anybody()}, {_WHO}, {at(people)}, {closed}, {closed}, 'resume'",
        "WHERE n % 100 = 0",
    )
    yield into(
        "notes",
        "customer_id, staff_id, body, at",
        people,
        f"{anybody()}, {_WHO}, 'Likes oat milk, @staff', {at(people)}",
        "WHERE n % 50 = 0",
    )
    yield into("notes", "customer_id, staff_id, body, at", 400, f"{heavy}, {_WHO}, 'Called about the card', {at(400)}")
    yield f"INSERT INTO mentions (note_id, staff_id) SELECT id, {_FIRST} + id / 4194304 % {STAFF} FROM notes"
    yield into(
        "profile_changes",
        "customer_id, field, before, after, by, at",
        people,
        f"{anybody()}, 'name', 'null', '\"Ana\"', 'customer', {at(people)}",
        "WHERE n % 10 = 0",
    )
    yield into(
        "facts",
        "customer_id, name, key, data, recorded_at, due_at, handled_at",
        people,
        f"{anybody()}, 'purchase', 'bench' || n, '{{\"amount\": 450}}', {at(people)}, {at(people)}, {at(people)}",
        "WHERE n % 5 = 0",
    )
    words = picked("n", ("customer.viewed", "conversation.done", "reply.sent", "points.adjusted", "staff.signed_in"))
    yield into(
        "audit_log",
        "at, staff_id, who, action, customer_id, detail, address",
        _AUDIT,
        f"{at(_AUDIT)}, {_FIRST} + n / 7 % {STAFF}, 'Staff ' || (n / 7 % {STAFF}), {words},"
        f" {anybody(7919)}, '{{\"points\": 50}}', '203.0.113.7'",
    )
    decided = "CASE WHEN n % 50 = 0 THEN NULL ELSE {} END"
    yield into(
        "approvals",
        "customer_id, points, reason, key, asked_by, asked_at, decided_by, decided_at, decision",
        5_000,
        f"{anybody(191)}, 500, 'A machine was down', 'bench' || n, {_WHO}, {at(5_000)},"
        f" {decided.format(f'{_FIRST + STAFF}')}, {decided.format(at(5_000))}, {decided.format(repr('allowed'))}",
    )
    yield into(
        "saved_replies",
        "title, body, language, changed_at",
        60,
        f"'Reply ' || n, 'Hello {{name}}, we are looking into it.', 'en', {at(60)}",
    )
    yield into(
        "saved_views", "staff_id, name, query, shared", 12, f"{_WHO}, 'View ' || n, '{{\"view\": \"mine\"}}', TRUE"
    )
    yield f"""INSERT INTO lessons (id, message_id, customer_id, text, language, decision, intent, staff_id, at)
        SELECT id, id, customer_id, body, 'en', 'flow', 'balance', {_FIRST}, created_at FROM messages
        WHERE misunderstood IS NOT NULL AND id % 7 = 0 ORDER BY id LIMIT 500"""
    aside = f"CASE WHEN n % 10 = 0 THEN {anybody(97)} ELSE NULL END"
    yield f"""{numbers(people // 10, sqlite)} INSERT INTO desk (customer_id, assignee_id, done_message_id, changed_at)
        SELECT {anybody(10)}, CASE WHEN n % 2 = 0 THEN {_FIRST} + n / 2 % {STAFF} ELSE NULL END, {aside},
        {at(people // 10)} FROM numbers WHERE n % 2 = 0 OR n % 10 = 0"""
    yield f"""{numbers(people // 4, sqlite)} INSERT INTO desk_reads (staff_id, customer_id, message_id)
        SELECT {_FIRST}, {anybody(4)}, {number_id("n", people // 4)} FROM numbers"""


def _put_aside(conn: Connection, now: datetime) -> None:
    """Snooze some conversations until tomorrow."""
    values: dict[str, Any] = {"until": now + timedelta(hours=8), "upto": 2**62}
    moment = "CAST(:until AS bigint)" if conn.dialect.name == "sqlite" else ":until"
    if conn.dialect.name == "sqlite":
        values["until"] = int(values["until"].timestamp() * 1e6)
    conn.execute(
        text(
            f"UPDATE desk SET snoozed_until = {moment}, done_message_id = :upto WHERE customer_id IN"
            " (SELECT customer_id FROM desk ORDER BY customer_id LIMIT 500)"
        ),
        values,
    )


def _counted(number: int) -> Iterator[tallies.Tally]:
    """Give a day's numbers, as many parts as a shop with a dozen flows has."""
    some = 1_000 + number % 7 * 50
    for code in ("", "30003", "30005", "30006", "30007", "21610"):
        state = "undelivered" if code else "delivered"
        for by in ("service", "marketing", "reply", "staff"):
            yield tallies.Tally("texts", f"{by}|{state}|{code}", some // 10 if code else some)
            yield tallies.Tally("segments", f"{by}|{state}|{code}", some)
    yield tallies.Tally("texts", "customer|received|", some * 4)
    yield tallies.Tally("misunderstood", "customer|received|", some // 9)
    for name in ("keyword", "form", "staff"):
        yield tallies.Tally("joined", name, some // 8)
        yield tallies.Tally("left", name, some // 40)
    for flow in _FLOWS:
        yield tallies.Tally("left_after", flow, some // 90)
    yield tallies.Tally("active", "", some)
    yield tallies.Tally("needed_person", "", some // 20)
    for kind, sign in (("earn", 9), ("burn", -4), ("adjust", 1), ("expire", -1), ("reverse", -1)):
        yield tallies.Tally("points", kind, some * sign)
    for reward in ("coffee", "cake", "beans", "mug"):
        yield tallies.Tally("redeemed", reward, some // 30)
    for wait in ("1", "5", "15", "60", "240", "1440", "more", "never"):
        yield tallies.Tally("waited", wait, some // 100)

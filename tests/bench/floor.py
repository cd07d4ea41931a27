"""The conventional floor: the least a correct server does for one text, done the usual way.

Everyone's first choice at every step: a Flask view under gunicorn's thread
worker, the carrier library's own signature check and TwiML builder, hand-written
SQL, one durable transaction per text. The product has to beat this while doing
all that a loyalty bot does, so it is kept fast where "the usual way" allows it:
no ORM, one connection per thread, the fewest statements.

Configured by FLOOR_DATABASE (a file path, or postgresql://...), TWILIO_AUTH_TOKEN
and PUBLIC_URL. `python -m tests.bench.floor --bind 127.0.0.1:8001` prepares the
tables and then becomes gunicorn.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import psycopg
from flask import Flask, Response, abort, request
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

THREADS = 16

TABLES = (
    "create table if not exists inbound ("
    " sid text primary key, sender text not null, body text not null,"
    " received_at {now_type} not null default {now})",
    "create table if not exists conversation ("
    " customer text primary key, state text not null, turn_no integer not null)",
    "create table if not exists reply ( sid text primary key, customer text not null, body text not null)",
)


class Store(Protocol):
    """Where a text is answered durably."""

    def prepare(self) -> None:
        """Create the tables, once, before any worker starts."""

    def answer(self, sid: str, sender: str, body: str) -> str:
        """Return the reply to a text, the stored one when the sid is a repeat."""


def next_turn(state: str, turn_no: int, body: str) -> tuple[str, str]:
    """Return the next state and the reply; a token decision, for the floor measures plumbing."""
    word = body.strip().upper()
    if word == "STOP":
        return "stopped", "You are unsubscribed. Reply START to come back."
    if word == "JOIN":
        return "joining", "Welcome! Reply YES to join the club."
    return "member", f"Thanks, that was text {turn_no + 1}; before it you were {state}."


class SqliteStore:
    """One file in WAL mode, every commit on disk before the answer leaves."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()
        # SQLite's own wait for the write lock is a sleep that grows to 100 ms;
        # threads of one process queue better on a lock that wakes them.
        self._turn = threading.Lock()

    def prepare(self) -> None:
        """Create the tables in WAL mode."""
        connection = self._connect()
        for table in TABLES:
            connection.execute(table.format(now_type="text", now="current_timestamp"))
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        return connection

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        connection: sqlite3.Connection = self._local.connection
        return connection

    def answer(self, sid: str, sender: str, body: str) -> str:
        """Answer in one BEGIN IMMEDIATE transaction."""
        connection = self._connection()
        with self._turn:
            connection.execute("begin immediate")
            try:
                reply = self._reply(connection, sid, sender, body)
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise
        return reply

    def _reply(self, connection: sqlite3.Connection, sid: str, sender: str, body: str) -> str:
        inserted = connection.execute(
            "insert into inbound (sid, sender, body) values (?, ?, ?) on conflict do nothing",
            (sid, sender, body),
        )
        if not inserted.rowcount:
            stored = connection.execute("select body from reply where sid = ?", (sid,)).fetchone()
            return str(stored[0])
        found = connection.execute("select state, turn_no from conversation where customer = ?", (sender,)).fetchone()
        state, turn_no = found or ("stranger", 0)
        state, reply = next_turn(state, turn_no, body)
        connection.execute(
            "insert into conversation (customer, state, turn_no) values (?, ?, ?)"
            " on conflict (customer) do update"
            " set state = excluded.state, turn_no = excluded.turn_no",
            (sender, state, turn_no + 1),
        )
        connection.execute("insert into reply (sid, customer, body) values (?, ?, ?)", (sid, sender, reply))
        return reply


class PostgresStore:
    """One connection per thread; the conversation row's lock keeps a customer's texts apart."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._local = threading.local()

    def prepare(self) -> None:
        """Create the tables; parallel workers doing this would collide."""
        with psycopg.connect(self._dsn) as connection:
            for table in TABLES:
                statement = table.format(now_type="timestamptz", now="now()")
                connection.execute(statement.encode())

    def _connection(self) -> psycopg.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = psycopg.connect(self._dsn)
        connection: psycopg.Connection = self._local.connection
        return connection

    def answer(self, sid: str, sender: str, body: str) -> str:
        """Answer in one transaction of five statements."""
        connection = self._connection()
        with connection.transaction():
            return self._reply(connection, sid, sender, body)

    def _reply(self, connection: psycopg.Connection, sid: str, sender: str, body: str) -> str:
        inserted = connection.execute(
            "insert into inbound (sid, sender, body) values (%s, %s, %s) on conflict do nothing",
            (sid, sender, body),
        )
        if not inserted.rowcount:
            stored = connection.execute("select body from reply where sid = %s", (sid,)).fetchone()
            return str(stored[0]) if stored else ""
        found = connection.execute(
            "insert into conversation (customer, state, turn_no) values (%s, 'stranger', 0)"
            " on conflict (customer) do update set turn_no = conversation.turn_no"
            " returning state, turn_no",
            (sender,),
        ).fetchone()
        state, turn_no = found or ("stranger", 0)
        state, reply = next_turn(state, turn_no, body)
        connection.execute(
            "update conversation set state = %s, turn_no = %s where customer = %s",
            (state, turn_no + 1, sender),
        )
        connection.execute("insert into reply (sid, customer, body) values (%s, %s, %s)", (sid, sender, reply))
        return reply


def is_postgres(database: str) -> bool:
    """Tell a PostgreSQL address from a file path."""
    return database.startswith(("postgresql://", "postgres://"))


def open_store(database: str) -> Store:
    """Return the store FLOOR_DATABASE names."""
    return PostgresStore(database) if is_postgres(database) else SqliteStore(database)


def create_app() -> Flask:
    """Build the floor's one-route application from the environment."""
    app = Flask(__name__)
    store = open_store(os.environ["FLOOR_DATABASE"])
    validator = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
    public_url = os.environ["PUBLIC_URL"].rstrip("/") + "/sms"
    app.add_url_rule("/sms", view_func=_sms_view(store, validator, public_url), methods=["POST"])
    return app


def _sms_view(store: Store, validator: RequestValidator, public_url: str) -> Callable[[], Response]:
    def sms() -> Response:
        form = request.form
        if not validator.validate(public_url, form, request.headers.get("X-Twilio-Signature", "")):
            abort(403)
        twiml = MessagingResponse()
        twiml.message(store.answer(form["MessageSid"], form["From"], form["Body"]))
        return Response(str(twiml), mimetype="text/xml")

    return sms


def command(bind: str, database: str) -> list[str]:
    """Return the gunicorn command: one process on a SQLite file, two on PostgreSQL."""
    return [
        *(sys.executable, "-m", "gunicorn", "--bind", bind, "--log-level", "warning"),
        *("--worker-class", "gthread", "--threads", str(THREADS), "--keep-alive", "30"),
        *("--workers", "2" if is_postgres(database) else "1"),
        f"{__spec__.name}:create_app()",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the tables and become the server."""
    parser = argparse.ArgumentParser(description="Serve the conventional floor.")
    parser.add_argument("--bind", default="127.0.0.1:8001")
    bind: str = parser.parse_args(arguments).bind
    database = os.environ["FLOOR_DATABASE"]
    open_store(database).prepare()
    line = command(bind, database)
    os.execv(line[0], line)


if __name__ == "__main__":
    main()

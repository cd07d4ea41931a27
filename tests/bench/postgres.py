"""Fresh PostgreSQL databases for a run: made, used, dropped."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

CANDIDATES = ("postgresql://root@127.0.0.1:5432/test", "postgresql://postgres@127.0.0.1:5432/postgres")


def server_url() -> str:
    """Return the URL of a PostgreSQL server that answers. Raises SystemExit when there is none."""
    given = os.environ.get("TEST_POSTGRES_URL")
    for url in (given,) if given else CANDIDATES:
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            continue
        return url
    raise SystemExit("No PostgreSQL server answers; name one with TEST_POSTGRES_URL=postgresql://...")


@contextmanager
def fresh_database(server: str | None = None) -> Iterator[str]:
    """Give the URL of a new, empty database on a server; it is dropped at the end."""
    server = server or server_url()
    name = f"regulars_bench_{os.getpid()}_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

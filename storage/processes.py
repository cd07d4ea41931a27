"""The processes that run, by their own word: each writes a heartbeat every few seconds. Kept among the switches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, text

from storage.rows import Row
from storage.switches import set as set_switch
from storage.switches import switches

BEATS = timedelta(seconds=5)
ALIVE = timedelta(seconds=20)  #: three beats may be missed
FORGOTTEN = timedelta(days=1)
_PREFIX, _END = "process:", "process;"
_LOCK = 0x7363_6865_6475_6C65  # "schedule", the advisory lock of the scheduler that ticks

_ALL = select(switches.c.key, switches.c.value).where(switches.c.key >= _PREFIX, switches.c.key < _END)
_GONE = delete(switches).where(switches.c.key == bindparam("the_key"))


class Process(NamedTuple):
    """One process: what it is for, where it runs, and when it last said so."""

    name: str
    role: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime

    def alive(self, now: datetime) -> bool:
        """Say whether it has been heard of lately."""
        return now - self.beat_at <= ALIVE


def beat(connection: Connection, name: str, values: Row, now: datetime) -> None:
    """Say that a process is alive; `values` has its role, host, pid and started_at (in ISO form)."""
    set_switch(connection, _PREFIX + name, {**values, "beat_at": now.isoformat()})


def gone(connection: Connection, name: str) -> None:
    """Forget a process that ends in good order."""
    connection.execute(_GONE, {"the_key": _PREFIX + name})


def known(connection: Connection) -> list[Process]:
    """Return every process heard of, the newest beat first."""
    found = [
        Process(
            key.removeprefix(_PREFIX),
            value["role"],
            value["host"],
            value["pid"],
            datetime.fromisoformat(value["started_at"]),
            datetime.fromisoformat(value["beat_at"]),
        )
        for key, value in connection.execute(_ALL)
    ]
    return sorted(found, key=lambda process: process.beat_at, reverse=True)


def forget_dead(connection: Connection, now: datetime) -> None:
    """Forget processes that have not been heard of for a day."""
    for process in known(connection):
        if now - process.beat_at > FORGOTTEN:
            gone(connection, process.name)


def try_to_lead(connection: Connection) -> bool:
    """Try to become the one scheduler that ticks; it stays so while this connection lives. SQLite: always."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar())

"""The switch that stops sending: thrown by the carrier's words about the account or a sender, reset by a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bot import telemetry
from storage import switches

SWITCH = "sending_stopped"
EVERYTHING = "*"


def stopped(conn: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return what is stopped and why: `{"*" or a sender: {"code": ..., "reason": ..., "at": ...}}`."""
    found: Mapping[str, Mapping[str, Any]] = switches.get(conn, SWITCH) or {}
    return found


def stop(conn: Connection, sender: str, code: str, reason: str, now: datetime) -> None:
    """Stop one sender, or everything (`*`), until somebody resumes it. The first reason is kept."""
    already = stopped(conn)
    if sender in already:
        return
    switches.set(conn, SWITCH, {**already, sender: {"code": code, "reason": reason, "at": now.isoformat()}})
    telemetry.alarm("sending stopped", code=code, sender="all" if sender == EVERYTHING else sender)


def resume(conn: Connection, sender: str | None = None) -> bool:
    """Let one sender, or everything, send again; False when it was not stopped."""
    already = stopped(conn)
    left = {} if sender is None else {name: why for name, why in already.items() if name != sender}
    switches.set(conn, SWITCH, left)
    return left != already

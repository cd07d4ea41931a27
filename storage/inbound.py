"""Texts that came in: which were seen before, what was answered to them, and those whose turn broke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from storage.columns import Document
from storage.conditions import among
from storage.messages import FAILED, INBOUND, messages
from storage.rows import Row, all_rows
from storage.together import Query, ask

_INBOUND = select(messages.c.sid, messages.c.id, messages.c.state).where(
    among(messages.c.sid, "sids"), messages.c.direction == "in"
)
_REPLIES = (
    select(messages)
    .where(
        among(messages.c.in_reply_to, "ids"),
        messages.c.in_reply_to.is_not(None),
        messages.c.direction == "out",
        messages.c.send_after.is_(None),
        messages.c.state != "suppressed",
    )
    .order_by(messages.c.id)
)
_FAILED = (
    select(messages)
    .where(messages.c.direction == INBOUND, messages.c.state == FAILED)
    .order_by(messages.c.id)
    .limit(bindparam("count"))
)
_REPLAYED = (
    update(messages)
    .where(messages.c.id == bindparam("the_id"), messages.c.state == FAILED)
    .values(state="received", explanation=bindparam("reasons", type_=Document))
)


class Answer(NamedTuple):
    """What was answered to an inbound message: the rows that went back as its immediate reply."""

    message_id: int
    state: str
    replies: list[Row]


def replies_to(connection: Connection, sids: Sequence[str]) -> dict[str, Answer]:
    """Return what was answered to the inbound messages among these sids; sids never seen are left out.

    An immediate reply is an outbound row with `in_reply_to` set, without `send_after`, not suppressed.
    """
    return with_replies(connection, ask(connection, inbound_query(sids))[0])


def inbound_query(sids: Sequence[str]) -> Query[Sequence[Row]]:
    """Ask which of these sids were seen before; `with_replies` adds what was answered to them."""
    return Query(_INBOUND, {"sids": sids}, lambda rows: rows)


def with_replies(connection: Connection, inbound: Sequence[Row]) -> dict[str, Answer]:
    """Return what `replies_to` does, of the inbound messages that were found."""
    found = {row["id"]: Answer(row["id"], row["state"], []) for row in inbound}
    if found:
        for reply in all_rows(connection.execute(_REPLIES, {"ids": list(found)})):
            found[reply["in_reply_to"]].replies.append(reply)
    return {row["sid"]: found[row["id"]] for row in inbound}


def failed(connection: Connection, limit: int) -> list[Row]:
    """Return inbound texts whose turn broke and that wait to be taken again, oldest first."""
    return all_rows(connection.execute(_FAILED, {"count": limit}))


def replayed(connection: Connection, identifier: int, explanation: Any) -> bool:
    """Note that a failed text was taken after all; False when it was not waiting for that."""
    return connection.execute(_REPLAYED, {"the_id": identifier, "reasons": explanation}).rowcount == 1

"""Second tries: a message the carrier took and could not deliver is queued once more, as a row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from storage.conditions import among
from storage.ids import next_id
from storage.messages import lane_of, messages
from storage.rows import Row, all_rows, blank, for_both, write_many

_SAME = (
    "customer_id", "direction", "sender", "recipient", "body", "media", "purpose", "conversation_id", "flow",
    "flow_state", "language", "segments", "encoding", "deadline", "staff_id",
)  # fmt: skip
_FAILED = select(messages).where(
    among(messages.c.id, "ids"), messages.c.state.in_(("undelivered", "failed")), messages.c.retry_of.is_(None)
)
_INSERT = for_both(
    lambda insert: insert(messages).on_conflict_do_nothing(
        index_elements=["retry_of"], index_where=messages.c.retry_of.is_not(None)
    )
)


def failed_first_tries(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """Return those of these messages that were not delivered and are no second try themselves."""
    return all_rows(connection.execute(_FAILED, {"ids": ids}))


def queue(connection: Connection, tries: Sequence[tuple[Row, datetime]], now: datetime) -> None:
    """Queue each of these messages again for its moment; one that has its second try already stays with that."""
    rows = [
        {
            **{name: row[name] for name in _SAME},
            "id": next_id(),
            "state": "queued",
            "lane": lane_of(row),
            "created_at": now,
            "send_after": at,
            "retry_of": row["id"],
        }
        for row, at in tries
    ]
    write_many(connection, _INSERT[connection.dialect.name], rows, blank(messages))

"""A second try: what the carrier could not deliver for a passing reason is sent once more, if it is still of use.

Unasked texts and answers of the staff only. Who asked the bot something has the phone in hand and asks again; a
goodbye that comes an hour after STOP would be one text too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from bot import telemetry
from bot.delivery.codes import AGAIN_AFTER
from storage import second_tries

_PURPOSES = frozenset({"service", "marketing", "staff"})


def send_again(conn: Connection, codes: Mapping[int, str], now: datetime) -> None:
    """Queue messages that failed with these codes a second time: `{message id: code}`; the gate decides anew."""
    due = {message_id: now + AGAIN_AFTER[code] for message_id, code in codes.items() if code in AGAIN_AFTER}
    if not due:
        return
    failed = second_tries.failed_first_tries(conn, sorted(due))
    useful = [
        row
        for row in failed
        if row["purpose"] in _PURPOSES and row["deadline"] is not None and due[row["id"]] < row["deadline"]
    ]
    second_tries.queue(conn, [(row, due[row["id"]]) for row in useful], now)
    for row in useful:
        telemetry.log.info("sent a second time", action="again", message=row["id"], code=codes[row["id"]])

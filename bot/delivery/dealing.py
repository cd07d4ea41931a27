"""Dealing: lanes of one priority go in turns, one message each, beginning behind whoever was served last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from bot.delivery.allowance import Allowance
from storage import outbox
from storage.outbox import Lane


def deal(conn: Connection, lanes: Sequence[Lane], now: datetime, room: int, allowance: Allowance) -> list[int]:
    """Choose at most `room` messages and pay for them; the allowance remembers whose turn it was last."""
    ids: list[int] = []
    for _, equals in groupby(lanes, key=lambda lane: lane.priority):
        group = list(equals)
        last = allowance.served.get(str(group[0].priority), "")
        order = [lane for lane in group if lane.name > last] + [lane for lane in group if lane.name <= last]
        for lane, identifier in _in_turns(conn, order, now, room - len(ids), allowance):
            ids.append(identifier)
            allowance.served[str(lane.priority)] = lane.name
    return ids


def _in_turns(
    conn: Connection, order: Sequence[Lane], now: datetime, room: int, allowance: Allowance
) -> Iterator[tuple[Lane, int]]:
    """Give each lane one message and begin again, until the room, the tokens or the messages are at an end."""
    waiting, unseen = deque(order), len(order)
    found: dict[str, deque[tuple[int, int]]] = {}
    while waiting:
        lane = waiting.popleft()
        if lane.name not in found:
            share = min(-(-room // unseen), allowance.most(lane))
            found[lane.name] = deque(outbox.peek(conn, lane.name, now, share) if share > 0 else ())
            room, unseen = room - len(found[lane.name]), unseen - 1
        messages = found[lane.name]
        if messages and allowance.spend(lane, messages[0][1]):
            yield lane, messages.popleft()[0]
            waiting.append(lane)

"""The day's code, shown at the till, that proves a customer is in the shop."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from bot.engine.definition import Flow
from bot.engine.guards import Predicate
from bot.engine.language.flows import asks


def code_for(secret: str, zone: str, now: datetime) -> str:
    """Return the four digits of the shop's local day; nobody without the secret can tell tomorrow's."""
    day = now.astimezone(ZoneInfo(zone)).date().isoformat()
    digest = hmac.new(secret.encode(), f"day code:{day}".encode(), sha256).digest()
    return f"{int.from_bytes(digest[:4]) % 10_000:04d}"


def is_asked_for(flows: Iterable[Flow]) -> bool:
    """Say whether any flow asks for the day's code: `{slot: {code: day_code}}`."""
    return any(ask.value == "day_code" for flow in flows for when in _conditions(flow) for ask in asks(when))


def _conditions(flow: Flow) -> Iterator[Predicate | None]:
    for trigger in flow.triggers:
        yield trigger.when
    for state in flow.states.values():
        for arrows in (*state.on.values(), *state.listen.values(), state.go):
            for arrow in arrows:
                yield arrow.when

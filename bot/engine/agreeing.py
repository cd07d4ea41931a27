"""Consent given, asked for and withdrawn, with its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bot.engine import effects as fx
from bot.engine import walking
from bot.engine.events import FactRecorded, MessageReceived
from bot.engine.programme import Wording
from bot.errors import FlowError

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn

How = Literal["keyword", "form", "import", "staff", "carrier"]


def leave(turn: Turn, frame: Frame | None = None) -> None:
    """Take the customer out: consent, what is queued, reminders, and every conversation but the one speaking."""
    turn.effects += [
        fx.RecordConsent("unsubscribed", how=how(turn)),
        fx.CancelPending("opted_out"),
        fx.CancelTimers(None),
    ]
    turn.change(consent="unsubscribed")
    turn.opted_out = True
    for other in list(turn.frames):
        if other is not frame and not other.ended:
            walking.close(turn, other, "opted_out")


def wording_of(turn: Turn, name: str) -> Wording:
    """Return a consent wording of the programme; FlowError when there is none of that name."""
    if name not in turn.programme.wordings:
        raise FlowError(f"the programme has no wording {name!r}")
    return turn.programme.wordings[name]


def record(turn: Turn, status: Literal["pending", "subscribed"], wording: Wording) -> fx.RecordConsent:
    """Return the record that proves consent: the wording's version and the exact words shown."""
    return fx.RecordConsent(status, how(turn), wording.name, wording.version, turn.in_language(wording.texts))


def how(turn: Turn) -> How:
    """Say how consent came: Twilio's own keyword handling, the customer's words, or what a fact says of itself."""
    event = turn.event
    if isinstance(event, MessageReceived):
        return "carrier" if event.opt_out_type is not None else "keyword"
    said = event.data.get("how") if isinstance(event, FactRecorded) else None
    hows: tuple[How, ...] = ("form", "import", "carrier", "keyword")
    return next((known for known in hows if known == said), "staff")

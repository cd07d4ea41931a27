"""What the bot still answers while a person holds the conversation, and why it leaves the rest alone."""

from __future__ import annotations

from bot.engine.conversation import Consent
from bot.engine.routing import Routing

HELD = "held"  #: rule: the person who holds the conversation answers
THANKS = "held.thanks"  #: the same, and it needs no answer
DOUBT = "held.doubt"  #: the same, and the customer may want out: no marketing until that is settled


def speaks(routing: Routing, consent: Consent) -> bool:
    """Say whether the bot answers all the same: STOP, HELP, and the START of somebody who had left."""
    back = routing.decision == "opt_in" and consent == "unsubscribed"
    return back or routing.decision in ("opt_out", "help")


def held_back(routing: Routing) -> Routing:
    """Leave a text to the person, with the doubt that lies in it."""
    return Routing("hold", DOUBT if routing.decision == "opt_out_confirm" else HELD, routing.matched)

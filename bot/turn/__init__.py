"""The one door for everything that can change a conversation.

`Turns.take` handles a group of events in one durable transaction: lock, load, route, decide, apply,
commit. Events that arrive together share the cost of the commit; events of one customer are handled one
after the other; a group that fails as a whole is taken again one event at a time, so that one customer's
trouble is never another's. Customers are locked before anything else of theirs is touched.
"""

from __future__ import annotations

from bot.turn.answer import Answer, Reply, Result
from bot.turn.turns import Turns
from bot.turn.understanding import route_text

__all__ = ["Answer", "Reply", "Result", "Turns", "route_text"]

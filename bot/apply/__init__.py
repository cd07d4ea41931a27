"""Effects into rows, by noun.

Handlers only collect; `Rows.flush` writes everything a whole group of turns caused, in bulk and in an
order that keeps the promises (what is pending is cancelled before anything new is written).
"""

from __future__ import annotations

from bot.apply.context import Context
from bot.apply.conversations import apply_conversations
from bot.apply.effects import apply_all
from bot.apply.lots import use_oldest
from bot.apply.rows import Row, Rows

__all__ = ["Context", "Row", "Rows", "apply_all", "apply_conversations", "use_oldest"]

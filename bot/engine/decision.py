"""What a turn decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.engine.conversation import Conversation
from bot.engine.effects import Effect
from bot.engine.holding import THANKS
from bot.engine.routing import Routing


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow taken, for the explanation: file and line of the revision in force."""

    flow: str
    source: str | None  #: state left; None: the flow began
    outcome: str
    target: str | None
    place: str  #: `redeem.yaml:31`
    refused: tuple[str, ...] = ()  #: guards that did not hold on the way here


@dataclass(frozen=True, slots=True)
class Decision:
    """New conversation values, what to do, and why."""

    conversations: tuple[Conversation, ...] = ()  #: those opened, moved or ended by this turn
    effects: tuple[Effect, ...] = ()
    routing: Routing | None = None
    steps: tuple[Step, ...] = ()
    error: str | None = None  #: a crash inside a flow; the state is as it was

    @property
    def misunderstood(self) -> bool:
        """Say whether the customer was told that the text was not understood."""
        unclear = self.routing is not None and self.routing.decision == "fallback" and self.routing.rule != "picture"
        return unclear or any(step.outcome == "misunderstood" for step in self.steps)

    @property
    def wants_answer(self) -> bool:
        """Say whether a text, when nothing is said to it, waits for a person: a heart or a "thanks" does not."""
        routing = self.routing
        left_alone = routing is not None and routing.decision in ("ignore", "hold", "fallback")
        return left_alone and routing is not None and routing.rule not in ("tapback", "pleasantry", THANKS)

    def explanation(self) -> dict[str, Any]:
        """Return the reasons as plain data for the log: routing, steps, names of effects."""
        routing = self.routing
        return {
            **(
                {
                    "decision": routing.decision,
                    "rule": routing.rule,
                    "matched": routing.matched,
                    "score": round(routing.score, 3),
                    "runner_up": (
                        {
                            "what": routing.runner_up.what,
                            "matched": routing.runner_up.matched,
                            "score": round(routing.runner_up.score, 3),
                        }
                        if routing.runner_up
                        else None
                    ),
                    "intent": routing.intent,
                    "notes": list(routing.notes),
                }
                if routing
                else {}
            ),
            "steps": [
                {
                    "flow": s.flow,
                    "from": s.source,
                    "outcome": s.outcome,
                    "to": s.target,
                    "at": s.place,
                    "refused": list(s.refused),
                }
                for s in self.steps
            ],
            "effects": [type(effect).__name__ for effect in self.effects],
            **({"error": self.error} if self.error else {}),
        }


EMPTY = Decision()

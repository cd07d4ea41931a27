"""Lessons: what the bot misunderstood, what it should have made of it, and whether it would be right by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Engine

from bot.catalog import Book
from bot.desk.actor import Actor, NotPossible, note
from bot.desk.explaining import ANSWERS, DECISIONS
from bot.desk.said import Said
from bot.engine.conversation import Consent, Conversation, Customer
from bot.engine.events import MessageReceived
from bot.engine.routing import Routing
from bot.turn import route_text
from storage import consent, customers, lessons, messages
from storage.database import writing
from storage.ids import next_id
from storage.rows import Row

TEACHABLE = tuple(name for name in DECISIONS if name != "hold")  #: what the router decides by the words alone
WITH_INTENT = ("flow", "reply")  #: these say nothing without what was started, or answered
_OTHERS = Said("Something else")
_KEPT = ("decision", "rule", "matched", "score", "intent")
_NUMBER = "+12015550123"
_POINTS = 1_000  #: enough for every reward, so that choices have something to choose from


def intents(book: Book) -> tuple[str, ...]:
    """Return every intent the router may name with the flows in force."""
    return (*sorted({flow.intent for flow in book.flows.values()}), *ANSWERS)


def meanings(book: Book) -> Mapping[str, tuple[Said, Said | str]]:
    """Return what a text may be taught to mean, `flow:redeem` or `help` -> its group and its words, group by group."""
    flows = {
        flow.intent: flow.title for flow in book.flows.values() if any(t.keywords or t.questions for t in flow.triggers)
    }
    started: dict[str, Said | str] = dict(sorted(flows.items(), key=lambda each: each[1]))
    groups = ((DECISIONS["flow"], "flow:", started), (DECISIONS["reply"], "reply:", ANSWERS))
    found = {f"{prefix}{name}": (group, said) for group, prefix, names in groups for name, said in names.items()}
    return found | {name: (_OTHERS, DECISIONS[name]) for name in TEACHABLE if name not in WITH_INTENT}


def teach(
    engine: Engine, actor: Actor, book: Book, message_id: int, decision: str, intent: str | None, now: datetime
) -> None:
    """Say what a text should have been taken for; a second lesson about it replaces the first.

    Raises NotPossible for a text that did not come from a customer, or words the router does not have.
    """
    intent = intent or None
    if decision not in TEACHABLE:
        raise NotPossible("Choose what the text should have been taken for.")
    if intent is not None and intent not in intents(book):
        raise NotPossible("There is no intent {intent}.", intent=intent)
    if intent is None and decision in WITH_INTENT:
        raise NotPossible("Choose what the text should have started, or answered.")
    with writing(engine) as conn:
        known = messages.by_id(conn, message_id)
        if known is not None and known["customer_id"] is not None:
            customers.lock_by_id(conn, [known["customer_id"]])
        row = messages.by_id(conn, message_id)  # again: an erasure may have come first
        if row is None or row["direction"] != "in" or row["customer_id"] is None or not row["body"].strip():
            raise NotPossible("Only words that came from a customer can be taught.")
        before = [each for each in consent.history(conn, row["customer_id"]) if each["id"] < message_id]
        why: Mapping[str, Any] = row["explanation"] or {}
        lessons.put(
            conn,
            {
                "id": next_id(),
                "message_id": message_id,
                "customer_id": row["customer_id"],
                "text": row["body"],
                "language": row["language"] or book.programme.shop.languages[0],
                "state": f"{row['flow']}:{row['flow_state']}" if row["flow"] else None,
                "consent": before[-1]["status"] if before else "none",
                "understood": {name: why[name] for name in _KEPT if name in why},
                "decision": decision,
                "intent": intent,
                "staff_id": actor.staff_id or 0,
                "at": now,
            },
        )
        note(conn, actor, "lesson.taught", now, row["customer_id"], message=message_id, decision=decision)


def forget(engine: Engine, actor: Actor, message_id: int, now: datetime) -> None:
    """Take a lesson back. Raises NotPossible when there is none."""
    with writing(engine) as conn:
        known = lessons.of_messages(conn, [message_id]).get(message_id)
        if known is None or not lessons.remove(conn, message_id):
            raise NotPossible("This lesson was taken back already.")
        note(conn, actor, "lesson.forgotten", now, known["customer_id"], message=message_id)


@dataclass(frozen=True, slots=True)
class Check:
    """A lesson and what the router in force makes of it."""

    lesson: Row
    routing: Routing

    @property
    def right(self) -> bool:
        """Say whether the router is right by now; an intent that was not taught may be any."""
        wanted = self.lesson["intent"]
        return self.routing.decision == self.lesson["decision"] and wanted in (None, self.routing.intent)


def check(book: Book, lesson: Row, now: datetime) -> Check:
    """Play a lesson through the router in force, from the state and consent it was about."""
    customer = Customer(
        id=1,
        phone=_NUMBER,
        language=lesson["language"],
        consent=cast(Consent, lesson["consent"] or "subscribed"),
        points=_POINTS,
        tier=book.programme.tiers[-1].key if book.programme.tiers else None,
        conversations=_place(book, lesson["state"], now),
    )
    text = MessageReceived("", _NUMBER, "", lesson["text"], now)
    return Check(lesson, route_text(book, customer, text, {}, now))


def _place(book: Book, state: str | None, now: datetime) -> tuple[Conversation, ...]:
    """Return the open conversation a lesson was about; none when the flows have no such state any more."""
    name, _, place = (state or "").partition(":")
    compiled = book.current(name)
    if compiled is None or place not in compiled.flow.states:
        return ()
    return (Conversation(1, 1, name, compiled.revision_id, place, now),)


def example(lesson: Row) -> dict[str, Any]:
    """Return a lesson as a line of tests/engine/routing/*.jsonl; its README names the fields."""
    line = {"text": lesson["text"], "decision": lesson["decision"], "intent": lesson["intent"], "kind": "taught"}
    line["lang"] = lesson["language"]
    if lesson["state"]:
        line["state"] = lesson["state"]
    if (lesson["consent"] or "subscribed") != "subscribed":
        line["consent"] = lesson["consent"]
    return line

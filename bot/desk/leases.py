"""Taking over: a conversation has one holder until a moment. The bot is silent meanwhile and goes on afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from bot import telemetry
from bot.catalog import Book
from bot.desk.actor import Actor, NotPossible, note
from bot.engine import holding
from bot.engine.definition import HandBack
from bot.engine.events import HandedBack
from bot.errors import FlowError, TurnBroken
from bot.turn import Turns
from storage import conversations, customers, erasures, handoffs, leases, messages, outbox, staff, timers
from storage.database import writing
from storage.ids import next_id
from storage.rows import Row

OVERRULES = frozenset({"manager", "admin"})  #: may take over or hand back what a colleague holds, without a reason
BREATH = timedelta(minutes=5)  #: reminders that rested come one after the other, so far apart
MAX_REASON = 200
_CLOCK = Actor(None, "the clock", "admin")
_MOMENT = timedelta(milliseconds=1)
_LOOK_BACK = 50  # messages; who wrote more in one lease was not left waiting by an oversight


def take_over(
    engine: Engine, actor: Actor, customer_id: int, span: timedelta, now: datetime, reason: str = ""
) -> datetime:
    """Hold a customer's conversation for `span`; return until when.

    Raises NotPossible when a colleague holds it, unless a reason is said or the role allows it.
    """
    with writing(engine) as conn:
        locked(conn, customer_id)
        return hold(conn, actor, customer_id, span, now, reason)


def hold(
    conn: Connection, actor: Actor, customer_id: int, span: timedelta, now: datetime, reason: str = ""
) -> datetime:
    """Take over, or extend one's own lease, in a transaction that has locked the customer."""
    if actor.staff_id is None:
        raise NotPossible("Only somebody with an account can take over a conversation.")
    lease = leases.running(conn, customer_id)
    if lease is not None and lease["staff_id"] == actor.staff_id and lease["ends_at"] > now:
        return _extend(conn, actor, lease, span, now)
    reason = " ".join(reason.split())[:MAX_REASON]
    taken_from = None
    if lease is not None:
        others = lease["staff_id"] != actor.staff_id and lease["ends_at"] > now
        if others and not reason and actor.role not in OVERRULES:
            name = staff.names(conn).get(lease["staff_id"], "")
            raise NotPossible("{name} is talking with this customer. Say why you take over.", name=name)
        taken_from = lease["staff_id"] if others else None
        leases.end(conn, lease, "taken_over" if others else "ran_out", now)
        _replan(conn, lease, now)
    until = now + span
    leases.begin(
        conn,
        {
            "id": next_id(),
            "customer_id": customer_id,
            "staff_id": actor.staff_id,
            "began_at": now,
            "ends_at": until,
            "reason": reason or None,
        },
    )
    minutes = int(span.total_seconds() // 60)
    note(conn, actor, "conversation.taken_over", now, customer_id, minutes=minutes, taken_from=taken_from)
    return until


def extend(engine: Engine, actor: Actor, customer_id: int, span: timedelta, now: datetime) -> datetime:
    """Hold a conversation that one holds already for `span` from now; return until when."""
    with writing(engine) as conn:
        locked(conn, customer_id)
        lease = leases.running(conn, customer_id)
        if lease is None or lease["staff_id"] != actor.staff_id or lease["ends_at"] <= now:
            raise NotPossible("You do not hold this conversation any more. Take it over again.")
        return _extend(conn, actor, lease, span, now)


def _extend(conn: Connection, actor: Actor, lease: Row, span: timedelta, now: datetime) -> datetime:
    until: datetime = max(now + span, lease["ends_at"])
    if until > lease["ends_at"]:
        leases.extend(conn, lease, until)
        minutes = int((until - now).total_seconds() // 60)
        note(conn, actor, "conversation.extended", now, lease["customer_id"], minutes=minutes)
    return until


def hand_back(turns: Turns, actor: Actor, customer_id: int, how: HandBack | None, now: datetime) -> HandBack:
    """Give a conversation back to the bot; return how: as chosen, else as its flow says.

    Raises NotPossible when somebody else holds it, and when the bot cannot go on that way.
    """
    try:
        with writing(turns.engine) as conn:
            locked(conn, customer_id)
            lease = leases.running(conn, customer_id)
            if lease is None:
                raise NotPossible("Nobody holds this conversation any more; the bot answers again.")
            if lease["staff_id"] != actor.staff_id and actor.role not in OVERRULES:
                name = staff.names(conn).get(lease["staff_id"], "")
                raise NotPossible("{name} holds this conversation. Only {name} or a manager hands it back.", name=name)
            chosen = how or default_way(conn, turns.catalog.book, customer_id)
            _end(conn, lease, chosen, now)
            turns.take_in(conn, [HandedBack(customer_id, now, chosen)], now)
            _close_handoff(conn, customer_id, actor.label, now)
            note(conn, actor, "conversation.handed_back", now, customer_id, how=chosen)
            return chosen
    except TurnBroken as trouble:
        raise NotPossible("The bot cannot go on that way. Hand the conversation back and end it instead.") from trouble


def default_way(conn: Connection, book: Book, customer_id: int) -> HandBack:
    """Return how the flow of the conversation a customer is in goes on after a person."""
    place = conversations.current_of(conn, customer_id)
    if place is None:
        return "resume"
    try:
        return book.revision(place["revision_id"]).flow.handed_back
    except (FlowError, LookupError):
        return "resume"


def return_run_out(turns: Turns, now: datetime) -> int:
    """Give back what people held for too long; return how many. Any number of processes may do it at once."""
    done = 0
    while _return_next(turns, now):
        done += 1
    return done


def _return_next(turns: Turns, now: datetime) -> bool:
    try:
        with writing(turns.engine) as conn:
            return _return(conn, turns, now)
    except (TurnBroken, FlowError) as trouble:
        telemetry.broke("not gone on", trouble)
    with writing(turns.engine) as conn:  # without the flow that broke: nobody is held for ever
        return _return(conn, None, now)


def _return(conn: Connection, turns: Turns | None, now: datetime) -> bool:
    """Return the lease that ran out first. The bot guesses nothing: who was left without an answer waits on."""
    lease = leases.take_run_out(conn, now)
    if lease is None:
        return False
    customer_id = lease["customer_id"]
    answered, unanswered = _talk(conn, lease)
    _end(conn, lease, "ran_out", now)
    if unanswered is not None:
        _wait_on(conn, unanswered)
    elif answered:
        _close_handoff(conn, customer_id, _CLOCK.label, now)
    way: HandBack = "resume"
    if turns is not None:
        way = "resume" if unanswered is not None else default_way(conn, turns.catalog.book, customer_id)
        turns.take_in(conn, [HandedBack(customer_id, now, way)], now)
    unread = unanswered is not None
    note(conn, _CLOCK, "conversation.handed_back", now, customer_id, how=way, ran_out=True, unanswered=unread)
    return True


def _talk(conn: Connection, lease: Row) -> tuple[bool, Row | None]:
    """Say whether staff answered during a lease, and return the oldest text that came after the last answer."""
    waiting = None
    for row in messages.history(conn, lease["customer_id"], _LOOK_BACK):
        if row["created_at"] < lease["began_at"]:
            break
        if row["staff_id"] is not None:
            return True, waiting
        if row["direction"] == "in" and _needs_person(row["explanation"] or {}):
            waiting = row
    return False, waiting


def _needs_person(explanation: Mapping[str, object]) -> bool:
    return explanation.get("decision") == "hold" and explanation.get("rule") != holding.THANKS


def _wait_on(conn: Connection, text: Row) -> None:
    """Put a customer into the queue because of a text nobody answered, unless they wait there already."""
    handoff = {"id": next_id(), "customer_id": text["customer_id"], "reason": "unanswered", "message_id": text["id"]}
    handoffs.insert(conn, [{**handoff, "requested_at": text["created_at"]}])


def _close_handoff(conn: Connection, customer_id: int, by: str, now: datetime) -> None:
    waiting = handoffs.of(conn, customer_id)
    if waiting is not None:
        handoffs.close(conn, waiting["id"], by, now)


def _end(conn: Connection, lease: Row, how: str, now: datetime) -> None:
    """End a lease; what it held back is planned anew before the bot goes on."""
    leases.end(conn, lease, how, now)
    outbox.release(conn, lease["customer_id"], lease["ends_at"], now)
    _replan(conn, lease, now)


def _replan(conn: Connection, lease: Row, now: datetime) -> None:
    """Give deadlines the time they still had when the lease began, and let reminders come one after the other."""
    customer_id = lease["customer_id"]
    until = min(now, lease["ends_at"])
    moved = {row["id"]: row["updated_at"] for row in conversations.open_of(conn, [customer_id]).get(customer_id, ())}
    resting = timers.of(conn, customer_id)
    taken = {(row["scope"], row["due_at"]) for row in resting}
    following = now + BREATH
    for row in reversed(resting):  # the latest first: each moves to where no other of its scope is
        if row["kind"] == "deadline" and row["conversation_id"] in moved:
            since = max(lease["began_at"], moved[row["conversation_id"]])  # HELP may have set it during the lease
            timers.put_off(conn, row["id"], row["due_at"] + max(until - since, timedelta()))
    for row in resting:
        if row["kind"] == "reminder" and row["due_at"] <= now:
            while (row["scope"], following) in taken:
                following += _MOMENT
            taken.add((row["scope"], following))
            timers.put_off(conn, row["id"], following)
            following += BREATH


def locked(conn: Connection, customer_id: int) -> Row:
    """Lock a customer and return the row. Raises NotPossible for one who is not there any more."""
    row = customers.lock_by_id(conn, [customer_id]).get(customer_id)
    if row is None or erasures.is_shell(row):
        raise NotPossible("This customer is not in the books any more.")
    if row["merged_into"] is not None:
        raise NotPossible("This number was merged with another customer's. Go on there.")
    return row

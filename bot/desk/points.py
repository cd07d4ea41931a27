"""Points as staff change them: adjust, reverse, and the second person who allows what is above one's limit.

Everything goes into the ledger by the engine's own effects, so that lots, expiry and the tier's count follow the
same rules; each deed has a key and happens once, however often it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.apply import Context, apply_all
from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import deed, points_end, reason_of, told
from bot.engine.effects import AddEntry
from bot.engine.programme import Programme
from storage import approvals, loyalty, staff, vouchers
from storage.database import reading, writing
from storage.ids import next_id
from storage.rows import Row

MOST = 1_000_000
DECIDERS = frozenset({"manager", "admin"})
REVERSIBLE = frozenset({"earn", "burn", "adjust"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: done, or waiting for a second person."""

    points: int  #: given, or taken when negative
    balance: int
    approval_id: int | None = None  #: the request that waits; None: it is done
    repeated: bool = False  #: it had been done, or asked for, before


def adjust(
    engine: Engine,
    programme: Programme,
    actor: Actor,
    customer_id: int,
    points: int,
    reason: str,
    key: str,
    now: datetime,
) -> Outcome:
    """Give points, or take some (negative); above the actor's limit ask a second person instead.

    `key` is made by the page that asks: the same key again changes nothing. Raises NotPossible for 0 points, too
    many, too few left, or no reason.
    """
    reason, key = reason_of(reason), key.strip()
    if points == 0 or abs(points) > MOST:
        raise NotPossible("Points are a whole number from 1 to {most}.", most=MOST)
    if not key or len(key) > 100:
        raise NotPossible("The page was not complete. Load it again.")
    with deed(engine, programme, customer_id, actor.staff_id, now) as context:
        if (before := _adjusted_before(context, f"staff:{key}")) is not None:
            return before
        _check_enough(context, points)
        if _is_above_limit(context.conn, programme, actor, points, now):
            return _ask(context, actor, points, reason, key=f"staff:{key}")
        _add(context, AddEntry("adjust", points, f"staff:{key}", reason, expires_at=_end(points, programme, now)))
        note(context.conn, actor, "points.adjusted", now, customer_id, points=points)
        return Outcome(points, context.points)


def reverse(
    engine: Engine, programme: Programme, actor: Actor, customer_id: int, entry_id: int, reason: str, now: datetime
) -> Outcome:
    """Take a ledger entry back, once; points that are already spent become a debt.

    Above the actor's limit a second person is asked. Raises NotPossible when it was taken back already, or cannot be.
    """
    reason = reason_of(reason)
    with deed(engine, programme, customer_id, actor.staff_id, now) as context:
        entry = loyalty.by_id(context.conn, entry_id)
        if entry is None or entry["customer_id"] != customer_id:
            raise NotPossible("This customer has no such entry.")
        if (before := _reversed_before(context, actor, entry["key"])) is not None:
            return before
        effect = _reversal(context, entry, reason)
        if _is_above_limit(context.conn, programme, actor, effect.points, now):
            return _ask(context, actor, effect.points, reason, reverses=entry["key"])
        _add(context, effect)
        note(context.conn, actor, "points.reversed", now, customer_id, points=effect.points, entry=str(entry_id))
        return Outcome(effect.points, context.points)


def allow(engine: Engine, programme: Programme, actor: Actor, approval_id: int, answer: str, now: datetime) -> Outcome:
    """Let happen what somebody else asked for. Raises NotPossible when it is decided, or cannot be done any more."""
    asked = _asked(engine, actor, approval_id)
    with deed(engine, programme, asked["customer_id"], asked["asked_by"], now) as context:
        _decide(context.conn, programme, actor, approval_id, "allowed", " ".join(answer.split()), now)
        points = asked["points"]
        if asked["reverses"] is None:
            _check_enough(context, points)
            effect = AddEntry("adjust", points, asked["key"], asked["reason"], expires_at=_end(points, programme, now))
        else:
            entry = loyalty.by_key(context.conn, asked["reverses"])
            assert entry is not None  # nothing is ever removed from the ledger
            effect = _reversal(context, entry, asked["reason"])
        _add(context, effect)
        detail = {"points": points, "approval": str(approval_id)}
        note(context.conn, actor, "points.allowed", now, asked["customer_id"], **detail)
        return Outcome(points, context.points)


def refuse(engine: Engine, programme: Programme, actor: Actor, approval_id: int, answer: str, now: datetime) -> None:
    """Do not let it happen, and say why. Raises NotPossible when it is decided already, or there is no reason."""
    answer = reason_of(answer)
    asked = _asked(engine, actor, approval_id)
    with writing(engine) as conn:  # also for a customer who was merged or erased meanwhile
        _decide(conn, programme, actor, approval_id, "refused", answer, now)
        detail = {"points": asked["points"], "approval": str(approval_id)}
        note(conn, actor, "points.refused", now, asked["customer_id"], **detail)


def limit_of(programme: Programme, actor: Actor) -> int:
    """Return how many points somebody may give and take at once, and in a day, without a second person."""
    limits = programme.limits
    return limits.manager_points if actor.role in DECIDERS else limits.support_points


def left_today(conn: Connection, programme: Programme, actor: Actor, now: datetime) -> int:
    """Return how many points somebody may still give or take today without a second person."""
    if actor.staff_id is None:
        return MOST
    zone = ZoneInfo(programme.shop.zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    alone = loyalty.given_by(conn, actor.staff_id, midnight) - approvals.allowed_since(conn, actor.staff_id, midnight)
    return max(0, limit_of(programme, actor) - alone)


def _is_above_limit(conn: Connection, programme: Programme, actor: Actor, points: int, now: datetime) -> bool:
    if actor.staff_id is None:
        return False
    staff.lock(conn, actor.staff_id)  # two tabs of one person share one limit
    return abs(points) > left_today(conn, programme, actor, now)


def _adjusted_before(context: Context, key: str) -> Outcome | None:
    """Return what came of an adjustment with this key; raises NotPossible when a second person refused it."""
    entry = loyalty.by_key(context.conn, key)
    asked = approvals.by_key(context.conn, key) if entry is None else None
    found = entry or asked
    if found is None:
        return None
    if found["customer_id"] != context.customer.id:
        raise NotPossible("The page was not complete. Load it again.")
    if asked is not None and asked["decision"] is not None:
        raise NotPossible("A second person refused that.")
    return Outcome(found["points"], context.points, asked["id"] if asked else None, repeated=True)


def _reversed_before(context: Context, actor: Actor, entry_key: str) -> Outcome | None:
    """Return what came of the same person's reversal of an entry; raises NotPossible when another did it."""
    done = loyalty.by_key(context.conn, f"undo:{entry_key}")
    if done is not None:
        if done["staff_id"] != actor.staff_id:
            raise NotPossible("This entry was taken back already.")
        return Outcome(done["points"], context.points, repeated=True)
    asked = approvals.waiting_for(context.conn, entry_key)
    if asked is not None and asked["asked_by"] != actor.staff_id:
        raise NotPossible("Somebody asked for that already; it waits for a second person.")
    return Outcome(asked["points"], context.points, asked["id"], repeated=True) if asked is not None else None


def _check_enough(context: Context, points: int) -> None:
    if points < 0 and -points > max(context.points, 0):
        raise NotPossible("There are only {points} points to take.", points=max(context.points, 0))


def _reversal(context: Context, entry: Row, reason: str) -> AddEntry:
    """Return the effect that takes an entry back, with its count for the tier. Raises NotPossible when it cannot be."""
    if entry["kind"] not in REVERSIBLE or entry["points"] == 0:
        raise NotPossible(
            "Only points that were earned, spent or adjusted can be taken back. Adjust the points instead."
        )
    key = f"undo:{entry['key']}"
    if loyalty.by_key(context.conn, key) is not None:
        raise NotPossible("This entry was taken back already.")
    held = vouchers.of(context.conn, [context.customer.id]).get(context.customer.id, [])
    bought = next((voucher for voucher in held if voucher["entry_key"] == entry["key"]), None)
    if bought is not None and bought["status"] == "redeemed":
        raise NotPossible(
            "These points paid for {code}, which was used. Adjust the points instead.", code=bought["code"]
        )
    if bought is not None and bought["status"] == "issued":
        raise NotPossible(
            "These points paid for {code}. Take the voucher back, and its points come back with it.",
            code=bought["code"],
        )
    return AddEntry(
        "reverse",
        -entry["points"],
        key,
        reason,
        qualifying=-entry["qualifying"] if entry["at"] > context.now - context.programme.tier_window else 0,
        expires_at=_end(-entry["points"], context.programme, context.now),
        reverses=entry["key"],
    )


def _add(context: Context, effect: AddEntry) -> None:
    apply_all([effect], context)


def _end(points: int, programme: Programme, now: datetime) -> datetime | None:
    return points_end(programme, now) if points > 0 else None


def _ask(
    context: Context, actor: Actor, points: int, reason: str, key: str | None = None, reverses: str | None = None
) -> Outcome:
    request_id = next_id()
    approvals.insert(
        context.conn,
        {
            "id": request_id,
            "customer_id": context.customer.id,
            "points": points,
            "reason": reason,
            "key": key or f"undo:{request_id}",
            "reverses": reverses,
            "asked_by": actor.staff_id,
            "asked_at": context.now,
        },
    )
    detail = {"points": points, "approval": str(request_id)}
    note(context.conn, actor, "points.asked", context.now, context.customer.id, **detail)
    return Outcome(points, context.points, request_id)


def _asked(engine: Engine, actor: Actor, approval_id: int) -> Row:
    """Return a request that this person may decide. Raises NotPossible for one's own, and for who is no manager."""
    with reading(engine) as conn:
        found = approvals.by_id(conn, approval_id)
    if found is None:
        raise NotPossible("There is no such request.")
    if actor.role not in DECIDERS or actor.staff_id is None:
        raise NotPossible("A manager or an administrator has to decide that.")
    if found["asked_by"] == actor.staff_id:
        raise NotPossible("You asked for it yourself. A second person has to decide.")
    return found


def _decide(
    conn: Connection, programme: Programme, actor: Actor, approval_id: int, decision: str, answer: str, now: datetime
) -> None:
    assert actor.staff_id is not None
    if approvals.decide(conn, approval_id, actor.staff_id, decision, answer, now):
        return
    found = approvals.by_id(conn, approval_id)
    if found is None:  # erased with its customer just now
        raise NotPossible("There is no such request.")
    who = staff.names(conn).get(found["decided_by"], "")
    raise NotPossible("{name} decided that at {time}.", name=who, time=told(found["decided_at"], programme, now))

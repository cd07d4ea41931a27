"""The judge: the fake carrier's log, the rows, and what the customers remember must tell the same story."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from bot.delivery.codes import AGAIN_AFTER
from storage.conversations import conversations
from storage.customers import customers
from storage.messages import messages
from storage.timers import timers
from tests.chaos.facts import broken_laws
from tests.chaos.plots import Played

IN_FLIGHT = timedelta(seconds=15)  #: what was claimed before a STOP may still leave: 5 s in the crew, 10 s on the way
_SENT = ("sent", "delivered", "undelivered")
_FOLLOWER = timedelta(hours=48)  #: the second welcome is further away than this
Log = Sequence[Mapping[str, str]]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Books:
    """What the database says at the end."""

    out: Rows  #: every outbound message, with the sid of the text it answers
    known: set[str]  #: sids of inbound texts
    crashed: Sequence[str]  #: sids of those that were kept for a replay: nothing here breaks by itself
    consents: Mapping[str, str]
    followers: Counter[str]  #: reminders of the second welcome, by number
    ends: Mapping[str, list[tuple[str, bool]]]  #: state of each redeem conversation and whether it has ended
    overdue: int  #: timers that should have fired


def read_books(conn: Connection) -> Books:
    """Read everything the judge wants to know."""
    c, texts, asked = customers.c, messages.alias("o"), messages.alias("i")
    out = (
        select(texts, asked.c.sid.label("answers"))
        .outerjoin(asked, asked.c.id == texts.c.in_reply_to)
        .where(texts.c.direction == "out")
        .order_by(texts.c.id)
    )
    now = datetime.now(UTC)
    ours = timers.c.customer_id == c.id
    welcome = select(c.phone, func.count().label("total")).where(ours, timers.c.scope == "welcome")
    redeem = select(c.phone, conversations.c.state, conversations.c.ended_at)
    ends: defaultdict[str, list[tuple[str, bool]]] = defaultdict(list)
    for phone, state, ended_at in conn.execute(
        redeem.where(conversations.c.customer_id == c.id, conversations.c.flow == "redeem")
    ):
        ends[phone].append((state, ended_at is not None))
    followers = conn.execute(welcome.where(timers.c.due_at > now + _FOLLOWER).group_by(c.phone))
    return Books(
        out=[dict(row) for row in conn.execute(out).mappings()],
        crashed=conn.execute(text("select sid from messages where direction = 'in' and state = 'failed'"))
        .scalars()
        .all(),
        known=set(conn.execute(text("select sid from messages where direction = 'in'")).scalars()),
        consents={row.phone: row.consent for row in conn.execute(select(c.phone, c.consent))},
        followers=Counter({row.phone: row.total for row in followers}),
        ends=ends,
        overdue=conn.execute(select(func.count()).where(timers.c.due_at <= now)).scalar_one(),
    )


def judge(conn: Connection, log: Log, played: Played, counts: Counter[str]) -> Iterator[str]:
    """Yield everything that is wrong; count on the way how things ended."""
    yield from broken_laws(conn)
    books = read_books(conn)
    if books.crashed:
        yield f"{len(books.crashed)} turns crashed and wait for a replay, e.g. {books.crashed[0]}"
    for row in books.out:
        counts[f"ended {row['state']}"] += 1
    yield from _answers(played, books)
    yield from _log(log, books)
    yield from _second_tries(books, counts)
    yield from _leaving(log, books, played)
    yield from _unasked(books, played, counts)
    yield from _timers(books, played, counts)


def _answers(played: Played, books: Books) -> Iterator[str]:
    """Every acknowledged text is there with the answer it got."""
    if lost := sorted(set(played.answered) - books.known):
        yield f"{len(lost)} answered texts are lost, e.g. {lost[0]}"
    kept: defaultdict[str, list[str]] = defaultdict(list)
    for row in books.out:
        if row["answers"] and row["state"] != "suppressed" and row["purpose"] in ("reply", "opt_out_confirmation"):
            kept[row["answers"]].append(row["body"])
    other = sorted(sid for sid, said in played.answered.items() if sid in books.known and tuple(kept[sid]) != said)
    if other:
        said, stored = played.answered[other[0]], kept[other[0]]
        yield f"{len(other)} answers are not what was said, e.g. {other[0]}: {said} is stored as {stored}"


def _log(log: Log, books: Books) -> Iterator[str]:
    """What the carrier took is what we believe to have sent, each once; nothing is left open."""
    taken = Counter((entry["to"], entry["body"]) for entry in log)
    believed: Counter[tuple[str, str]] = Counter()
    for row in books.out:
        if row["state"] in _SENT:
            believed[row["recipient"], row["body"]] += 1
        elif row["state"] != "suppressed":
            yield f"message {row['id']} ended {row['state']}"
    if twice := taken - believed:
        to, body = next(iter(twice))
        states = [(row["state"], row["reason"]) for row in books.out if (row["recipient"], row["body"]) == (to, body)]
        yield f"{twice.total()} texts went out too often, e.g. {to} {body!r}: {taken[to, body]} times for {states}"
    if missing := believed - taken:
        yield f"{missing.total()} texts never went out, e.g. {next(iter(missing))}"


def _second_tries(books: Books, counts: Counter[str]) -> Iterator[str]:
    """What failed for a passing reason has one second try, and nothing else has one."""
    rows = {row["id"]: row for row in books.out}
    tries = Counter(row["retry_of"] for row in books.out if row["retry_of"] is not None)
    counts["second tries"] += tries.total()
    due = {row["id"] for row in books.out if _is_tried_again(row)}
    if set(tries) != due or tries.total() != len(due):
        wrong = next(iter(set(tries) ^ due or {each for each, count in tries.items() if count > 1}))
        yield f"message {wrong} ended {rows[wrong]['state']} ({rows[wrong]['error_code']}), tried again {tries[wrong]}"


def _is_tried_again(row: Mapping[str, Any]) -> bool:
    failed = row["state"] in ("undelivered", "failed") and row["retry_of"] is None
    return failed and row["purpose"] in ("service", "marketing") and row["error_code"] in AGAIN_AFTER


def _leaving(log: Log, books: Books, played: Played) -> Iterator[str]:
    """Nothing unasked goes to whoever left, of whatever kind, and everybody's consent is what they last said."""
    unasked = {(row["recipient"], row["body"]) for row in books.out if row["purpose"] in ("service", "marketing")}
    for entry in log:
        left_at = played.stopped_at.get(entry["to"])
        late = left_at is not None and datetime.fromisoformat(entry["at"]) > left_at + IN_FLIGHT
        if late and (entry["to"], entry["body"]) in unasked:
            yield f"{entry['to']} left at {left_at}, and was texted at {entry['at']}"
    for phone, said in played.last_said.items():
        expected = "unsubscribed" if said == "STOP" else "subscribed"
        if books.consents.get(phone) != expected:
            yield f"{phone} is {books.consents.get(phone)} after {said!r}"


def _unasked(books: Books, played: Played, counts: Counter[str]) -> Iterator[str]:
    """Whoever stayed got each service and marketing text, once."""
    rows = {row["body"]: row for row in books.out if row["body"] in played.queued and row["retry_of"] is None}
    for body, purpose in played.queued.items():
        row = rows.get(body)
        if row is None:
            yield f"{body!r} is lost"
        elif row["state"] in _SENT:
            counts[f"{purpose} sent"] += 1
        elif row["recipient"] not in played.stopped_at:
            yield f"{body!r} was {row['state']} ({row['reason']}) although nobody left"


def _timers(books: Books, played: Played, counts: Counter[str]) -> Iterator[str]:
    """Each timer that was due has had its effect, once; one whose moment had passed has had none."""
    if books.overdue:
        yield f"{books.overdue} timers are overdue"
    welcomes: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    reminders: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in books.out:
        if row["retry_of"] is not None:
            continue
        if row["flow"] == "welcome":
            welcomes[row["recipient"]].append(row)
        elif row["flow"] == "redeem" and row["answers"] is None:
            reminders[row["recipient"]].append(row)
    for phone, plot in played.plots.items():
        welcomed = [row["state"] in _SENT for row in welcomes[phone]]
        reminded = [row["state"] in _SENT for row in reminders[phone]]
        counts["timers fired"] += len(welcomed) + len(reminded)
        if plot == "welcomed" and (welcomed != [True] or books.followers[phone] != 1):
            yield f"{phone} was welcomed {welcomed}, with {books.followers[phone]} reminders of the next"
        elif plot == "silent":
            counts["timers fired"] += 1
            if reminded != [True] or books.ends.get(phone) != [("gone", True)]:
                yield f"{phone} was silent, was reminded {reminded}, and ended {books.ends.get(phone)}"
        elif len(welcomed) > 1 or len(reminded) > 1:
            yield f"{phone} was welcomed {len(welcomed)} times and reminded {len(reminded)} times"
        chose_at = played.chose_at.get(phone)
        if chose_at is not None and any(row["created_at"] > chose_at for row in reminders[phone]):
            yield f"{phone} chose at {chose_at} and was reminded to choose after that"

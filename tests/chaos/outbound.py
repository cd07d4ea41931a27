"""Texts in and out while everything is killed: nothing lost, nothing twice, nothing after a STOP.

The fake carrier's log is the judge. Customers play journeys over signed HTTP and send again what was not
answered, as the carrier does; the replies in the answers are sent by the carrier, as are the texts the workers
post to it. `python -m tests.chaos.outbound --messages 2000 --kills 10`; in full 100000 and 100.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from bot import telemetry
from bot.app import build_services
from bot.carrier.fake import Behaviour
from bot.carrier.fake_http import FakeServer
from bot.settings import load_settings
from storage import messages
from storage.database import open_engine, reading, writing
from storage.ids import next_id
from storage.migrate import upgrade
from tests.bench.load import JOURNEY, SHOP, inbound_form, phone_number
from tests.bench.servers import TOKEN, free_port, product_environment
from tests.chaos.client import Client
from tests.chaos.facts import broken_laws
from tests.chaos.house import Killer, Victim, bot, cluster, listens, redis
from tests.chaos.scenes import Outcome

STOPPERS = 0.5  #: of the customers end with STOP
IN_FLIGHT = timedelta(seconds=15)  #: what was claimed before a STOP may still leave: 5 s in the crew, 10 s on the way
FAULTS = Behaviour(
    account="AC" + "0" * 32,
    token=TOKEN,
    latency=0.005,
    refuse=0.02,
    lose_answer=0.02,
    fail_before=0.02,
    fail_after=0.01,
    throttle=0.02,
    slow=0.001,
    slow_seconds=12.0,
    undelivered=0.01,
    failures=(30008,),
    callback_lost=0.03,
    callback_twice=0.05,
    callback_shuffled=0.1,
)


@dataclass
class Played:
    """What the customers sent, what they were answered, and when they left."""

    answered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    last_said: dict[str, str] = field(default_factory=dict)
    stopped_at: dict[str, datetime] = field(default_factory=dict)
    queued: set[str] = field(default_factory=set)  #: bodies of unasked texts that were committed
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class House:
    """The installation under test."""

    database_url: str
    environment: dict[str, str]
    doors: list[str]  #: addresses of the web processes
    victims: list[Victim]


def outbound(kind: str, count: int, kills: int, clients: int = 8, seed: int = 5) -> Outcome:
    """Play `count` texts in and out on `postgres` (web, worker and scheduler twice) or `sqlite` (one process)."""
    outcome = Outcome(f"{count} texts in and out, {kills} kills, {kind}")
    dice = random.Random(seed)
    played = Played()
    with (
        tempfile.TemporaryDirectory(prefix="chaos") as name,
        FakeServer(_copy(FAULTS)) as carrier,
        ExitStack() as stack,
    ):
        folder = Path(name)
        house = stack.enter_context((_postgres_house if kind == "postgres" else _sqlite_house)(folder, carrier.url))
        killer = Killer(house.victims, kills, lambda victims: _pick(dice, victims))
        started = time.monotonic()
        killer.start()
        _play(house, carrier, played, count, clients, seed, killer)
        killer.join()
        outcome.counts.update(f"killed {victim}" for victim in killer.done)
        _wait_until_quiet(house.database_url)
        for victim in house.victims:
            if victim.name not in ("database", "broker"):
                victim.stop()
        _settle(house, carrier)
        outcome.counts["seconds"] = round(time.monotonic() - started)
        _judge(house.database_url, carrier, played, outcome)
    return outcome


def _copy(behaviour: Behaviour) -> Behaviour:
    return Behaviour(**{name: getattr(behaviour, name) for name in behaviour.__slots__})


def _pick(dice: random.Random, victims: Sequence[Victim]) -> Victim:
    kinds = sorted({victim.name for victim in victims})
    kind = dice.choice(kinds)
    return dice.choice([victim for victim in victims if victim.name == kind])


def _environment(database_url: str, port: int, carrier: str, folder: Path) -> dict[str, str]:
    more = {"TWILIO_API_BASE_URL": carrier, "SENDING_RATE": "unlimited", "LOG_LEVEL": "WARNING"}
    return {**product_environment(database_url, port, **more), "REGULARS_CHAOS": str(folder)}


@contextmanager
def _postgres_house(folder: Path, carrier: str) -> Iterator[House]:
    with cluster(folder) as (url, database):
        upgrade(url)
        broker_url, broker = redis(folder)
        broker.start()
        ports = [free_port(), free_port()]
        victims = [database, broker]
        environment: dict[str, str] = {}
        for number, port in enumerate(ports):
            environment = {**_environment(url, port, carrier, folder), "BROKER_URL": broker_url}
            log = folder / f"web{number}.log"
            victims.append(
                bot("web", environment, "serve", "--web-only", log=log, ready=lambda port=port: listens(port))
            )
        environment["PUBLIC_URL"] = f"http://127.0.0.1:{ports[0]}"
        for number in range(2):
            for role in ("worker", "scheduler"):
                log = folder / f"{role}{number}.log"
                victims.append(bot(role, environment, role, log=log, ready=lambda: True))
        try:
            for victim in victims[2:]:
                victim.start()
            doors = [f"http://127.0.0.1:{port}" for port in ports]
            yield House(url, environment, doors, victims)
        finally:
            for victim in victims[1:]:
                victim.kill()


@contextmanager
def _sqlite_house(folder: Path, carrier: str) -> Iterator[House]:
    port = free_port()
    url = f"sqlite:///{folder / 'chaos.db'}"
    environment = _environment(url, port, carrier, folder)
    victim = bot("all", environment, "serve", log=folder / "all.log", ready=lambda: listens(port))
    victim.start()
    try:
        yield House(url, environment, [f"http://127.0.0.1:{port}"], [victim])
    finally:
        victim.kill()


def _play(
    house: House, carrier: FakeServer, played: Played, count: int, clients: int, seed: int, killer: Killer
) -> None:
    people = max(1, count // (2 * len(JOURNEY)))
    engine = open_engine(house.database_url)
    troubles: list[BaseException] = []

    def share(number: int) -> None:
        dice = random.Random(seed * 1_000 + number)
        callers = [Client(door, TOKEN, timeout=15) for door in house.doors]
        try:
            for person in range(number, people, clients):
                _journey(engine, carrier, callers, played, person, dice)
        except BaseException as trouble:
            troubles.append(trouble)
            killer.give_up()

    threads = [threading.Thread(target=share, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    if troubles:
        raise troubles[0]


def _journey(
    engine: Engine, carrier: FakeServer, callers: Sequence[Client], played: Played, person: int, dice: random.Random
) -> None:
    """One customer says everything; the shop's own texts are queued somewhere in between."""
    sender = phone_number(person)
    texts = JOURNEY if dice.random() < STOPPERS else JOURNEY[:-1]
    queue_at = sorted(dice.randrange(2, len(JOURNEY)) for _ in range(2))
    for step, body in enumerate(texts):
        for half in range(queue_at.count(step)):
            _queue(engine, played, sender, f"{person}-{step}-{half}")
        sid = f"SMchaos{person:08d}{step}"
        replies = _say(carrier, callers, dice, sender, body, sid)
        with played.lock:
            played.answered[sid] = tuple(replies)
            played.last_said[sender] = body
            if body == "STOP":
                played.stopped_at[sender] = datetime.now(UTC)


_REPLY = re.compile(r'<Message action="([^"]*)"[^>]*>(.*?)</Message>', re.DOTALL)


def _say(
    carrier: FakeServer, callers: Sequence[Client], dice: random.Random, sender: str, body: str, sid: str
) -> list[str]:
    """Send a text until it is answered; the carrier then sends the replies, each under its own sid."""
    while True:
        caller = dice.choice(callers)
        try:
            status, answer = caller.post("/sms", inbound_form(sender, body, sid))
        except OSError:
            time.sleep(0.1)
            continue
        if status == 200:
            replies = [(unescape(said), unescape(callback)) for callback, said in _REPLY.findall(answer.decode())]
            for said, callback in replies:
                _carrier_sends(carrier, sender, said, callback)
            return [said for said, _ in replies]
        if status not in (502, 503):
            raise AssertionError(f"{body!r} was answered {status}")
        time.sleep(0.1)


def _carrier_sends(carrier: FakeServer, to: str, said: str, callback: str) -> None:
    """The carrier sends a reply that stood in an answer, and will report to its callback."""
    form = {"From": SHOP, "To": to, "Body": said, "StatusCallback": callback}
    done = threading.Event()

    def send() -> None:
        carrier._report(carrier.carrier.create(form))
        done.set()

    assert carrier._loop is not None
    carrier._loop.call_soon_threadsafe(send)
    done.wait(30)


def _afternoon() -> str:
    """Return a zone where it is two in the afternoon, so that no quiet hours are in the way."""
    ahead = (14 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def _queue(engine: Engine, played: Played, phone: str, token: str) -> None:
    """Commit one unasked text to a customer; after a broken connection look whether it was committed."""
    body, identifier, now = f"Your order {token} is ready.", next_id(), datetime.now(UTC)
    while True:
        try:
            with writing(engine) as conn:
                if messages.by_id(conn, identifier) is None:
                    who = conn.execute(
                        text("update customers set zone = :zone where phone = :phone returning id"),
                        {"zone": _afternoon(), "phone": phone},
                    ).scalar_one()
                    row = {"id": identifier, "customer_id": who, "direction": "out", "sender": SHOP}
                    row |= {"recipient": phone, "body": body, "state": "queued", "purpose": "service"}
                    row |= {"flow": "orders", "segments": 1, "created_at": now, "send_after": now}
                    messages.insert(conn, [row])
            break
        except (SQLAlchemyError, TimeoutError):
            time.sleep(0.2)
    with played.lock:
        played.queued.add(body)


_PENDING = "select count(*) from messages where direction = 'out' and state in ('queued', 'sending', 'unknown')"


def _wait_until_quiet(database_url: str, seconds: float = 60.0) -> None:
    """Wait until the workers have sent what was queued; what is unknown by then is settled later."""
    engine = open_engine(database_url)
    until = time.monotonic() + seconds
    left = 1
    while left and time.monotonic() < until:
        time.sleep(0.5)
        with reading(engine) as conn:
            left = conn.execute(text(_PENDING.replace("'sending', 'unknown'", "'queued'"))).scalar_one()
    engine.dispose()


def _settle(house: House, carrier: FakeServer) -> None:
    """Do what the workers would do in the next forty minutes, with the clock turned instead of waited for."""
    telemetry.configure("ERROR")
    shop = build_services(load_settings({**house.environment, "REGULARS_ROLE": "worker", "BROKER_URL": ""}))
    turned, before = timedelta(seconds=0), -1
    while turned < timedelta(minutes=40):
        shop.delivery.drain(datetime.now(UTC) + turned)
        with reading(shop.engine) as conn:
            left = conn.execute(text(_PENDING)).scalar_one()
        if not left:
            break
        if left == before:
            turned += timedelta(minutes=1)
        before = left
    shop.engine.dispose()


def _judge(database_url: str, carrier: FakeServer, played: Played, outcome: Outcome) -> None:
    engine = open_engine(database_url)
    log = [entry for entry in list(carrier.carrier.log) if entry["direction"] != "inbound"]
    outcome.counts["in"] = len(played.answered)
    outcome.counts["out"] = len(log)
    with reading(engine) as conn:
        outcome.faults += broken_laws(conn)
        rows = [dict(row) for row in conn.execute(text(_OUT)).mappings()]
        known = set(conn.execute(text("select sid from messages where direction = 'in'")).scalars())
        consents = {row.phone: row.consent for row in conn.execute(text("select phone, consent from customers"))}
    engine.dispose()
    outcome.faults += _judge_answers(played, rows, known)
    outcome.faults += _judge_log(log, rows, outcome.counts)
    outcome.faults += _judge_stops(log, rows, played, consents)


_OUT = """select o.id, o.recipient, o.body, o.state, o.purpose, i.sid as answers from messages o
    left join messages i on i.id = o.in_reply_to where o.direction = 'out' order by o.id"""


def _judge_answers(played: Played, rows: Sequence[Mapping[str, object]], known: set[str]) -> Iterator[str]:
    """Every acknowledged text is there with the answer it got."""
    if lost := sorted(set(played.answered) - known):
        yield f"{len(lost)} answered texts are lost, e.g. {lost[0]}"
    kept: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["answers"] and row["state"] != "suppressed" and row["purpose"] in ("reply", "opt_out_confirmation"):
            kept[str(row["answers"])].append(str(row["body"]))
    other = sorted(sid for sid, said in played.answered.items() if sid in known and tuple(kept[sid]) != said)
    if other:
        said, stored = played.answered[other[0]], kept[other[0]]
        yield f"{len(other)} answers are not what was said, e.g. {other[0]}: {said} is stored as {stored}"


def _judge_log(
    log: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, object]], counts: Counter[str]
) -> Iterator[str]:
    """What the carrier took is what we believe to have sent, each once; nothing is left open."""
    taken = Counter((entry["to"], entry["body"]) for entry in log)
    believed: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[f"ended {row['state']}"] += 1
        if row["state"] in ("sent", "delivered", "undelivered"):
            believed[str(row["recipient"]), str(row["body"])] += 1
        elif row["state"] != "suppressed":
            yield f"message {row['id']} ended {row['state']}"
    if twice := taken - believed:
        yield f"{twice.total()} texts went out too often, e.g. {next(iter(twice))}"
    if missing := believed - taken:
        yield f"{missing.total()} texts never went out, e.g. {next(iter(missing))}"


def _judge_stops(
    log: Sequence[Mapping[str, str]],
    rows: Sequence[Mapping[str, object]],
    played: Played,
    consents: Mapping[str, str],
) -> Iterator[str]:
    """Nothing unasked goes to whoever left; everybody else got everything."""
    for entry in log:
        left_at = played.stopped_at.get(entry["to"])
        late = left_at is not None and datetime.fromisoformat(entry["at"]) > left_at + IN_FLIGHT
        if late and entry["body"] in played.queued:
            yield f"{entry['to']} left at {left_at}, and was texted at {entry['at']}"
    for phone, said in played.last_said.items():
        expected = "unsubscribed" if said == "STOP" else "subscribed"
        if consents.get(phone) != expected:
            yield f"{phone} is {consents.get(phone)} after {said!r}"
    unasked = {str(row["body"]): row for row in rows if row["body"] in played.queued}
    for body in sorted(played.queued):
        row = unasked.get(body)
        if row is None:
            yield f"{body!r} is lost"
        elif row["state"] == "suppressed" and str(row["recipient"]) not in played.stopped_at:
            yield f"{body!r} was suppressed although nobody left"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--on", choices=("postgres", "sqlite"), nargs="+", default=["postgres", "sqlite"])
    options = parser.parse_args(arguments)
    outcomes = []
    for kind in options.on:
        outcomes.append(outbound(kind, options.messages, options.kills, options.clients, options.seed))
        print(outcomes[-1], flush=True)
    return 1 if any(outcome.faults for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Three scenes that must end well: repeats from many clients, hostile bodies, and sudden death.

Each takes its size as an argument: the suite plays them small, `python -m tests.chaos.run` in full.
"""

from __future__ import annotations

import random
import string
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from sqlalchemy import text

from bot.signature import sign
from storage.database import open_engine, reading
from tests.bench.load import JOURNEY, inbound_form, phone_number
from tests.bench.servers import TOKEN, Server, free_port, product
from tests.chaos.client import Client
from tests.chaos.facts import broken_laws


@dataclass
class Outcome:
    """What a scene found."""

    scene: str
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return f"{self.scene}: {numbers}; " + ("; ".join(self.faults[:5]) if self.faults else "all well")


def repeats(database_url: str, deliveries: int, clients: int = 16, each: int = 8, seed: int = 1) -> Outcome:
    """Deliver every text `each` times, shuffled over all customers, from many clients at once.

    Each text must have one row and one effect, and each repeat must get the very same answer.
    """
    outcome = Outcome(f"{deliveries} deliveries of {deliveries // each} texts from {clients} clients")
    dice = random.Random(seed)
    texts = [
        (phone_number(number // len(JOURNEY)), JOURNEY[number % len(JOURNEY)], f"SMrepeat{number:08d}")
        for number in range(deliveries // each)
    ]
    queue = [one for one in texts for _ in range(each)]
    dice.shuffle(queue)
    answers: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    lock = threading.Lock()
    with product(database_url) as server:

        def play(share: Sequence[tuple[str, str, str]]) -> None:
            client = Client(server.url, TOKEN)
            for sender, body, sid in share:
                status, replies = client.text(sender, body, sid)
                with lock:
                    outcome.counts[f"status {status}"] += 1
                    answers[sid].add(tuple(replies))
            client.close()

        _at_once([lambda share=queue[number::clients]: play(share) for number in range(clients)])
    different = [sid for sid, said in answers.items() if len(said) != 1]
    if different:
        outcome.faults.append(f"{len(different)} texts were answered differently, e.g. {different[0]}")
    if set(outcome.counts) != {"status 200"}:
        outcome.faults.append(f"not every answer was 200: {dict(outcome.counts)}")
    engine = open_engine(database_url)
    with reading(engine) as conn:
        rows = conn.execute(text("select count(*) from messages where direction = 'in'")).scalar_one()
        if rows != len(texts):
            outcome.faults.append(f"{rows} rows for {len(texts)} texts")
        outcome.faults += broken_laws(conn)
    engine.dispose()
    return outcome


def hostile_bodies(dice: random.Random) -> str:
    """Return one body nobody should have to read."""
    kind = dice.randrange(9)
    size = dice.choice((0, 1, 5, 40, 160, 700, 1600))
    if kind == 0:
        return "".join(chr(dice.randrange(1, 0xD800)) for _ in range(size))
    if kind == 1:
        return "".join(dice.choice(string.printable) for _ in range(size))
    if kind == 2:
        return dice.choice(("a", "STOP ", "stop", "1", " ", "\u200d", "\u0301", "{", "<", "🎉", "مرحبا")) * size
    if kind == 3:
        return dice.choice(_ATTACKS)
    if kind == 4:
        return dice.choice(JOURNEY) + dice.choice(("!", " \U0001f44d", "\n\n--\nSent from my iPhone", "\x00", "\ufeff"))
    if kind == 5:
        return "".join(dice.choice("stopSTOP .!?'\"") for _ in range(size))
    if kind == 6:
        return " ".join(dice.choice(_WORDS) for _ in range(size // 4))
    if kind == 7:
        return "".join(dice.choice("\u202e\u2066\u200b\u0338\u0489\ufe0f\u20e3") for _ in range(size))
    return str(dice.randrange(10 ** dice.randrange(1, 60)))


_ATTACKS = (
    "<script>alert(1)</script>",
    "'; drop table customers; --",
    "{customer.name}{points, plural, one {x} other {y}}",
    "{0.__class__.__mro__}",
    "%s%n%x",
    "]]></Message><Message>",
    "&#x0;&amp;",
    "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
    "(a+)+$" + "a" * 500 + "!",
    "Liked “" + "x" * 1500 + "”",
    "don't " * 250 + "stop",
    "JOIN " + "A" * 1590,
)
_WORDS = (
    "please",
    "stop",
    "don't",
    "my",
    "points",
    "cancel",
    "order",
    "list",
    "take",
    "me",
    "off",
    "balance",
    "1",
    "yes",
)


def hostile(database_url: str, requests: int, clients: int = 8, seed: int = 2) -> Outcome:
    """Send bodies of every bad kind, most of them signed, some not even forms. Nothing may answer 5xx or hang."""
    outcome = Outcome(f"{requests} hostile requests")
    slowest = [0.0]
    lock = threading.Lock()
    with product(database_url) as server:

        def play(number: int) -> None:
            dice = random.Random(seed * 1000 + number)
            client = Client(server.url, TOKEN)
            for count in range(requests // clients):
                started = time.perf_counter()
                status = _hostile_request(client, dice, f"SMhostile{number:02d}{count:08d}")
                with lock:
                    outcome.counts[f"status {status}"] += 1
                    slowest[0] = max(slowest[0], time.perf_counter() - started)
            client.close()

        _at_once([lambda number=number: play(number) for number in range(clients)])
        status, replies = Client(server.url, TOKEN).text(phone_number(10**6), "HELP", "SMafterwards")
        if status != 200 or not replies:
            outcome.faults.append("the server does not answer HELP afterwards")
    bad = {name: count for name, count in outcome.counts.items() if name.startswith("status 5")}
    if bad:
        outcome.faults.append(f"{bad}")
    outcome.counts["slowest ms"] = round(slowest[0] * 1000)
    engine = open_engine(database_url)
    with reading(engine) as conn:
        crashed = conn.execute(
            text("select count(*) from messages where state = 'failed' and direction = 'in'")
        ).scalar()
        if crashed:
            outcome.faults.append(f"{crashed} turns crashed")
        outcome.faults += broken_laws(conn)
    engine.dispose()
    return outcome


_SENDERS = (
    "72975",
    "ACME",
    "whatsapp:+12015550123",
    "+447911123456",
    "+886912345678",
    "",
    "anonymous",
    "+1",
    "rcs:bot",
)


def _hostile_request(client: Client, dice: random.Random, sid: str) -> int:
    sender = phone_number(dice.randrange(500)) if dice.random() < 0.9 else dice.choice(_SENDERS)
    form = {**inbound_form(sender, hostile_bodies(dice), sid)}
    chance = dice.random()
    if chance < 0.9:
        if chance < 0.05:
            form["NumMedia"] = dice.choice(("1", "10", "-1", "x", "99999999999999999999"))
            form["MediaUrl0"] = hostile_bodies(dice)[:200]
        if 0.05 <= chance < 0.07:
            form["OptOutType"] = dice.choice(("STOP", "START", "HELP", "stop", "?"))
        return client.post("/sms", form)[0]
    if chance < 0.93:
        return client.post("/sms", form, signature=dice.choice(("", "x", "é", "A" * 28, "=" * 500)))[0]
    if chance < 0.96:
        junk = bytes(dice.randrange(256) for _ in range(dice.choice((0, 1, 50, 2000))))
        kind = dice.choice(
            ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "")
        )
        return client.raw("POST", "/sms", junk, {"Content-Type": kind, "X-Twilio-Signature": "x"})[0]
    if chance < 0.98:
        status_form = {"MessageSid": sid, "MessageStatus": hostile_bodies(dice)[:30], "ErrorCode": "x" * 30}
        return client.post("/sms/status?message=" + str(dice.randrange(10**18)), status_form)[0]
    body = urlencode(form).encode()
    signature = sign(client.url + "/sms", form.items(), TOKEN)
    return client.raw(dice.choice(("GET", "PUT", "DELETE")), "/sms", body, {"X-Twilio-Signature": signature})[0]


def sudden_death(database_url: str, kills: int, clients: int = 8, seed: int = 3) -> Outcome:
    """Kill every process of the server at random moments under load, and start it again.

    Every text answered with 200 must be wholly there, with the answer it got; every other one must be
    wholly there or not at all.
    """
    outcome = Outcome(f"{kills} times kill -9 under load")
    dice = random.Random(seed)
    answered: dict[str, tuple[str, ...]] = {}
    sent: set[str] = set()
    lock, stop = threading.Lock(), threading.Event()
    port = free_port()
    here: list[Server] = []

    def play(number: int) -> None:
        client = Client(f"http://127.0.0.1:{port}", TOKEN, timeout=10)
        person = number
        while not stop.is_set():
            for step, body in enumerate(JOURNEY):
                sid = f"SMdeath{person:06d}{step}"
                while not stop.is_set():
                    sent.add(sid)
                    try:
                        status, replies = client.text(phone_number(person), body, sid)
                    except OSError:
                        with lock:
                            outcome.counts["no answer"] += 1
                        time.sleep(0.05)
                        continue
                    if status == 200:
                        with lock:
                            answered[sid] = tuple(replies)
                            outcome.counts["answered"] += 1
                        break
                    with lock:
                        outcome.counts[f"status {status}"] += 1
            person += clients
        client.close()

    threads = [threading.Thread(target=play, args=(number,)) for number in range(clients)]
    for number in range(kills + 1):
        with product(database_url, port=port) as server:
            here[:] = [server]
            if number == 0:
                for thread in threads:
                    thread.start()
            time.sleep(dice.uniform(0.3, 1.2))
            if number < kills:
                server.kill()
                outcome.counts["kills"] += 1
            else:
                stop.set()
                for thread in threads:
                    thread.join()
    outcome.faults += _compare(database_url, answered, sent)
    return outcome


def _compare(database_url: str, answered: dict[str, tuple[str, ...]], sent: set[str]) -> list[str]:
    faults = []
    engine = open_engine(database_url)
    with reading(engine) as conn:
        kept: defaultdict[str, list[str]] = defaultdict(list)
        known = set(conn.execute(text("select sid from messages where direction = 'in'")).scalars())
        replies = conn.execute(
            text("""select i.sid, o.body from messages i join messages o on o.in_reply_to = i.id
                    where o.send_after is null and o.state <> 'suppressed' order by o.id""")
        )
        for sid, body in replies:
            kept[sid].append(body)
        lost = [sid for sid in answered if sid not in known]
        if lost:
            faults.append(f"{len(lost)} answered texts are lost, e.g. {lost[0]}")
        other = [sid for sid, said in answered.items() if sid in known and tuple(kept[sid]) != said]
        if other:
            faults.append(f"{len(other)} answers are not what was said, e.g. {other[0]}")
        invented = known - sent
        if invented:
            faults.append(f"{len(invented)} texts were never sent")
        faults += broken_laws(conn)
    engine.dispose()
    return faults


def _at_once(jobs: Sequence[Callable[[], None]]) -> None:
    troubles: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]

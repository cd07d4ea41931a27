"""The event loop's server, called as granian calls it: groups, overload, hang-ups, start and end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from bot import server
from bot.app import create_app
from bot.carrier.port import StatusReported
from bot.server import Groups, Server
from bot.signature import sign
from bot.web.door import Refused
from storage import statuses
from tests import shop
from tests.shop import ALICE, BOB, PUBLIC_URL, TOKEN

FORM = "application/x-www-form-urlencoded"
Told = list[dict[str, Any]]


@pytest.fixture
def served(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on a fresh database, without ticks."""
    monkeypatch.setattr(server, "create_app", lambda: create_app(shop.shop_settings(database_url)))
    made = Server()
    yield made
    made._writer.shutdown()
    made._shop.engine.dispose()


def form(sender: str, body: str, sid: str) -> dict[str, str]:
    return {"MessageSid": sid, "From": sender, "To": "+12015550100", "Body": body, "NumMedia": "0"}


def scope(path: str, fields: dict[str, str], **headers: str) -> dict[str, Any]:
    given = {"content-type": FORM, "x-twilio-signature": sign(PUBLIC_URL + path, fields.items(), TOKEN), **headers}
    return {
        "type": "http",
        "method": "POST",
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }


def parts(*bodies: bytes) -> Callable[[], Any]:
    """Return a `receive` that brings a body in pieces and then hangs up."""
    left = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    if left:
        left[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else {"type": "http.disconnect"}

    return receive


async def post(served: Server, fields: dict[str, str], path: str = "/sms") -> tuple[int, bytes]:
    told: Told = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    body = urlencode(fields).encode()
    await served(scope(path, fields), parts(body[:7], body[7:]), send)
    return told[0]["status"], b"".join(message.get("body", b"") for message in told[1:])


def inbound(served: Server) -> int:
    with served._shop.engine.connect() as conn:
        return int(conn.exec_driver_sql("select count(*) from messages where direction = 'in'").scalar() or 0)


def test_it_answers_a_signed_text(served: Server) -> None:
    """In two pieces, as a network may bring it."""
    status, body = asyncio.run(post(served, form(ALICE, "JOIN", "SM1")))
    assert status == 200
    assert b"Reply YES" in body


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-twilio-signature": "forged"}, b"a=b", 403),
        ({"x-twilio-signature": ""}, b"a=b", 403),
        ({"content-type": "application/json"}, b"{}", 415),
        ({}, b"x" * 70_000, 413),
        ({}, b"&".join(b"a=b" for _ in range(500)), 400),
        ({"x-twilio-signature": "\u00e9"}, b"\xff\xfe=\x00", 403),
    ],
)
def test_it_refuses_without_a_word(served: Server, headers: dict[str, str], body: bytes, expected: int) -> None:
    """A stranger gets a status and no body."""
    told: Told = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    asyncio.run(served(scope("/sms", {}, **headers), parts(body), send))
    assert told[0]["status"] == expected
    assert told[1]["body"] == b""
    assert inbound(served) == 0


def test_texts_that_lie_together_are_one_transaction(served: Server) -> None:
    """While the first commits the others gather; each gets its own answer."""
    groups: list[int] = []
    take = served._texts._take

    def count(texts: Sequence[Any]) -> Sequence[Any]:
        groups.append(len(texts))
        return take(texts)

    served._texts._take = count

    async def crowd() -> list[tuple[int, bytes]]:
        phones = [f"+1201555{number:04}" for number in range(40)]
        return await asyncio.gather(*(post(served, form(phone, "JOIN", f"SM{phone[1:]}")) for phone in phones))

    answers = asyncio.run(crowd())
    assert [status for status, _ in answers] == [200] * 40
    assert len({body for _, body in answers}) == 40  # each callback names its own message
    assert sum(groups) == 40
    assert len(groups) < 20


def test_texts_of_one_customer_keep_their_order(served: Server) -> None:
    """Posted one after the other without waiting, JOIN, YES, BALANCE mean what they mean one by one."""

    async def story() -> list[tuple[int, bytes]]:
        return await asyncio.gather(
            *(post(served, form(ALICE, body, f"SM{body}")) for body in ("JOIN", "YES", "BALANCE"))
        )

    asked, joined, balance = [body for _, body in asyncio.run(story())]
    assert b"Reply YES" in asked
    assert b"You are in" in joined
    assert b"60" in balance


def test_a_peer_who_hangs_up_gets_the_same_answer_when_it_comes_again(served: Server) -> None:
    """The text is taken all the same, and the retry is told what the first would have been."""

    async def story() -> tuple[int, bytes]:
        first = asyncio.create_task(post(served, form(ALICE, "JOIN", "SM1")))
        neighbour = asyncio.create_task(post(served, form(BOB, "JOIN", "SM2")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert (await neighbour)[0] == 200
        return await post(served, form(ALICE, "JOIN", "SM1"))

    status, body = asyncio.run(story())
    assert status == 200
    assert b"Reply YES" in body
    assert inbound(served) == 2


def test_a_peer_who_hangs_up_before_the_end_is_not_a_text(served: Server) -> None:
    """Half a form is nothing."""
    told: Told = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    fields = form(ALICE, "JOIN", "SM1")
    asyncio.run(served(scope("/sms", fields), parts(), send))
    assert told[0]["status"] == 400
    assert inbound(served) == 0


def test_an_answer_nobody_hears_is_no_trouble(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks while we answer: the error is the server's to see, and nothing is answered twice."""
    sent: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("status", 0))
        raise ConnectionResetError

    fields = form(ALICE, "JOIN", "SM1")
    with pytest.raises(ConnectionResetError):
        asyncio.run(served(scope("/sms", fields), parts(urlencode(fields).encode()), send))
    assert sent == [200]
    assert inbound(served) == 1


def test_what_cannot_be_taken_is_503(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged that is not on the disk; a text whose own turn works is answered beside it."""
    turns = served._shop.turns
    load = turns._load

    def fail_for_bob(conn: Any, events: Any, *more: Any) -> Any:
        if any(event.sender == BOB for event in events):
            raise OSError("disk full")
        return load(conn, events, *more)

    monkeypatch.setattr(turns, "_load", fail_for_bob)
    monkeypatch.setattr("bot.turn.turns.RETRIES", 1)

    async def both() -> list[tuple[int, bytes]]:
        return await asyncio.gather(
            post(served, form(ALICE, "JOIN", "SM1")), post(served, form(BOB, "JOIN", "SM2")), return_exceptions=False
        )

    alice, bob = asyncio.run(both())
    assert (alice[0], bob) == (200, (503, b""))


def test_status_callbacks_are_taken(served: Server) -> None:
    """Also together, also of messages nobody knows."""

    async def report() -> list[tuple[int, bytes]]:
        fields = {"MessageSid": "SM9", "MessageStatus": "delivered"}
        return await asyncio.gather(*(post(served, fields, "/sms/status?message=77") for _ in range(5)))

    assert asyncio.run(report()) == [(204, b"")] * 5


def test_too_many_waiting_are_sent_away_and_the_rest_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 at once beyond the limit; whoever waits is served when the writer is free."""
    monkeypatch.setattr(server, "WAITING", 3)
    free = threading.Event()

    def slow(events: Sequence[int]) -> Sequence[int]:
        free.wait(5)
        return [event * 2 for event in events]

    async def crowd() -> list[Any]:
        groups: Groups[int, int] = Groups(slow, writer)
        first = asyncio.create_task(groups.take(1))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(groups.take(number)) for number in range(2, 7)]
        await asyncio.sleep(0.01)
        free.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    with ThreadPoolExecutor(1) as writer:
        answers = asyncio.run(crowd())
    assert answers[:4] == [2, 4, 6, 8]
    assert all(isinstance(answer, Refused) and answer.status == 503 for answer in answers[4:])


@pytest.mark.parametrize("trouble", ["raises", "answers too few"])
def test_a_group_that_fails_is_not_the_end_of_the_next(trouble: str) -> None:
    """Whatever the writer does wrong, those who wait hear of it and the door stays open."""
    calls: list[int] = []

    def take(events: Sequence[int]) -> Sequence[int]:
        calls.append(len(events))
        if len(calls) == 1:
            if trouble == "raises":
                raise OSError
            return []
        return list(events)

    async def story() -> int:
        groups: Groups[int, int] = Groups(take, writer)
        with pytest.raises((OSError, ValueError)):
            await groups.take(1)
        answer = await groups.take(2)
        await groups.close()
        return answer

    with ThreadPoolExecutor(1) as writer:
        assert asyncio.run(story()) == 2


def test_it_lives_and_ends_with_everything_taken(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks begin with the server; at the end what lies there is finished before the door is closed for good."""
    begun: list[str] = []

    class Ticks:
        def shutdown(self, wait: bool) -> None:
            begun.append("ended")

    def start(_: object) -> Ticks:
        begun.append("begun")
        return Ticks()

    monkeypatch.setattr(server, "start_ticking", start)
    monkeypatch.setattr(server.gc, "freeze", lambda: None)
    monkeypatch.setattr(server.gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(server.sys, "setswitchinterval", lambda _: None)

    async def life() -> tuple[Told, tuple[int, bytes], tuple[int, bytes]]:
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        told: Told = []

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        living = asyncio.create_task(served({"type": "lifespan"}, heard.get, send))
        await heard.put({"type": "lifespan.startup"})
        await asyncio.sleep(0.01)
        last = asyncio.create_task(post(served, form(ALICE, "JOIN", "SM1")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await heard.put({"type": "lifespan.shutdown"})
        answer = await last
        await living
        return told, answer, await post(served, form(BOB, "JOIN", "SM2"))

    told, answer, too_late = asyncio.run(life())
    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert begun == ["begun", "ended"]
    assert answer[0] == 200
    assert too_late == (503, b"")
    assert inbound(served) == 1


def test_one_status_that_cannot_be_written_loses_no_other(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier does not report twice: what lies beside a bad report is taken."""
    move = statuses.move_forward

    def refuse_one(conn: Any, updates: Any) -> Any:
        if any(update["sid"] == "SMbad" for update in updates):
            raise BrokenPipeError
        return move(conn, updates)

    monkeypatch.setattr(statuses, "move_forward", refuse_one)
    now = served._shop.clock.now()
    reports = [StatusReported(sid, "delivered", None, None, {}, now) for sid in ("SM1", "SMbad", "SM2")]
    with pytest.raises(BrokenPipeError):
        served._shop.statuses.take(reports)
    with served._shop.engine.connect() as conn:
        assert conn.exec_driver_sql("select count(*) from status_log").scalar() == 2


def test_under_load_a_group_waits_for_as_many_as_there_were() -> None:
    """Those who were answered together come again together; whoever is alone waits for nobody."""
    sizes: list[int] = []

    def take(events: Sequence[str]) -> Sequence[str]:
        sizes.append(len(events))
        return events

    async def story(writer: ThreadPoolExecutor) -> None:
        groups: Groups[str, str] = Groups(take, writer, linger=0.005)

        async def talk(name: str, texts: int) -> None:
            for number in range(texts):
                assert await groups.take(f"{name}{number}") == f"{name}{number}"

        await talk("alone", 5)
        assert sizes == [1] * 5
        await asyncio.gather(*(talk(name, 20) for name in "abcdefgh"))

    with ThreadPoolExecutor(1) as writer:
        asyncio.run(story(writer))
    together = sizes[5:]
    assert sum(together) == 160
    assert len(together) <= 40


def test_open_inboxes_are_asked_to_come_less_often_while_many_texts_come(served: Server) -> None:
    """Alone a question is answered as ever; right after a crowd of texts the answer says when to ask again."""

    async def look() -> dict[bytes, bytes]:
        told: Told = []

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        asked = {**scope(server.LIVE, {}), "method": "GET", "http_version": "1.1"}
        await served(asked, parts(b""), send)
        return dict(told[0]["headers"])

    async def everything() -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        alone = await look()
        await asyncio.gather(*(post(served, form(f"+1201555{n:04}", "HELP", f"SMcrowd{n}")) for n in range(12)))
        return alone, await look()

    alone, after = asyncio.run(everything())
    assert b"retry-after" not in alone
    assert after[b"retry-after"] == server.LATER

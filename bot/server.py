"""The server: one event loop takes Twilio's posts, threads serve the pages.

What arrives while one group of texts commits is taken together in the next group, by a single writer
thread, in one durable transaction. Alone, a text waits for nobody; under load the groups grow by
themselves. Pages are plain Flask behind a2wsgi, so a slow one never holds a text.
Why this and not another arrangement: docs/decisions/0002-one-loop-one-writer.md.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar, cast

from a2wsgi import WSGIMiddleware

from bot import telemetry
from bot.app import create_app
from bot.carrier.port import StatusReported
from bot.engine.events import MessageReceived
from bot.services import Services
from bot.turn import Answer
from bot.web.door import LARGEST_FORM, TWIML, Path, Refused, Request
from bot.workers import start_ticking

GROUP = 64  # beyond this a commit costs little per event and the first one would wait too long
WAITING = 1024  # more than this lying about is answered 503: the carrier tries again or falls back
PAGE_THREADS = 16
LIVE = "/console/inbox/list"  # asked every two seconds by each open inbox: one after the other, so that however many
# are open, at most one of their threads competes with the writer and the loop for the interpreter
CROWD = 4  # so many texts at once: open inboxes are asked to come back after
LATER = b"15"  # seconds
LINGER = 0.002  # seconds; on PostgreSQL a group of eight costs half as much for each text as two groups of four
_MOMENT = 0.02  # seconds: whoever was answered longer ago is not about to write again
SWITCH_SECONDS = 0.0005  # a page that computes holds the interpreter this long at most, not 5 ms

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Sender = Callable[[dict[str, Any]], Awaitable[None]]
E = TypeVar("E")
A = TypeVar("A")


class Groups(Generic[E, A]):
    """Brings events that lie together to one call in the writer's thread."""

    def __init__(
        self, take: Callable[[Sequence[E]], Sequence[A]], writer: ThreadPoolExecutor, linger: float = 0.0
    ) -> None:
        """`linger`: seconds to wait, under load, for as many as there were a moment ago. Alone nobody waits."""
        self._take = take
        self._writer = writer
        self._linger = linger
        self._crowd = 0  # how many were here at once a moment ago
        self._ended = 0.0
        self._lying: deque[tuple[E, asyncio.Future[A]]] = deque()
        self._draining: asyncio.Task[None] | None = None

    def crowded(self) -> bool:
        """Say whether several events at once came a moment ago."""
        return self._crowd >= CROWD and asyncio.get_running_loop().time() - self._ended < 1.0

    async def take(self, event: E) -> A:
        """Return the answer to one event once it is committed. Raises Refused(503) when too many wait."""
        if len(self._lying) >= WAITING:
            telemetry.refused("server", "overloaded")
            raise Refused(503)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._lying.append((event, answer))
        if self._draining is None:
            self._draining = loop.create_task(self._drain())
        return await answer

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._lying:
            if len(self._lying) < self._crowd and self._linger and loop.time() - self._ended < _MOMENT:
                await asyncio.sleep(self._linger)
            group = [self._lying.popleft() for _ in range(min(GROUP, len(self._lying)))]
            try:
                answers = await loop.run_in_executor(self._writer, self._take, [event for event, _ in group])
                for (_, waiting), answer in zip(group, answers, strict=True):
                    if not waiting.done():  # else the peer hung up; its rows are committed all the same
                        waiting.set_result(answer)
            except Exception as trouble:
                for _, waiting in group:
                    if not waiting.done():
                        waiting.set_exception(trouble)
            self._crowd, self._ended = min(GROUP, len(group) + len(self._lying)), loop.time()
        self._draining = None  # nothing was awaited since nothing lay there

    async def close(self) -> None:
        """Finish what lies there."""
        while self._draining is not None:
            await asyncio.sleep(0.01)


class Server:
    """The ASGI application."""

    def __init__(self) -> None:
        flask_app = create_app()
        self._shop = cast(Services, flask_app.extensions["regulars"])
        self._pages = WSGIMiddleware(cast(Any, flask_app), workers=PAGE_THREADS)
        self._live_parts = WSGIMiddleware(cast(Any, flask_app), workers=1)
        self._writer = ThreadPoolExecutor(1, "writer")
        shop = self._shop
        self._texts: Groups[MessageReceived, Answer] = Groups(
            lambda texts: shop.turns.take(texts, shop.clock.now()),
            self._writer,
            0.0 if shop.settings.sqlite else LINGER,
        )
        # PostgreSQL lets a text pass while the callbacks of a campaign commit; SQLite has one writer anyhow.
        self._clerk = self._writer if shop.settings.sqlite else ThreadPoolExecutor(1, "clerk")
        self._statuses: Groups[StatusReported, None] = Groups(shop.statuses.take, self._clerk)
        self._ticks: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Sender) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in ("/sms", "/sms/status"):
            await self._door(scope, receive, send)
        elif scope["type"] == "http":

            async def received() -> dict[str, Any]:  # granian's own awaitable is no coroutine, as a2wsgi demands
                return await receive()

            if scope["path"] == LIVE:
                await self._live_parts(scope, received, self._relieved(send))  # type: ignore[arg-type]
            else:
                await self._pages(scope, received, send)  # type: ignore[arg-type]

    def _relieved(self, send: Sender) -> Sender:
        """Return a sender that, while many texts come, asks whoever looks to look less often."""

        async def sent(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and (self._texts.crowded() or self._shop.turns.pace.busy()):
                message["headers"].append((b"retry-after", LATER))
            await send(message)

        return sent

    async def _door(self, scope: Scope, receive: Receive, send: Sender) -> None:
        door = self._shop.door
        status, body, content_type = 204, b"", None
        try:
            request = await _read(scope, receive)
            if request.path == "/sms":
                answer = await self._texts.take(door.read_message(request))
                status, body, content_type = 200, door.render(answer, request), TWIML
            else:
                await self._statuses.take(door.read_status(request))
        except Refused as refusal:
            status = refusal.status
        except Exception as trouble:  # nothing was acknowledged: the carrier tries again or falls back
            telemetry.broke("not taken", trouble, door=scope["path"])
            status = 503
        await _reply(send, status, body, content_type)

    async def _live(self, receive: Receive, send: Sender) -> None:
        """Start the ticks with the server, and end with everything that was taken committed."""
        await receive()
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.collect()
        gc.freeze()  # what was loaded at start stays: looking through it again and again costs a fifth
        gc.set_threshold(20_000, 20, 50)
        self._ticks = start_ticking(self._shop)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._ticks.shutdown(wait=False)
        await self._texts.close()
        await self._statuses.close()
        self._writer.shutdown()
        self._clerk.shutdown()
        self._shop.broker.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _read(scope: Scope, receive: Receive) -> Request:
    body, more = b"", True
    while more:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise Refused(400)
        body += part.get("body", b"")
        more = part.get("more_body", False)
        if len(body) > LARGEST_FORM:
            telemetry.refused("server", "too_large")
            raise Refused(413)
    return Request(
        path=cast(Path, scope["path"]),
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        scheme=scope.get("scheme", "http"),
    )


async def _reply(send: Sender, status: int, body: bytes = b"", content_type: str | None = None) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_server() -> Server:
    """Build the application; granian calls this once in its worker."""
    return Server()

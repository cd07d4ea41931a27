"""The fake carrier behind a socket: enough HTTP for thousands of requests a second, and signed callbacks.

`GET /log` gives the append-only log as JSON lines, `POST /inbound` (From, To, Body) is a customer's text,
`POST /behaviour` changes how it behaves.
"""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64encode
from collections import deque
from dataclasses import fields
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from bot.carrier.fake import Behaviour, FakeCarrier, Refused, Taken
from bot.signature import sign

_CLOSE = b""  # an answer that never comes
_POSTERS = 8  # callbacks on their way at once


class FakeServer:
    """Serves one FakeCarrier on an event loop of its own."""

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0, host: str = "127.0.0.1") -> None:
        self.carrier = FakeCarrier(behaviour or Behaviour())
        self.host = host
        self.port = port
        self.busy = 0
        self.connections: set[asyncio.Transport] = set()
        self._callbacks: asyncio.Queue[tuple[str, dict[str, str]]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def serve(self) -> None:
        """Serve until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), self.host, self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        posters = [self._loop.create_task(self._post()) for _ in range(_POSTERS)]
        self._ready.set()
        await self._end.wait()
        server.close()
        for transport in list(self.connections):
            transport.abort()
        for poster in posters:
            poster.cancel()
        await asyncio.gather(*posters, return_exceptions=True)
        await asyncio.sleep(0)  # aborted connections are closed in the loop's next round

    def __enter__(self) -> FakeServer:
        """Serve in a thread."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="fake-carrier", daemon=True)
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_trouble: object) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join(10)

    def stop(self) -> None:
        """End serving, from any thread."""
        if self._loop is not None and self._end is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, float]:
        """Return status, body and seconds to wait; status 0 closes the connection without an answer."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not parts.path.startswith("/2010-04-01/"):
            return self._control(method, parts.path, body)
        behaviour = self.carrier.behaviour
        try:
            self._authorise(headers.get("authorization", ""))
            if method == "POST":
                return self._create(body, behaviour)
            if parts.path.endswith("/Messages.json"):
                return 200, _json(self.carrier.listed(query)), behaviour.latency
            sid = parts.path.rpartition("/")[2].removesuffix(".json")
            if sid not in self.carrier.messages:
                raise Refused(404, 20404, f"The requested resource {parts.path} was not found")
            return 200, _json(self.carrier.as_json(self.carrier.messages[sid])), behaviour.latency
        except Refused as refusal:
            return refusal.status, _json(refusal.body()), behaviour.latency

    def _create(self, body: bytes, behaviour: Behaviour) -> tuple[int, bytes, float]:
        happens = self.carrier.happens
        if happens(behaviour.refuse):
            return 0, _CLOSE, 0.0
        if happens(behaviour.fail_before):
            return 503, b"<html>Service Unavailable</html>", behaviour.latency
        if happens(behaviour.throttle) or (behaviour.concurrency and self.busy > behaviour.concurrency):
            raise Refused(429, 20429, "Too Many Requests")
        pairs = parse_qsl(body.decode(), keep_blank_values=True)
        media = tuple(value for name, value in pairs if name == "MediaUrl")
        taken = self.carrier.create(dict(pairs), media)
        answer = _json(self.carrier.as_json(taken))
        self._report(taken)
        if happens(behaviour.lose_answer):
            return 0, _CLOSE, behaviour.latency
        if happens(behaviour.fail_after):
            return 500, _json({"code": 20500, "message": "Internal Server Error", "status": 500}), behaviour.latency
        slow = behaviour.slow_seconds if happens(behaviour.slow) else 0.0
        return 201, answer, behaviour.latency + slow

    def _control(self, method: str, path: str, body: bytes) -> tuple[int, bytes, float]:
        if path == "/log":
            return 200, b"".join(_json(each) + b"\n" for each in self.carrier.log), 0.0
        if method == "POST" and path == "/inbound":
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            taken = self.carrier.receive(form.get("From", ""), form.get("To", ""), form.get("Body", ""))
            return 201, _json(self.carrier.as_json(taken)), 0.0
        if method == "POST" and path == "/behaviour":
            known = {each.name for each in fields(Behaviour)}
            for name, value in json.loads(body).items():
                if name in known:
                    setattr(self.carrier.behaviour, name, value)
            return 204, b"", 0.0
        return 404, b"", 0.0

    def _authorise(self, given: str) -> None:
        behaviour = self.carrier.behaviour
        expected = "Basic " + b64encode(f"{behaviour.account}:{behaviour.token}".encode()).decode()
        if given != expected:
            raise Refused(401, 20003, "Authenticate")

    def _report(self, taken: Taken) -> None:
        """Plan the callbacks of a message: in order, shuffled, repeated or lost."""
        behaviour, carrier = self.carrier.behaviour, self.carrier
        story = carrier.fate(taken)
        taken.status, taken.error_code = story[-1]
        callback = taken.form.get("StatusCallback")
        if not callback or not behaviour.callbacks:
            return
        if carrier.happens(behaviour.callback_shuffled):
            carrier.chance.shuffle(story)
        for status, code in story:
            if carrier.happens(behaviour.callback_lost):
                continue
            form = self._callback_form(taken, status, code)
            for _ in range(2 if carrier.happens(behaviour.callback_twice) else 1):
                if behaviour.callback_delay and self._loop is not None:
                    self._loop.call_later(behaviour.callback_delay, self._callbacks.put_nowait, (callback, form))
                else:
                    self._callbacks.put_nowait((callback, form))

    def _callback_form(self, taken: Taken, status: str, code: int | None) -> dict[str, str]:
        form = {
            "AccountSid": self.carrier.behaviour.account,
            "ApiVersion": "2010-04-01",
            "From": taken.form.get("From", ""),
            "MessageSid": taken.sid,
            "MessageStatus": status,
            "SmsSid": taken.sid,
            "SmsStatus": status,
            "To": taken.form["To"],
        }
        return {**form, "ErrorCode": str(code)} if code else form

    async def _post(self) -> None:
        """Post callbacks over a connection that stays open; one nobody listens for is lost, as in real life."""
        streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        try:
            while True:
                await self._post_one(streams, *await self._callbacks.get())
        finally:
            for _, writer in streams.values():
                writer.close()

    async def _post_one(
        self, streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]], url: str, form: dict[str, str]
    ) -> None:
        parts = urlsplit(url)
        body = urlencode(form).encode()
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            f"X-Twilio-Signature: {sign(url, form.items(), self.carrier.behaviour.token)}\r\n\r\n"
        )
        try:
            if parts.netloc not in streams:
                streams[parts.netloc] = await asyncio.open_connection(parts.hostname, parts.port or 80)
            reader, writer = streams[parts.netloc]
            writer.write(head.encode() + body)
            await asyncio.wait_for(_read_answer(reader), 15)
        except (OSError, EOFError, TimeoutError, ValueError):
            stream = streams.pop(parts.netloc, None)
            if stream is not None:
                stream[1].close()


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, after = head.partition(b"content-length:")
    length = int(after.split(b"\r\n", 1)[0]) if after else 0
    await reader.readexactly(length)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._buffer = b""
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self._transport)

    def connection_lost(self, _trouble: Exception | None) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            method, target, _ = first.split(" ", 2)
            self._server.busy += 1
            status, answer, delay = self._server.answer(method, target, headers, body)
            if delay:
                asyncio.get_running_loop().call_later(delay, self._reply, status, answer)
            else:
                self._reply(status, answer)

    def _reply(self, status: int, answer: bytes) -> None:
        self._server.busy -= 1
        transport: Any = self._transport
        if transport is None or transport.is_closing():
            return
        if status == 0:
            transport.abort()
            return
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        transport.write(head.encode() + answer)

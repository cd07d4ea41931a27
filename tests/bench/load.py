"""A load generator that costs the machine as little as it can.

Server and generator share the same few cores, so every microsecond spent here
is taken from the server under test. Hence one thread, one epoll loop, requests
signed and serialised before the clock starts, and just enough parsing of the
answer to know that it is a 200 carrying TwiML.

Each connection plays one customer at a time through the whole journey and waits
for every answer before the next text, as a person with a phone does. As many
customers talk at once as there are connections.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import re
import select
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlsplit

JOURNEY: tuple[str, ...] = (
    "JOIN",
    "YES",
    "BALANCE",
    "REDEEM",
    "1",
    "YES",
    "how many points do i have",
    "STOP",
)

PATH = "/sms"
SHOP = "+14155550100"
ACCOUNT = "AC" + "0123456789abcdef" * 2

# What Twilio sends with every inbound text, apart from the sender, the body and the sids.
COMMON: dict[str, str] = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "FromCity": "SAN FRANCISCO",
    "FromCountry": "US",
    "FromState": "CA",
    "FromZip": "94105",
    "NumMedia": "0",
    "NumSegments": "1",
    "SmsStatus": "received",
    "To": SHOP,
    "ToCity": "OAKLAND",
    "ToCountry": "US",
    "ToState": "CA",
    "ToZip": "94601",
}

# Area codes and exchanges a phone-number parser accepts; N11 exchanges are not numbers.
AREAS = (415, 212, 312, 206, 617, 503, 702, 713)
EXCHANGES = tuple(n for n in range(200, 1000) if n % 100 != 11 and n != 555)

STALL_SECONDS = 30.0
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Result:
    """What one play measured. Latencies are in milliseconds."""

    messages: int
    seconds: float
    rate: float
    p50: float
    p95: float
    p99: float
    #: Reason -> how often. Empty when every answer was a 200 with TwiML.
    failures: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for a terminal."""
        line = (
            f"{self.messages} messages in {self.seconds:.2f} s: {self.rate:.0f} msg/s,"
            f" p50 {self.p50:.1f} ms, p95 {self.p95:.1f} ms, p99 {self.p99:.1f} ms"
        )
        return f"{line}, FAILED {dict(self.failures)}" if self.failures else line


def phone_number(index: int) -> str:
    """Return the valid, distinct E.164 number of the customer with this index."""
    rest, line = divmod(index, 10_000)
    area, exchange = divmod(rest, len(EXCHANGES))
    return f"+1{AREAS[area]}{EXCHANGES[exchange]}{line:04d}"


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign a form as Twilio does: HMAC-SHA1 over the URL and the sorted fields."""
    text = url + "".join(key + form[key] for key in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


def inbound_form(sender: str, body: str, sid: str) -> dict[str, str]:
    """Return every field of one inbound SMS webhook."""
    ids = {"MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid}
    return {**COMMON, **ids, "From": sender, "Body": body}


class Script:
    """Builds the signed request bytes of a journey, reusing all that stays the same."""

    def __init__(self, url: str, token: str, public_url: str) -> None:
        self._token = token
        self._signed_url = public_url.rstrip("/") + PATH
        self._common = "&".join(f"{key}={quote_plus(text)}" for key, text in COMMON.items())
        self._head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
            "User-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
            "I-Twilio-Idempotency-Token: 3f7f9d4a-98a0-4b8b-9d3c-bd2f0c5f8c31\r\n"
            "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
        )
        # A run's own prefix keeps sids distinct when several plays share one database.
        self._run = uuid.uuid4().hex[:20]
        self._sent = 0

    def request(self, sender: str, body: str) -> bytes:
        """Return the complete bytes of one text from this sender."""
        self._sent += 1
        sid = f"SM{self._run}{self._sent:012x}"
        signature = sign(self._token, self._signed_url, inbound_form(sender, body, sid))
        form = (
            f"{self._common}&MessageSid={sid}&SmsSid={sid}&SmsMessageSid={sid}"
            f"&From={quote_plus(sender)}&Body={quote_plus(body)}"
        )
        head = f"{self._head}X-Twilio-Signature: {signature}\r\nContent-Length: {len(form)}\r\n\r\n"
        return (head + form).encode()

    def journey(self, index: int, texts: Sequence[str]) -> list[bytes]:
        """Return one customer's texts in order."""
        sender = phone_number(index)
        return [self.request(sender, text) for text in texts]


class Connection:
    """One keep-alive connection playing one customer after another."""

    __slots__ = ("_address", "_buffer", "_need", "pending", "sent_at", "socket")

    def __init__(self, address: tuple[str, int], pending: Iterator[bytes]) -> None:
        self._address = address
        self._buffer = b""
        self._need = 0
        self.pending = pending
        self.sent_at = 0.0
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=STALL_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def reconnect(self) -> None:
        """Replace a connection the server has closed."""
        self.socket.close()
        self._buffer, self._need = b"", 0
        self.socket = self._connect()

    def send_next(self) -> bool:
        """Send the next text, or return False when the script is over."""
        request = next(self.pending, None)
        if request is None:
            return False
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)
        return True

    def receive(self) -> bytes | None:
        """Return the whole answer, None while parts are missing; raise when the peer closed."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self._buffer += data
        if not self._need:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = CONTENT_LENGTH.search(self._buffer, 0, end)
            self._need = end + 4 + int(length[1]) if length else end + 4
        if len(self._buffer) < self._need:
            return None
        answer, self._buffer, self._need = self._buffer, b"", 0
        return answer


def fault(answer: bytes) -> str | None:
    """Say what is wrong with an answer, None when it is a 200 with TwiML."""
    if answer[9:12] != b"200":
        return f"status {answer[9:12].decode(errors='replace')}"
    if b"<Response" not in answer:
        return "no TwiML"
    return None


class Play:
    """The running state of one play: who is waiting, what was measured."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()
        self._poll = select.epoll()
        self._waiting: dict[int, Connection] = {}
        self._connections = connections

    def run(self) -> float:
        """Play every script to its end and return the seconds it took."""
        started = time.perf_counter()
        for connection in self._connections:
            self._advance(connection)
        while self._waiting:
            ready = self._poll.poll(STALL_SECONDS)
            if not ready:
                self.failures["no answer"] += len(self._waiting)
                break
            for number, _ in ready:
                self._answered(self._waiting[number])
        seconds = time.perf_counter() - started
        self._poll.close()
        return seconds

    def _advance(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        if not connection.send_next():
            if self._waiting.pop(number, None):
                self._poll.unregister(number)
            connection.socket.close()
        elif number not in self._waiting:
            self._waiting[number] = connection
            self._poll.register(number, select.EPOLLIN)

    def _answered(self, connection: Connection) -> None:
        try:
            answer = connection.receive()
        except OSError:
            self.failures["connection lost"] += 1
            self._replace(connection)
            return
        if answer is None:
            return
        self.latencies.append(time.perf_counter() - connection.sent_at)
        if reason := fault(answer):
            self.failures[reason] += 1
        if b"onnection: close" in answer:
            self._replace(connection)
        else:
            self._advance(connection)

    def _replace(self, connection: Connection) -> None:
        self._waiting.pop(connection.socket.fileno(), None)
        connection.reconnect()
        self._advance(connection)


def play(
    url: str,
    token: str,
    public_url: str,
    customers: int = 1000,
    journey: Sequence[str] = JOURNEY,
    connections: int = 16,
    first: int = 0,
) -> Result:
    """Let `customers` distinct people play the journey against the server at `url`.

    `url` and `public_url` are base addresses; texts go to `/sms`. `first` is the
    index of the first customer, so that a second play on the same database can
    bring new people.
    """
    script = Script(url, token, public_url)
    people = [script.journey(first + index, journey) for index in range(customers)]
    # One shared iterator: a connection that is done takes whoever is next in line.
    queue = iter(people)
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    running = Play([Connection(address, _texts(queue)) for _ in range(min(connections, customers))])
    seconds = running.run()
    ordered = sorted(running.latencies) or [0.0]
    return Result(
        messages=len(running.latencies),
        seconds=seconds,
        rate=len(running.latencies) / seconds,
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
        failures=dict(running.failures),
    )


def _texts(queue: Iterator[list[bytes]]) -> Iterator[bytes]:
    for texts in queue:
        yield from texts


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile of sorted seconds, in milliseconds."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Play from the command line; exit 1 when any answer was wrong."""
    parser = argparse.ArgumentParser(description="Play SMS journeys against a running server.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--public-url", help="the base address the server believes it has")
    parser.add_argument("--token", required=True, help="the carrier's signing token")
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--first", type=int, default=0, help="index of the first customer")
    options = parser.parse_args(arguments)
    result = play(
        options.url,
        options.token,
        options.public_url or options.url,
        customers=options.customers,
        connections=options.connections,
        first=options.first,
    )
    print(result)
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())

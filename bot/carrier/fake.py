"""A carrier that behaves like Twilio, for tests and trials: what it takes, refuses, delays and reports.

This file is the behaviour, without a socket; `fake_http.py` serves it. Everything that is left to chance comes
from one seeded generator. The log is append-only and says what was really taken: it is the judge of a test.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from bot.engine.message import measure

ACCOUNT = "AC" + "0" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
LONGEST = 1_600

#: Twilio's magic numbers: https://www.twilio.com/docs/iam/test-credentials#test-sms-messages
MAGIC_TO = {
    "+15005550001": (21211, "The 'To' number +15005550001 is not a valid phone number."),
    "+15005550002": (21612, "The 'To' phone number is not currently reachable via SMS."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for this region."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number is not a valid mobile number"),
}
MAGIC_FROM = {
    "+15005550000": (21212, "The 'From' number is not a valid phone number."),
    "+15005550008": (21611, "This 'From' number has exceeded the maximum number of queued messages"),
}


@dataclass(slots=True)
class Behaviour:
    """How the carrier behaves. Shares are between 0 and 1, times in seconds."""

    seed: int = 1
    account: str = ACCOUNT
    token: str = TOKEN
    rate: float = 0.0  #: segments a second of each sender; 0: no limit
    queue_seconds: float = 36_000.0  #: longer than this nothing waits: 21611
    concurrency: int = 0  #: more requests than this at once are answered 429; 0: no limit
    latency: float = 0.0
    refuse: float = 0.0  #: the connection is closed before anything is read
    lose_answer: float = 0.0  #: taken, then the connection is closed
    fail_before: float = 0.0  #: 503, nothing taken
    fail_after: float = 0.0  #: 500, but taken
    throttle: float = 0.0  #: 429, nothing taken
    slow: float = 0.0  #: taken, the answer comes after `slow_seconds`
    slow_seconds: float = 15.0
    undelivered: float = 0.0  #: of what was taken, ends with one of `failures`
    failures: tuple[int, ...] = (30003, 30005, 30006, 30007)
    callbacks: bool = True
    callback_lost: float = 0.0
    callback_twice: float = 0.0
    callback_shuffled: float = 0.0  #: of the messages, whose callbacks come in any order
    callback_delay: float = 0.0
    clock_ahead: float = 0.0  #: of the machine's; whoever turns the product's clock turns the carrier's too


@dataclass(slots=True)
class Taken:
    """A message the carrier has."""

    number: int
    sid: str
    form: Mapping[str, str]
    at: datetime
    segments: int
    direction: str = "outbound-api"
    status: str = "queued"
    error_code: int | None = None
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A request the carrier refuses, as Twilio words it."""

    status: int
    code: int
    message: str

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


@dataclass(slots=True)
class FakeCarrier:
    """The carrier's books."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    messages: dict[str, Taken] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)  #: numbers that texted STOP
    free_at: dict[str, float] = field(default_factory=dict)  #: sender -> when its queue is empty
    by_number: dict[str, list[str]] = field(default_factory=dict)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.behaviour.seed)

    def happens(self, share: float) -> bool:
        """Throw the dice."""
        return share > 0 and self.chance.random() < share

    def create(self, form: Mapping[str, str], media: tuple[str, ...] = ()) -> Taken:
        """Take a message. Raises Refused."""
        to, body = form.get("To", ""), form.get("Body", "")
        sender = form.get("From") or form.get("MessagingServiceSid") or ""
        if not to:
            raise Refused(400, 21604, "A 'To' phone number is required.")
        if not sender:
            raise Refused(400, 21603, "A 'From' phone number is required.")
        if not body and not media:
            raise Refused(400, 21602, "Message body is required.")
        if len(body) > LONGEST:
            raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        magic = MAGIC_TO.get(to) or MAGIC_FROM.get(sender)
        if magic:
            raise Refused(400, *magic)
        if to in self.blocked:
            raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        segments = measure(body).segments if body else 1
        now = self._now()
        self._queue(sender, segments, now.timestamp())
        taken = Taken(len(self.log), self._sid("MM" if media else "SM"), form, now, segments, media=media)
        self._keep(taken, to)
        return taken

    def _queue(self, sender: str, segments: int, now: float) -> None:
        rate = self.behaviour.rate
        if rate:
            begins = max(now, self.free_at.get(sender, 0.0))
            if begins - now > self.behaviour.queue_seconds:
                raise Refused(400, *MAGIC_FROM["+15005550008"])
            self.free_at[sender] = begins + segments / rate

    def receive(self, sender: str, recipient: str, body: str) -> Taken:
        """A customer's text arrives at the carrier; whether the webhook hears of it is another matter."""
        if body.strip().upper() in {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}:
            self.blocked.add(sender)
        elif body.strip().upper() in {"START", "YES", "UNSTOP"}:
            self.blocked.discard(sender)
        form = {"From": sender, "To": recipient, "Body": body}
        taken = Taken(len(self.log), self._sid("SM"), form, self._now(), 1, "inbound", "received")
        self._keep(taken, recipient)
        return taken

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.behaviour.clock_ahead)

    def _sid(self, kind: str) -> str:
        return f"{kind}{self.chance.getrandbits(128):032x}"

    def _keep(self, taken: Taken, to: str) -> None:
        self.messages[taken.sid] = taken
        self.by_number.setdefault(to, []).append(taken.sid)
        self.log.append(
            {
                "n": taken.number,
                "sid": taken.sid,
                "at": taken.at.isoformat(),
                "direction": taken.direction,
                "from": taken.form.get("From") or taken.form.get("MessagingServiceSid"),
                "to": to,
                "body": taken.form.get("Body", ""),
                "segments": taken.segments,
                "media": list(taken.media),
                "callback": taken.form.get("StatusCallback"),
                "valid": taken.form.get("ValidityPeriod"),
            }
        )

    def fate(self, taken: Taken) -> list[tuple[str, int | None]]:
        """Decide what callbacks a message will cause: states with their error code, in order."""
        if self.happens(self.behaviour.undelivered):
            return [("sent", None), ("undelivered", self.chance.choice(self.behaviour.failures))]
        return [("sent", None), ("delivered", None)]

    def as_json(self, taken: Taken) -> dict[str, Any]:
        """Return a message as Twilio's API does."""
        when = format_datetime(taken.at)
        uri = f"/2010-04-01/Accounts/{self.behaviour.account}/Messages/{taken.sid}"
        service = taken.form.get("MessagingServiceSid")
        return {
            "account_sid": self.behaviour.account,
            "api_version": "2010-04-01",
            "body": taken.form.get("Body", ""),
            "date_created": when,
            "date_sent": when if taken.status not in ("queued", "accepted") else None,
            "date_updated": when,
            "direction": taken.direction,
            "error_code": taken.error_code,
            "error_message": None,
            "from": taken.form.get("From"),
            "messaging_service_sid": service,
            "num_media": str(len(taken.media)),
            "num_segments": "0" if service else str(taken.segments),
            "price": None,
            "price_unit": "USD",
            "sid": taken.sid,
            "status": "accepted" if service and taken.status == "queued" else taken.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": taken.form.get("To", ""),
            "uri": f"{uri}.json",
        }

    def listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page, the newest first, with Twilio's filters To, From and DateSent (`>`: not before)."""
        size = min(1_000, max(1, int(query.get("PageSize", "50"))))
        page = int(query.get("Page", "0"))
        after = query.get("DateSent>")
        since = datetime.fromisoformat(after).replace(tzinfo=UTC) if after and len(after) == 10 else None
        since = datetime.fromisoformat(after) if after and since is None else since
        sids = self.by_number.get(query["To"], []) if "To" in query else list(self.messages)
        found = [
            each
            for each in (self.messages[sid] for sid in reversed(sids))
            if (since is None or each.at >= since) and query.get("From") in (None, each.form.get("From"))
        ]
        some = found[page * size : (page + 1) * size]
        path = f"/2010-04-01/Accounts/{self.behaviour.account}/Messages.json"
        more = len(found) > (page + 1) * size
        rest = "&".join(f"{key.replace('>', '%3E')}={value.replace('+', '%2B')}" for key, value in query.items())
        rest = "&".join(part for part in rest.split("&") if part and not part.startswith("Page="))
        return {
            "end": page * size + len(some) - 1,
            "first_page_uri": f"{path}?{rest}&Page=0",
            "messages": [self.as_json(each) for each in some],
            "next_page_uri": f"{path}?{rest}&Page={page + 1}" if more else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": None,
            "start": page * size,
            "uri": f"{path}?{rest}&Page={page}",
        }

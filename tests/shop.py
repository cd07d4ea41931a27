"""A whole shop for tests: the real application on a fresh database, with a clock that stands still."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from bot import telemetry
from bot.app import build_services, create_app
from bot.services import Services
from bot.settings import ROOT, Settings
from bot.signature import sign
from storage.database import reading, writing

PUBLIC_URL = "https://shop.example"
TOKEN = "0123456789abcdef0123456789abcdef"
OLD_TOKEN = "fedcba9876543210fedcba9876543210"
NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # a Monday, noon in New York

ALICE, BOB, CHARLIE = "+12015550111", "+12015550122", "+12015550133"
_MESSAGE = re.compile(r"<Message[^>]*>(.*?)</Message>", re.DOTALL)
_ACTION = re.compile(r'<Message action="([^"]*)"')


class StandingClock:
    """Stands still until moved; has the offset and `turn_to` of the real one."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return self.moment

    def turn_to(self, moment: datetime) -> None:
        self.moment = max(self.moment, moment)


def at(moment: datetime) -> Callable[[], datetime]:
    """Return a clock that always shows this moment."""
    return lambda: moment


def shop_settings(database_url: str, **changes: Any) -> Settings:
    """Return the settings of a real shop: two tokens, as during rotation."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "secret_key": "test secret",
        "auth_tokens": (TOKEN, OLD_TOKEN),
        "public_url": PUBLIC_URL,
        "flows_dir": ROOT / "flows",
        "log_level": "CRITICAL",
    }
    return Settings(**{**values, **changes})


class Shop:
    """The shop, its customers' phones and its books."""

    def __init__(self, app: Flask, moment: datetime) -> None:
        self.app = app
        self.services: Services = app.extensions["regulars"]
        self.clock = self.services.clock
        self.client: FlaskClient = app.test_client()
        self._sids = 0

    def new_sid(self) -> str:
        self._sids += 1
        return f"SM{id(self):016x}{self._sids:016x}"

    def form(self, sender: str, body: str, sid: str | None = None, **more: str) -> dict[str, str]:
        """Return the form of one inbound text as Twilio posts it."""
        sid = sid or self.new_sid()
        return {
            "MessageSid": sid,
            "SmsSid": sid,
            "AccountSid": "AC" + "0" * 32,
            "From": sender,
            "To": "+12015550100",
            "Body": body,
            "NumMedia": "0",
            "NumSegments": "1",
            "ApiVersion": "2010-04-01",
            "FromCountry": "US",
            **more,
        }

    def post(self, form: Mapping[str, str], path: str = "/sms", token: str = TOKEN, **headers: str) -> Any:
        """Post a signed form and return the response."""
        signature = sign(PUBLIC_URL + path, form.items(), token)
        return self.client.post(
            path,
            data=urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers={"X-Twilio-Signature": signature, **headers},
        )

    def says(self, sender: str, body: str, **more: str) -> list[str]:
        """Send a text and return the replies that came back at once."""
        answer = self.post(self.form(sender, body, **more))
        assert answer.status_code == 200, answer.status
        return replies(answer)

    def joined(self, sender: str) -> None:
        """Make this number a member."""
        self.says(sender, "JOIN")
        self.says(sender, "YES")

    def wait(self, span: timedelta) -> None:
        """Move the clock and let everything happen that is due."""
        self.clock.turn_to(self.clock.now() + span)
        self.services.schedule.run(self.clock.now())
        self.services.delivery.drain(self.clock.now)

    def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with reading(self.services.engine) as conn:
            return [dict(row) for row in conn.execute(text(query), values).mappings()]

    def one(self, query: str, **values: object) -> Any:
        """Return the first value of a query."""
        rows = self.rows(query, **values)
        return next(iter(rows[0].values())) if rows else None

    def execute(self, query: str, **values: object) -> None:
        """Change rows behind the shop's back."""
        with writing(self.services.engine) as conn:
            conn.execute(text(query), values)


def replies(answer: Any) -> list[str]:
    """Return the texts in a TwiML answer."""
    return [unescape(found) for found in _MESSAGE.findall(answer.get_data(as_text=True))]


def callbacks(answer: Any) -> list[str]:
    """Return the paths of the status callbacks in a TwiML answer."""
    return [unescape(found).removeprefix(PUBLIC_URL) for found in _ACTION.findall(answer.get_data(as_text=True))]


#: Applications of shops that are closed, by their settings; the database is not the application's business.
_closed: dict[Settings, list[Flask]] = defaultdict(list)


@contextmanager
def open_shop(database_url: str, moment: datetime = NOON, **changes: Any) -> Iterator[Shop]:
    """Open a shop on a migrated database with a standing clock."""
    settings = shop_settings(database_url, **changes)
    kind = replace(settings, database_url="")
    app = _furnish_again(_closed[kind].pop(), settings) if _closed[kind] else create_app(settings)
    shop = app.extensions["regulars"]
    clock = StandingClock(moment)
    object.__setattr__(shop, "clock", clock)
    shop.door.clock = clock
    try:
        yield Shop(app, moment)
    finally:
        shop.engine.dispose()
        if not settings.oidc_issuer:  # else it remembers a provider that is gone
            _closed[kind].append(app)


def _furnish_again(app: Flask, settings: Settings) -> Flask:
    """Put new services into an application whose shop is closed: its map of a hundred pages and its templates,
    which cost ten times what the services do, stay."""
    telemetry.configure(settings.log_level)
    app.extensions.pop("inbox", None)
    app.extensions["regulars"] = build_services(settings)
    return app

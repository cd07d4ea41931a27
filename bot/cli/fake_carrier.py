"""`fake-carrier`: a carrier that speaks Twilio's API, for tests and trials."""

from __future__ import annotations

import asyncio
import contextlib

import click

from bot.carrier.fake import ACCOUNT, TOKEN, Behaviour
from bot.carrier.fake_http import FakeServer
from bot.cli.shown import say

_SHARE = click.FloatRange(0, 1)


@click.command("fake-carrier")
@click.option("--port", default=8100, show_default=True, help="Where to listen on this machine; 0: any free port.")
@click.option("--account", default=ACCOUNT, show_default=True, help="The account's sid.")
@click.option("--token", default=TOKEN, show_default=True, help="The auth token; it also signs the callbacks.")
@click.option("--seed", default=1, show_default=True, help="Where chance begins.")
@click.option("--rate", default=0.0, help="Segments a second of each sender; 0: no limit.")
@click.option("--queue-seconds", default=36_000.0, show_default=True, help="Longer than this nothing waits: 21611.")
@click.option("--concurrency", default=0, help="More requests at once are answered 429; 0: no limit.")
@click.option("--latency", default=0.0, help="Seconds before each answer.")
@click.option("--refuse", type=_SHARE, default=0.0, help="Share of requests whose connection is closed unread.")
@click.option("--lose-answer", type=_SHARE, default=0.0, help="Share taken but never answered.")
@click.option("--fail-before", type=_SHARE, default=0.0, help="Share answered 503 and not taken.")
@click.option("--fail-after", type=_SHARE, default=0.0, help="Share answered 500 although taken.")
@click.option("--throttle", type=_SHARE, default=0.0, help="Share answered 429.")
@click.option("--undelivered", type=_SHARE, default=0.0, help="Share that ends undelivered.")
@click.option("--callback-lost", type=_SHARE, default=0.0, help="Share of callbacks that get lost.")
@click.option("--callback-twice", type=_SHARE, default=0.0, help="Share of callbacks that come twice.")
@click.option("--callback-shuffled", type=_SHARE, default=0.0, help="Share of texts whose callbacks are out of order.")
@click.option("--callback-delay", default=0.0, help="Seconds before a callback.")
def fake_carrier(port: int, **how: float | int | str) -> None:
    """Run a fake Twilio: create, fetch and list messages, signed callbacks, faults on request.

    Point TWILIO_API_BASE_URL at it. GET /log gives what was really sent, as JSON lines; POST /inbound (From,
    To, Body) is a customer's text in the carrier's books; POST /behaviour changes the options by name, as JSON.
    """
    server = FakeServer(Behaviour(**how), port=port)  # type: ignore[arg-type]
    say(f"Fake carrier on http://127.0.0.1:{port or '(any port)'}; Ctrl-C ends it.")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve())

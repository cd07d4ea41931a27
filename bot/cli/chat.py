"""`chat`: a terminal as a phone. Plays Twilio against the running server: signs, posts, reads TwiML."""

from __future__ import annotations

import sys
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any

import click
import requests
from rich.markup import escape
from sqlalchemy import Engine

from bot.cli.opened import command_settings, database, number
from bot.cli.shown import say
from bot.engine.message import measure
from bot.phone import parse
from bot.settings import Settings
from bot.signature import sign
from bot.web.phone.network import PATIENCE, inbound_form, local_address, status_form
from storage import customers, messages
from storage.database import reading
from storage.rows import Row

NUMBER = "+12015550123"
_SHOP = "(201) 555-0100"
_NO_PROXY: Any = {"http": None, "https": None}  # this machine's own server needs no proxy


@dataclass(frozen=True, slots=True)
class Said:
    """One text that came back with the answer: its words and where its progress is reported."""

    body: str
    callback: str


class Line:
    """A signed line from one number to a server."""

    def __init__(self, address: str, public_url: str, token: str, sender: str, recipient: str) -> None:
        self.address = address
        self.public = public_url or address
        self.token = token
        self.sender = sender
        self.recipient = recipient

    def text(self, body: str, sid: str | None = None) -> list[Said]:
        """Send one text and return what came back; the replies are reported as delivered.

        Raises ClickException when the server is not there or does not take the text.
        """
        sid = sid or "SM" + uuid.uuid4().hex
        answer = self._post(self.public + "/sms", inbound_form(sid, self.sender, self.recipient, body))
        if answer.status_code == 403:
            raise click.ClickException("The server refused the signature (403): is TWILIO_AUTH_TOKEN the same there?")
        if answer.status_code != 200:
            raise click.ClickException(f"The server answered {answer.status_code}.")
        said = [Said(m.text or "", m.get("action") or "") for m in ET.fromstring(answer.content).iter("Message")]
        for one in said:
            for state in ("sent", "delivered") if one.callback else ():
                form = status_form("SM" + uuid.uuid4().hex, state, to=self.sender, sender=self.recipient)
                self._post(one.callback, form)
        return said

    def _post(self, url: str, form: dict[str, str]) -> requests.Response:
        headers = {"X-Twilio-Signature": sign(url, form.items(), self.token)}
        here = self.address + url.removeprefix(self.public)
        try:
            return requests.post(here, data=form, headers=headers, timeout=PATIENCE, proxies=_NO_PROXY)
        except requests.RequestException:
            raise click.ClickException(
                f"No server answers at {self.address}. Start it with `make run` in another terminal."
            ) from None


@click.command()
@click.argument("phone", metavar="[NUMBER]", default=NUMBER)
@click.option("--explain", is_flag=True, help="Show beside each text what the router made of it.")
def chat(phone: str, explain: bool) -> None:
    """Text the running server from this terminal, as any number (+12015550123 if none is given).

    Texts go the way Twilio's would: signed, over HTTP, answered in TwiML. An empty line looks for texts that
    came later, such as reminders; Ctrl-D hangs up. Lines may also come through a pipe.

    \b
    Examples:
      python -m bot chat
      python -m bot chat +16465550131 --explain
      printf 'JOIN\\nYES\\nBALANCE\\n' | python -m bot chat
    """
    settings = command_settings()
    sender = number(phone)
    line = Line(
        local_address(settings), settings.public_url, settings.auth_tokens[0], sender, settings.sender or _shop_number()
    )
    _say_hello(settings, sender)
    with database(settings) as (_, engine):
        seen = _newest(engine, sender)
        for body in _typed():
            seen = _show_later(engine, sender, seen)
            if body.strip():
                sid = "SM" + uuid.uuid4().hex
                _show([said.body for said in line.text(body, sid)])
                if explain:
                    _show_why(engine, sid)
                seen = max(seen, _newest(engine, sender, immediate=True))


def _say_hello(settings: Settings, sender: str) -> None:
    try:
        requests.get(local_address(settings) + "/healthz", timeout=3, proxies=_NO_PROXY)
    except requests.RequestException:
        where = local_address(settings)
        raise click.ClickException(
            f"No server answers at {where}. Start it with `make run` in another terminal; PORT and HOST say where."
        ) from None
    if sys.stdin.isatty():
        say(f"[dim]You are {sender}. Type a text and Enter; Ctrl-D hangs up. Try JOIN.[/]")


def _shop_number() -> str:
    return parse(_SHOP, "US") or _SHOP


def _typed() -> Any:
    """Yield the lines typed or piped in."""
    talking = sys.stdin.isatty()
    while True:
        try:
            body = input("> ") if talking else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            return
        if not talking and not body:
            return
        body = body.rstrip("\r\n")
        if not talking:
            say(f"[cyan]> {escape(body)}[/]")
        yield body


def _show(bodies: list[str], note: str = "") -> None:
    for body in bodies:
        size = measure(body)
        parts = f"{size.segments} segment{'s' if size.segments != 1 else ''}, {size.encoding}{note}"
        say("  " + escape(body).replace("\n", "\n  "))
        say(f"  [dim]{parts}[/]")
    if not bodies and not note:
        say("  [dim](no answer)[/]")


def _show_why(engine: Engine, sid: str) -> None:
    with reading(engine) as conn:
        row = messages.by_sid(conn, sid)
    why = (row or {}).get("explanation") or {}
    other = why.get("runner_up")
    parts = [f"{why.get('decision')} by {why.get('rule')}"]
    parts += [f"{why['matched']!r} ({why.get('score', 0):.2f})"] if why.get("matched") else []
    parts += [f"next best {other['what']} ({other['score']:.2f})"] if other else []
    say(f"  [yellow]{escape(', '.join(parts))}[/]")
    for step in why.get("steps", ()):
        say(f"  [yellow]{step['at']}  {step['flow']}: {step['outcome']} -> {step['to'] or 'stays'}[/]")


def _history(engine: Engine, phone: str) -> list[Row]:
    with reading(engine) as conn:
        person = customers.by_phone(conn, phone)
        return messages.history(conn, person["id"], 50) if person else []


def _newest(engine: Engine, phone: str, *, immediate: bool = False) -> int:
    rows = _history(engine, phone)
    return max((row["id"] for row in rows if not immediate or row["send_after"] is None), default=0)


def _show_later(engine: Engine, phone: str, seen: int) -> int:
    """Show texts that came by themselves since, and return the newest id shown."""
    rows = [
        row
        for row in reversed(_history(engine, phone))
        if row["id"] > seen
        and row["direction"] == "out"
        and row["state"] in ("sent", "delivered")
        and row["send_after"]
    ]
    _show([row["body"] for row in rows], ", came by itself")
    return max([seen, *(int(row["id"]) for row in rows)])

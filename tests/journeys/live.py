"""Texts one customer's first day to a running server, as Twilio would, and checks the facts afterwards.

    python -m tests.journeys.live --url http://127.0.0.1:8000 --token TOKEN

`--show` is the command that prints a customer's facts as JSON; its default asks this checkout's database.
Exit code 0 when everything is as it must be; every check is named otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shlex
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

import requests

from bot.signature import sign

SHOP = "+12015550100"
_ENJOY = re.compile(r"code ([A-Z2-9]{4}-[A-Z2-9]{4})")
STEPS: tuple[tuple[str, str], ...] = (
    ("JOIN", r"Reply YES to join"),
    ("YES", r"60 points"),
    ("BALANCE", r"60 points"),
    ("REDEEM", r"1 Free cookie, 60 points"),
    ("1", r"Free cookie for 60 points\? Reply YES or NO"),
    ("YES", _ENJOY.pattern),
    ("how many points do i have", r"\b0 points"),
    ("STOP", r"unsubscribed"),
)


class Live:
    """A handset on a server: every text is signed, posted, and posted once more to see it answered alike."""

    def __init__(self, url: str, token: str, sender: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.sender = sender
        self.passed = 0
        self.failed: list[str] = []
        self.code = ""

    def check(self, name: str, holds: bool, found: object = "") -> None:
        """Note one check."""
        if holds:
            self.passed += 1
        else:
            self.failed.append(f"{name}: {found!r}")

    def post(self, body: str, sid: str, token: str | None = None) -> requests.Response:
        """Post one text as Twilio does."""
        url = f"{self.url}/sms"
        form = {
            "MessageSid": sid,
            "SmsSid": sid,
            "AccountSid": "AC" + "0" * 32,
            "From": self.sender,
            "To": SHOP,
            "Body": body,
            "NumMedia": "0",
            "NumSegments": "1",
            "FromCountry": "US",
            "ApiVersion": "2010-04-01",
        }
        signature = sign(url, form.items(), token or self.token)
        proxies: Any = {"http": None, "https": None}
        return requests.post(url, data=form, headers={"X-Twilio-Signature": signature}, timeout=15, proxies=proxies)

    def play(self) -> None:
        """Text the journey."""
        for body, expected in STEPS:
            sid = "SM" + uuid.uuid4().hex
            answer = self.post(body, sid)
            said = _said(answer)
            self.check(f"{body} is answered", answer.status_code == 200 and len(said) == 1, (answer.status_code, said))
            self.check(f"{body} gets /{expected}/", any(re.search(expected, text) for text in said), said)
            self.check(f"{body} repeated gets the same", self.post(body, sid).content == answer.content)
            if said and (found := _ENJOY.search(said[0])):
                self.code = found[1]
        forged = self.post("JOIN", "SM" + uuid.uuid4().hex, token="not the token")
        self.check("a forged text is refused", forged.status_code == 403, forged.status_code)

    def check_facts(self, facts: Mapping[str, Any]) -> None:
        """Check what the database knows after the journey."""
        ledger, held = facts["ledger"], facts["vouchers"]
        self.check("phone", facts["phone"] == self.sender, facts["phone"])
        self.check("consent", facts["consent"] == "unsubscribed", facts["consent"])
        self.check("balance", facts["balance"] == 0 == sum(entry["points"] for entry in ledger), facts["balance"])
        kinds = [(entry["kind"], entry["points"]) for entry in ledger]
        self.check("ledger", kinds == [("earn", 60), ("burn", -60)], kinds)
        self.check("keys", len({entry["key"] for entry in ledger}) == 2, ledger)
        self.check("voucher", [(v["code"], v["status"]) for v in held] == [(self.code, "issued")], held)
        self.check("conversation", facts["conversation"] is None, facts["conversation"])
        self.check("messages", facts["messages"] == 2 * len(STEPS), facts["messages"])


def _said(answer: requests.Response) -> list[str]:
    if answer.status_code != 200:
        return []
    return ["".join(message.itertext()) for message in ET.fromstring(answer.content).iter("Message")]


def facts_by(command: str) -> Callable[[str], Mapping[str, Any]]:
    """Return a function that asks a command for a customer's facts."""

    def ask(phone: str) -> Mapping[str, Any]:
        done = subprocess.run([*shlex.split(command), phone, "--json"], capture_output=True, text=True, check=True)
        facts: Mapping[str, Any] = json.loads(done.stdout)
        return facts

    return ask


def main() -> int:
    """Run from the command line."""
    about = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    about.add_argument("--url", default="http://127.0.0.1:8000", help="where the server listens")
    about.add_argument("--token", required=True, help="the auth token it checks signatures with")
    about.add_argument("--phone", help="the customer's number; one nobody has if not given")
    about.add_argument("--show", default=f"{sys.executable} -m bot customers show", help="prints a customer's facts")
    given = about.parse_args()
    phone = given.phone or f"+1{random.randrange(202, 989)}55501{random.randrange(100):02d}"
    live = Live(given.url, given.token, phone)
    live.play()
    live.check_facts(facts_by(given.show)(phone))
    for failure in live.failed:
        print(f"FAILED {failure}")
    print(f"journey of {phone}: {live.passed} passed, {len(live.failed)} failed")
    return 1 if live.failed else 0


if __name__ == "__main__":
    sys.exit(main())

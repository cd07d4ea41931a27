"""The page of a trial: the copy's phone, its JSON, and what the audit log knows of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.console.phone_words import WORDS
from bot.desk import script
from bot.settings import ROOT
from tests.console.conftest import Hire
from tests.console.people import Person
from tests.shop import ALICE, BOB, Shop

SEED = "5eed" * 8
SCRIPTS = [
    *(ROOT / "bot" / "web" / "static").glob("phone-[tiws]*.js"),
    ROOT / "bot/web/static/regulars.js",
    ROOT / "bot/console/static/trying.js",
]


@pytest.fixture
def alice(shop: Shop) -> int:
    shop.joined(ALICE)
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


class Trial:
    """What the page's script does: it sends all texts each time."""

    def __init__(self, person: Person, customer_id: int, seed: str = SEED) -> None:
        self.person = person
        self.path = f"/console/customers/{customer_id}/try"
        self.body: dict[str, Any] = {"texts": [], "began": None, "seed": seed, "stamp": None}
        person.read(self.path)
        self.shown = self.play().get_json()
        self.body |= {"began": self.shown["began"], "stamp": self.shown["stamp"]}

    def play(self) -> TestResponse:
        headers = {"X-CSRFToken": self.person.token, "X-Requested-With": "fetch"}
        return self.person.client.post(self.path + "/state", json=self.body, headers=headers)

    def say(self, words: str) -> TestResponse:
        self.body["texts"].append({"body": words, "at": self.person.shop.clock.now().isoformat()})
        return self.play()


def entries(shop: Shop) -> int:
    return int(shop.one("SELECT count(*) FROM audit_log WHERE action = 'conversation.tried'"))


def test_a_trial_is_one_entry_in_the_audit_log(shop: Shop, hiring: Hire, alice: int) -> None:
    """Looking is none, ten texts are one, starting over is another; nothing else is written."""
    trial = Trial(hiring("support"), alice)
    before = shop.one("SELECT count(*) FROM messages")
    assert entries(shop) == 0
    for words in ("BALANCE", "blorb", "STOP"):
        assert trial.say(words).status_code == 200
    assert entries(shop) == 1
    Trial(trial.person, alice, "0ddb" * 8).say("BALANCE")
    assert entries(shop) == 2
    assert shop.one("SELECT count(*) FROM messages") == before
    assert shop.one("SELECT consent FROM customers WHERE id = :id", id=alice) == "subscribed"
    mia = hiring("manager")
    Trial(mia, alice).say("BALANCE")
    assert entries(shop) == 3
    page = mia.read("/console/audit?action=conversation.tried")
    assert "tried something with a copy of the customer" in page
    assert SEED not in page


def test_it_says_when_they_wrote_meanwhile(shop: Shop, hiring: Hire, alice: int) -> None:
    """In the page's language, apart from other refusals, so that the page can offer to start over."""
    sam = hiring("support")
    trial = Trial(sam, alice)
    shop.says(ALICE, "HOURS")
    answer = trial.say("BALANCE")
    assert answer.status_code == 409
    assert "meanwhile" in answer.get_json()["stale"]
    sam.post("/console/account/language", {"language": "es"})
    assert "Entretanto" in trial.play().get_json()["stale"]


def test_too_much_is_refused_in_words(shop: Shop, hiring: Hire, alice: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twenty-first text, and too many plays in a minute; what was typed is still in the browser."""
    trial = Trial(hiring("support"), alice)
    trial.body["texts"] = [{"wait": True}] * 21
    answer = trial.play()
    assert (answer.status_code, answer.get_data(as_text=True)) == (409, "Try 20 texts at most at once.")
    monkeypatch.setattr("bot.console.trying._allowance", script.Allowance(most=2))
    trial.body["texts"] = []
    assert trial.say("BALANCE").status_code == 200
    assert "within a minute" in trial.play().get_data(as_text=True)


def test_it_needs_the_token_and_a_customer(shop: Shop, hiring: Hire, alice: int) -> None:
    """Without the CSRF token nothing is played; nobody, and somebody merged away, are a sentence."""
    sam = hiring("support")
    trial = Trial(sam, alice)
    assert sam.client.post(trial.path + "/state", json=trial.body).status_code == 400
    assert sam.get("/console/customers/1/try").status_code == 404
    trial.path = "/console/customers/1/try"
    assert trial.play().status_code == 409


def test_the_page_names_nobody(shop: Shop, hiring: Hire, alice: int) -> None:
    """It may be shown around: the copy's name stands there, and a text of another customer is not read out."""
    shop.execute("UPDATE customers SET name = 'Alice Real' WHERE id = :id", id=alice)
    shop.says(BOB, "my words alone")
    theirs = shop.one("SELECT id FROM messages WHERE body = 'my words alone'")
    text = hiring("support").read(f"/console/customers/{alice}/try?text={theirs}")
    assert "A copy called Robin. Nothing is sent, nothing is kept." in text
    assert "Alice" not in text
    assert "my words alone" not in text
    assert re.search(r"<noscript>.*<form method=\"post\"", text, re.DOTALL)


def test_the_scripts_say_nothing_that_is_not_translated() -> None:
    """Every sentence of the phone's scripts stands among the words the page gives them."""
    known = {word.message for word in WORDS}
    text = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    said = set(re.findall(r'say\(\s*"([^"]+)"', text)) | set(re.findall(r'pair\("([^"]+)"', text))
    said |= {each for pair in re.findall(r'say\([^"()]*\? "([^"]+)" : "([^"]+)"', text) for each in pair}
    words = (ROOT / "bot/web/static/phone-words.js").read_text(encoding="utf-8").partition("/** What the router")[0]
    said |= set(re.findall(r'^\s+\w+: \[?"([^"]+)"', words, re.MULTILINE))
    assert len(said) > 100
    assert said - known == set()

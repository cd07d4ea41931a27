"""Trying what the bot would say: on a masked copy, with nothing left of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select

from bot import telemetry
from bot.desk import masking, trying
from bot.desk.actor import NotPossible
from bot.desk.script import Allowance, Script, Text, Wait, lines_of, read
from storage.columns import to_json
from storage.database import reading
from storage.migrate import metadata
from tests.shop import ALICE, NOON, Shop, open_shop

SEED = "5eed" * 8
NAME, EMAIL, CODE, FRIENDS = "Alice Real", "alice@real.example", "PQNX-NGYB", "ZZTOP77"
OWN_WORDS = "nuts make me ill"


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        shop.says(ALICE, "REDEEM")
        shop.says(ALICE, "1")
        shop.says(ALICE, "YES")
        shop.execute(
            "UPDATE customers SET name = :name, email = :email, birthday = :day, referral_code = :friends,"
            " attributes = :attributes WHERE phone = :phone",
            name=NAME,
            email=EMAIL,
            day="1984-02-29",
            friends=FRIENDS,
            attributes=to_json({"allergy": OWN_WORDS, "favourite": "coffee", "visits": 3}),
            phone=ALICE,
        )
        shop.execute("UPDATE vouchers SET code = :code", code=CODE)
        yield shop


def alice(shop: Shop) -> int:
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def everything(shop: Shop) -> dict[str, list[str]]:
    """Return every row of every table."""
    with reading(shop.services.engine) as conn:
        return {table.name: sorted(map(repr, conn.execute(select(table)))) for table in metadata.tables.values()}


def script(*bodies: str | None, seed: str = SEED, stamp: int | None = None, began: datetime = NOON) -> Script:
    """Return a script of texts, half a minute apart; None waits."""
    times = (began + index * timedelta(seconds=30) for index in range(len(bodies)))
    steps = tuple(Wait() if body is None else Text(body, at) for body, at in zip(bodies, times, strict=True))
    return Script(steps, began, seed, stamp)


def tried(shop: Shop, *bodies: str | None, **more: Any) -> dict[str, Any]:
    """Return what the copy's phone shows after these texts."""
    return trying.state_of(shop.services.turns, alice(shop), script(*bodies, **more))


def give_points(shop: Shop) -> None:
    shop.execute("UPDATE customers SET points = 500")
    shop.execute("UPDATE lots SET remaining = 500")


def said(found: dict[str, Any]) -> list[str]:
    return [each["body"] for each in found["messages"] if each["from"] == "shop"]


def test_it_answers_from_where_the_customer_stands(shop: Shop) -> None:
    """Each text goes on from the one before, at its own time; replies and reasons are as the phone shows them."""
    found = tried(shop, "BALANCE", "blorb", "STOP")
    texts = [each for each in found["messages"] if each["from"] == "customer"]
    assert [each["why"]["decision"] for each in texts] == ["flow", "fallback", "opt_out"]
    assert [each["at"][11:19] for each in texts] == ["17:00:00", "17:00:30", "17:01:00"]
    assert {each["answers"] for each in found["messages"] if each["from"] == "shop"} == {each["id"] for each in texts}
    assert found["customer"]["consent"] == "unsubscribed"
    assert {each["state"] for each in found["messages"]} == {"received", "tried"}


def test_what_was_shown_stays_as_it_was_shown(shop: Shop) -> None:
    """One more text changes nothing above it, not even ids and new codes; another seed has other codes."""
    give_points(shop)
    texts = ("REDEEM", "1", "YES", "CODES", "BALANCE")
    whole = tried(shop, *texts)
    for count in range(1, len(texts)):
        part = tried(shop, *texts[:count])["messages"]
        assert part == whole["messages"][: len(part)]
    codes = re.findall(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", " ".join(said(whole)))
    other = re.findall(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", " ".join(said(tried(shop, *texts, seed="0ddb" * 8))))
    assert len(set(codes)) == 2
    assert not set(codes) & set(other)


def test_nothing_is_left_of_it(shop: Shop) -> None:
    """Leaving, redeeming, asking for a person, waiting: not one row of any table is other than before."""
    before = everything(shop)
    for texts in (["STOP"], ["CODES"], ["can i talk to a person"], ["PROFILE", "Bob", None, None], ["JOIN", "YES"]):
        tried(shop, *texts)
    trying.play(shop.services.turns, alice(shop), ["REDEEM", "STOP"], shop.clock.now())
    assert everything(shop) == before
    assert "unsubscribed" not in shop.says(ALICE, "BALANCE")[0]


def test_it_is_counted_nowhere(shop: Shop) -> None:
    """The router's counters for Prometheus stand where they stood."""
    before = decisions()
    tried(shop, "BALANCE", "blorb")
    assert decisions() == before
    shop.says(ALICE, "BALANCE")
    assert decisions() != before


def decisions() -> list[bytes]:
    page = generate_latest(telemetry.registry)
    return [line for line in page.splitlines() if line.startswith(b"regulars_decisions_total")]


def test_nothing_of_the_real_customer_is_shown(shop: Shop) -> None:
    """No name, e-mail, number, birthday, own words, friends' code and above all no live code; others stand there."""
    shop.says(ALICE, "this is what i really wrote")
    shown = json.dumps(tried(shop, "CODES", "BALANCE", "REFER", "PROFILE", None), ensure_ascii=False)
    for real in (NAME, "Alice", EMAIL, ALICE, ALICE[-4:], CODE, FRIENDS, OWN_WORDS, "1984", "really wrote"):
        assert not re.search(rf"(?<!\d){re.escape(real)}(?!\d)", shown), real  # ids have digits of their own
    found = tried(shop, "CODES")
    code = found["customer"]["vouchers"][0]["code"]
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", code)
    assert code in said(found)[0]
    assert found["customer"]["name"] == masking.NAME
    assert re.fullmatch(r"\+120155501\d\d", found["phone"])


def test_what_flows_decide_by_stays(shop: Shop) -> None:
    """Own words are covered; what was picked from a list, numbers, and the customer's own row stay as they are."""
    with trying.copied(shop.services.turns, alice(shop), bytes(16), NOON) as copy:
        row = copy.row()
        assert row["attributes"] == {"allergy": masking.WORDS, "favourite": "coffee", "visits": 3}
        assert row["birthday"] == masking.BIRTHDAY
        assert len(row["referral_code"]) == len(FRIENDS)
    assert shop.one("SELECT name FROM customers") == NAME


def test_answers_of_an_open_conversation_are_covered(shop: Shop) -> None:
    """What the customer typed into an open question is not repeated by the copy."""
    shop.says(ALICE, "PROFILE")
    shop.says(ALICE, "Alexandra the Great")
    assert "Alexandra" in str(shop.rows("SELECT slots FROM conversations") + shop.rows("SELECT name FROM customers"))
    assert "Alexandra" not in json.dumps(tried(shop, "SKIP", "SKIP", "PROFILE"))


def test_who_lives_elsewhere_is_tried_there(shop: Shop) -> None:
    """The copy's number has the customer's own area, so that hours are judged by the same clock."""
    shop.joined("+13105550177")
    los_angeles = shop.one("SELECT id FROM customers WHERE phone = '+13105550177'")
    found = trying.state_of(shop.services.turns, los_angeles, script())
    assert found["phone"].startswith("+131055501")
    assert found["phone"] != "+13105550177"


def test_it_says_what_would_follow_and_waits_for_it(shop: Shop) -> None:
    """A question left open goes on by its timer; waiting turns the copy's clock there, and only the copy's."""
    give_points(shop)
    found = tried(shop, "REDEEM")
    timer = found["customer"]["timers"][0]
    assert (timer["kind"], timer["state"], timer["scope"]) == ("deadline", "choosing", None)
    later = tried(shop, "REDEEM", None)
    assert later["now"][:19] == timer["at"][:19]
    assert said(later)[-1].startswith("Your 500 points are still waiting")
    assert later["customer"]["timers"][0]["at"] > timer["at"]
    assert shop.clock.now() == NOON


def test_a_text_that_would_wait_is_planned(shop: Shop) -> None:
    """What a reminder would say at night where they live waits for the morning there; after the wait it has come."""
    shop.execute("UPDATE customers SET zone = 'Pacific/Honolulu'")
    found = tried(shop, None, None)  # their voucher cannot be undone any more, then the welcome
    [waits] = found["messages"]
    assert (waits["state"], waits["arrived"], waits["reason"]) == ("planned", False, "quiet_hours")
    assert waits["at"][:16] == "2026-03-03T19:00"
    [come] = tried(shop, None, None, None)["messages"]
    assert (come["state"], come["arrived"], come["at"]) == ("tried", True, waits["at"])


def test_it_says_when_they_wrote_meanwhile(shop: Shop) -> None:
    """A newer message of the real customer ends the trial; a new one begins there."""
    stamp = int(tried(shop)["stamp"])
    assert tried(shop, "BALANCE", stamp=stamp)["messages"]
    shop.says(ALICE, "HOURS")
    with pytest.raises(trying.WroteMeanwhile):
        tried(shop, "BALANCE", stamp=stamp)
    assert int(tried(shop)["stamp"]) > stamp


def test_the_real_customer_is_found_afterwards(shop: Shop) -> None:
    """What was tried does not stay in the memory of numbers: the next real text is the customer's own."""
    tried(shop, "BALANCE")
    shop.says(ALICE, "BALANCE")
    assert shop.one("SELECT count(DISTINCT customer_id) FROM messages") == 1
    shop.says("+12015550100", "JOIN")
    assert shop.one("SELECT count(*) FROM customers") == 2


def test_a_form_plays_its_lines(shop: Shop) -> None:
    """Without script the lines of a form are played in one go, on the same copy."""
    found = trying.play(shop.services.turns, alice(shop), ["CODES", "blorb"], shop.clock.now())
    assert [each.why.decision for each in found.tried if each.why] == ["flow", "fallback"]
    assert CODE not in str(found)
    assert found.consent == "subscribed"


def wish(**changes: Any) -> dict[str, Any]:
    texts = [{"body": "BALANCE", "at": NOON.isoformat()}, {"wait": True}]
    return {"texts": texts, "began": NOON.isoformat(), "seed": SEED, "stamp": "7", **changes}


def test_a_script_is_read_as_it_came() -> None:
    """Texts with their times, waits, the stamp; one that begins has no times yet."""
    assert read(wish(), NOON) == Script((Text("BALANCE", NOON), Wait()), NOON, SEED, 7)
    assert read(wish(texts=[], began=None, stamp=None), NOON) == Script((), NOON, SEED, None)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        wish(seed="xyz"),
        wish(began=(NOON - timedelta(days=2)).isoformat()),
        wish(began=(NOON + timedelta(hours=1)).isoformat()),
        wish(began="2026-03-02T17:00:00"),
        wish(stamp="seven"),
        wish(texts=[{"wait": True}] * 21),
        wish(texts=[{"body": "x" * 1_601, "at": NOON.isoformat()}]),
        wish(texts=[{"body": " ", "at": NOON.isoformat()}]),
        wish(texts=[{"body": 7, "at": NOON.isoformat()}]),
        wish(texts=[{"body": "x", "at": (NOON + timedelta(days=500)).isoformat()}]),
        wish(texts=[{"body": "x", "at": (NOON - timedelta(days=1)).isoformat()}]),
        wish(texts="BALANCE"),
    ],
)
def test_what_is_no_script_is_refused(wrong: Any) -> None:
    """Too many texts, too long ones, times that cannot be, and whatever else a browser may send."""
    with pytest.raises(NotPossible):
        read(wrong, NOON)


def test_a_form_has_its_limits() -> None:
    """Blank lines do not count; too many lines or too long ones are refused."""
    assert lines_of(" a \n\n b ") == ["a", "b"]
    for typed in ("x\n" * 21, "x" * 1_601):
        with pytest.raises(NotPossible):
            lines_of(typed)


def test_nobody_plays_without_end() -> None:
    """So many steps a minute for each person; the next minute has its own."""
    allowance = Allowance(most=10)
    allowance.spend(1, 4, NOON)
    allowance.spend(1, 4, NOON)
    with pytest.raises(NotPossible):
        allowance.spend(1, 0, NOON + timedelta(seconds=59))
    allowance.spend(2, 9, NOON)
    allowance.spend(1, 9, NOON + timedelta(minutes=1))


def test_nobody_is_nobody(shop: Shop) -> None:
    """A customer who is not there is a sentence."""
    with pytest.raises(NotPossible):
        trying.state_of(shop.services.turns, 1, script("BALANCE"))

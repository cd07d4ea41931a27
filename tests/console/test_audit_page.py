"""The audit log's page: details in words, without ids of rows, people by name."""

from __future__ import annotations

import re

from tests.console.conftest import Hire
from tests.console.test_customer import words
from tests.shop import ALICE, Shop


def test_details_are_words(shop: Shop, hiring: Hire) -> None:
    """What was done is told with names and numbers people know; no id stands there, in Spanish neither."""
    shop.joined(ALICE)
    shop.says(ALICE, "AGENT")
    customer = shop.one("SELECT id FROM customers")
    sam, mia = hiring("support"), hiring("manager")
    place = f"/console/customers/{customer}"
    sam.post(f"{place}/points", {"sign": "take", "points": "5", "reason": "Twice", "key": "k1"})
    sam.post(f"{place}/take-over")
    sam.post(f"{place}/answer", {"body": "Hello", "key": "abcdefgh-1", "confirmed": "yes"})
    sam.post(f"{place}/hand-back", {"how": "ask_again"})
    sam.post(f"/console/inbox/{customer}/assign", {"to": str(mia.id)})
    sam.post(f"/console/inbox/{customer}/snooze", {"until": "1h"})
    html = mia.read("/console/audit")
    details = [words(each) for each in re.findall(r'class="log-detail">(.*?)</td>', html, re.DOTALL)]
    for said in (
        "-5 points",
        "for 30 minutes",
        "1 segment",
        "Ask the question again",
        "Mia",
        "until Mon, Mar 2, 2026, 1:00 PM",
    ):
        assert said in details
    assert not any(re.search(r"\d{6,}", each) for each in details), details
    mia.post("/console/account/language", {"language": "es"})
    assert "-5 puntos" in mia.read("/console/audit")

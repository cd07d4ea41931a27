"""When sending is stopped, who can have it mended sees it above every page."""

from __future__ import annotations

import pytest

from bot.delivery import resume
from bot.delivery.sender import stop
from bot.desk.actor import Role
from storage.database import writing
from tests.console.conftest import Hire
from tests.shop import NOON, Shop

SENDER = "+12015550100"


@pytest.mark.parametrize("role", ["manager", "admin"])
def test_a_stopped_sender_is_told_above_every_page(shop: Shop, hiring: Hire, role: Role) -> None:
    """With the code, the reason in plain words, since when, and how it goes on; gone when it does."""
    mia = hiring(role)
    assert "sends no texts" not in mia.read("/console/inbox")
    with writing(shop.services.engine) as conn:
        stop(conn, SENDER, "30034", "30034: number <b>unregistered</b>", NOON)
    for path in ("/console/inbox", "/console/reports", "/console/account"):
        text = mia.read(path)
        assert "(201) 555-0100 sends no texts." in text
        assert "Our number is not registered for business texts. (30034, " in text
        assert f"python -m bot messages resume {SENDER}" in text
    with writing(shop.services.engine) as conn:
        resume(conn, SENDER)
    assert "sends no texts" not in mia.read("/console/inbox")


def test_a_stopped_account_is_told_in_spanish(shop: Shop, hiring: Hire) -> None:
    """Everything waits: it is said so, in the language of who reads it."""
    mia = hiring("manager")
    mia.post("/console/account/language", {"language": "es"})
    with writing(shop.services.engine) as conn:
        stop(conn, "*", "20003", "", NOON)
    text = mia.read("/console/inbox")
    assert "No sale ningún mensaje." in text
    assert "python -m bot messages resume</code>" in text


@pytest.mark.parametrize("role", ["support", "marketer"])
def test_others_are_not_alarmed(shop: Shop, hiring: Hire, role: Role) -> None:
    """Who could do nothing about it reads nothing of it."""
    with writing(shop.services.engine) as conn:
        stop(conn, "*", "20003", "", NOON)
    assert "No text goes out" not in hiring(role).read("/console/account")

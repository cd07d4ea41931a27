"""Two colleagues and their manager, and what they do at the desk of a test's shop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from bot.desk import answers, leases
from bot.desk.actor import Actor, Role
from bot.desk.answers import Sent
from bot.engine.definition import HandBack
from bot.workers import TICKS
from storage import staff
from storage.database import writing
from storage.ids import next_id
from tests.shop import Shop

HALF_AN_HOUR = timedelta(minutes=30)


def employ(shop: Shop, name: str, role: Role = "support") -> Actor:
    """Give somebody an account."""
    row = {"id": next_id(), "email": f"{name.lower()}@shop.example", "name": name, "role": role}
    with writing(shop.services.engine) as conn:
        staff.add(conn, {**row, "created_at": shop.clock.now()})
    return Actor(row["id"], name, role)


class Desk:
    """A shop's desk: every action as the console takes it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.nora, self.omar = employ(shop, "Nora"), employ(shop, "Omar")
        self.mia = employ(shop, "Mia", "manager")

    def id_of(self, phone: str) -> int:
        return int(self.shop.one("SELECT id FROM customers WHERE phone = :phone", phone=phone))

    def take_over(self, who: Actor, phone: str, reason: str = "", span: timedelta = HALF_AN_HOUR) -> None:
        services = self.shop.services
        leases.take_over(services.engine, who, self.id_of(phone), span, services.clock.now(), reason)

    def extend(self, who: Actor, phone: str, span: timedelta = HALF_AN_HOUR) -> None:
        services = self.shop.services
        leases.extend(services.engine, who, self.id_of(phone), span, services.clock.now())

    def answer(self, who: Actor, phone: str, text: str, key: str | None = None, *, confirmed: bool = False) -> Sent:
        services, now = self.shop.services, self.shop.clock.now()
        key = key or str(uuid4())
        return answers.answer(services.turns, who, self.id_of(phone), text, key, now, confirmed=confirmed)

    def hand_back(self, who: Actor, phone: str, how: HandBack | None = None) -> HandBack:
        services = self.shop.services
        return leases.hand_back(services.turns, who, self.id_of(phone), how, services.clock.now())

    def wait(self, **span: float) -> None:
        """Move the clock and let every tick run: leases, timers, delivery."""
        self.shop.clock.turn_to(self.shop.clock.now() + timedelta(**span))
        TICKS["leases"].job(self.shop.services)
        self.shop.wait(timedelta())

    def sent_to(self, phone: str) -> list[str]:
        """Return what went out to a customer through the outbox, in order."""
        rows = self.shop.rows(
            "SELECT body FROM messages WHERE recipient = :phone AND state IN ('sent', 'delivered')"
            " AND send_after IS NOT NULL ORDER BY sent_at, id",
            phone=phone,
        )
        return [row["body"] for row in rows]

    def noted(self, action: str) -> list[dict[str, Any]]:
        """Return the audit entries of an action, the oldest first."""
        return self.shop.rows("SELECT * FROM audit_log WHERE action = :action ORDER BY id", action=action)

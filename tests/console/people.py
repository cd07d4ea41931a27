"""Staff in a browser of their own, for tests: signed in, reading pages, posting forms with the page's CSRF token."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.desk import accounts
from bot.desk.actor import Actor, Role
from storage import staff
from storage.database import writing
from tests.shop import Shop

PASSWORD = "correct horse battery"
_TOKEN = re.compile(r'name="csrf" content="([^"]+)"')


class Person:
    """A member of staff at their browser."""

    def __init__(self, shop: Shop, staff_id: int, name: str, role: Role) -> None:
        self.shop = shop
        self.id = staff_id
        self.name = name
        self.role = role
        self.client: FlaskClient = shop.app.test_client()
        self.token = ""

    @property
    def actor(self) -> Actor:
        """Who acts, for calls to `bot.desk`."""
        return Actor(self.id, self.name, self.role, "127.0.0.1")

    def get(self, path: str, **options: Any) -> TestResponse:
        """Open a page, and keep its CSRF token for the next post."""
        answer = self.client.get(path, **options)
        found = _TOKEN.search(answer.get_data(as_text=True)) if "html" in (answer.content_type or "") else None
        self.token = unescape(found.group(1)) if found else self.token
        return answer

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Post a form with the token of the last page."""
        if not self.token:
            self.get("/console/account")
        return self.client.post(path, data={"csrf_token": self.token, **(data or {})}, **options)

    def read(self, path: str) -> str:
        """Return a page that opens."""
        answer = self.get(path, follow_redirects=True)
        assert answer.status_code == 200, f"{path}: {answer.status}"
        return answer.get_data(as_text=True)


def hire(shop: Shop, role: Role, name: str | None = None) -> Person:
    """Make an account with a role and sign in, without the cost of hashing a password."""
    name = name or {"support": "Sam", "marketer": "Max", "manager": "Mia", "admin": "Ada"}[role]
    now = shop.clock.now()
    with writing(shop.services.engine) as conn:
        hired_by = Actor(None, "test", "admin")
        staff_id = accounts.add(conn, hired_by, f"{name.lower()}@example.com", name, role, now)
        row = staff.by_id(conn, staff_id)
        assert row is not None
        token = accounts.open_session(conn, row, now, "127.0.0.1", "test", second_factor_due=False)
    person = Person(shop, staff_id, name, role)
    with person.client.session_transaction(path="/console/") as browser:
        browser["token"] = token
    return person

"""A shop with a console, on SQLite and PostgreSQL, and its staff."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bot.desk.actor import Role
from tests.console.people import Person, hire
from tests.shop import Shop, open_shop

Hire = Callable[..., Person]


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """An open shop with a standing clock, Monday noon in New York."""
    with open_shop(database_url) as opened:
        yield opened


@pytest.fixture
def hiring(shop: Shop) -> Hire:
    """Sign somebody in: `hiring("manager")`, `hiring("support", "Ben")`."""

    def one(role: Role, name: str | None = None) -> Person:
        return hire(shop, role, name)

    return one

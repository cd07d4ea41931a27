"""A shop with a console, on SQLite and PostgreSQL, and its staff."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher

from bot.desk import accounts
from bot.desk.actor import Role
from tests.console.people import Person, hire
from tests.shop import Shop, open_shop

Hire = Callable[..., Person]


@pytest.fixture(autouse=True, scope="session")
def _cheap_hashing() -> Iterator[None]:
    """Passwords of tests need no 64 MiB each."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", lambda: cheap)
        yield


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

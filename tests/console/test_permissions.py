"""The matrix of role and route: every endpoint of the console asked by everybody, signed in or not."""

from __future__ import annotations

from typing import cast

import pytest
from werkzeug.routing import Rule

from bot.console.permissions import PERMISSIONS, PUBLIC, allowed
from bot.desk.actor import Role
from storage.staff import ROLES
from tests.console.conftest import Hire
from tests.console.people import Person
from tests.shop import Shop

REFUSED = {401, 403}


def rules(shop: Shop) -> list[Rule]:
    """Return every guarded route of the console."""
    found = [rule for rule in shop.app.url_map.iter_rules() if rule.endpoint.startswith("console.")]
    return [rule for rule in found if rule.endpoint.removeprefix("console.") not in PUBLIC]


def address(rule: Rule) -> str:
    """Return a route's address with something in each place."""
    values = {name: 1 if "Integer" in type(kind).__name__ else "x" for name, kind in rule._converters.items()}
    _, path = cast("tuple[str, str]", rule.build(values))
    return path


def method(rule: Rule) -> str:
    """Return the method a route is for."""
    return "POST" if "POST" in (rule.methods or ()) else "GET"


def test_every_route_is_declared_and_nothing_else(shop: Shop) -> None:
    """The table names exactly the routes that exist."""
    assert {rule.endpoint.removeprefix("console.") for rule in rules(shop)} == set(PERMISSIONS)


def test_nobody_gets_in_without_signing_in(shop: Shop) -> None:
    """Every guarded route sends a stranger to the sign-in page or refuses; a script is told 401."""
    stranger = Person(shop, 0, "", "support")
    stranger.get("/console/sign-in")
    for rule in rules(shop):
        path = address(rule)
        if method(rule) == "GET":
            answer = stranger.client.get(path)
            assert answer.status_code == 302, path
            assert answer.location.startswith("/console/sign-in"), path
            assert stranger.client.get(path, headers={"X-Requested-With": "fetch"}).status_code == 401, path
        else:
            assert stranger.post(path).status_code == 401, path
            assert stranger.client.post(path).status_code == 400, path


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_the_table_says(shop: Shop, hiring: Hire, role: Role) -> None:
    """A route that is not for a role answers 403; one that is never does. Nothing breaks on made-up ids."""
    person = hiring(role)
    person.get("/console/account")
    wrong = []
    for rule in rules(shop):
        endpoint = rule.endpoint.removeprefix("console.")
        if endpoint == "account.end_sessions":
            continue
        path = address(rule)
        answer = person.post(path) if method(rule) == "POST" else person.get(path)
        expected = allowed(endpoint, role)
        if answer.status_code >= 500 or (answer.status_code in REFUSED) is expected:
            wrong.append(f"{method(rule)} {path} as {role}: {answer.status_code}")
    assert wrong == []

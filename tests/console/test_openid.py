"""Signing in through an identity provider: the right person, checked signatures, nobody by surprise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from joserfc.jwk import RSAKey

from bot.desk import accounts
from bot.desk.actor import Actor
from storage import staff
from storage.database import writing
from tests.console.people import Person
from tests.console.provider import CLIENT, SECRET, Provider, provider
from tests.shop import PUBLIC_URL, Shop, open_shop


@pytest.fixture(scope="module")
def there() -> Iterator[Provider]:
    """The provider."""
    with provider() as running:
        yield running


@pytest.fixture
def at(there: Provider) -> Provider:
    """The provider, with Ana at it again."""
    there.claims = {"sub": "ana-1", "email": "ana@example.com", "email_verified": True}
    there.signing_key = there.key
    return there


@pytest.fixture
def shop(database_url: str, at: Provider) -> Iterator[Shop]:
    """A shop that knows the provider, with an account for Ana."""
    settings = {"oidc_issuer": at.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    with open_shop(database_url, **settings) as opened:
        with writing(opened.services.engine) as conn:
            accounts.add(conn, Actor(None, "test", "admin"), "ana@example.com", "Ana", "manager", opened.clock.now())
        yield opened


def goes_through(shop: Shop, at: Provider) -> Person:
    """Leave for the provider and come back."""
    person = Person(shop, 0, "", "support")
    assert "company account" in person.read("/console/sign-in")
    left = person.get("/console/openid")
    assert left.status_code == 302
    assert left.location.startswith(at.url)
    back = at.authorize(left.location)
    assert back.startswith(PUBLIC_URL)
    assert person.get(back.removeprefix(PUBLIC_URL)).status_code == 302
    return person


def test_a_known_person_is_let_in(shop: Shop, at: Provider) -> None:
    """The verified e-mail finds the account the first time, the subject ever after."""
    assert "ana@example.com" in goes_through(shop, at).read("/console/account")
    at.claims = {**at.claims, "email": "ana.new@example.com"}
    assert "ana@example.com" in goes_through(shop, at).read("/console/account")


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@example.com"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
    ],
)
def test_others_are_not(shop: Shop, at: Provider, claims: dict[str, object]) -> None:
    """No account, or an address the provider has not verified: nobody is signed in, and none is made."""
    at.claims = {**at.claims, **claims}
    person = goes_through(shop, at)
    assert person.get("/console/account").status_code == 302
    assert "no account for you" in person.read("/console/sign-in")
    assert shop.one("SELECT count(*) FROM staff") == 1


def test_another_person_cannot_take_an_account_over(shop: Shop, at: Provider) -> None:
    """Once an account belongs to a subject, another subject with the same address is not let in."""
    goes_through(shop, at)
    at.claims = {**at.claims, "sub": "eve-2"}
    assert goes_through(shop, at).get("/console/account").status_code == 302


def test_a_forged_token_is_refused(shop: Shop, at: Provider) -> None:
    """A token signed by somebody else opens nothing."""
    at.signing_key = RSAKey.generate_key(2048, parameters={"kid": "k1"})
    assert goes_through(shop, at).get("/console/account").status_code == 302


def test_an_answer_nobody_asked_for_is_refused(shop: Shop, at: Provider) -> None:
    """Without the state of this browser the provider's answer counts nothing."""
    somebody = Person(shop, 0, "", "support")
    back = at.authorize(somebody.get("/console/openid").location)
    other = Person(shop, 0, "", "support")
    assert other.get(back.removeprefix(PUBLIC_URL)).status_code == 302
    assert other.get("/console/account").status_code == 302


def test_a_closed_account_stays_closed(shop: Shop, at: Provider) -> None:
    """The provider cannot open an account that was closed here."""
    with writing(shop.services.engine) as conn:
        row = staff.by_email(conn, "ana@example.com")
        assert row is not None
        staff.change(conn, row["id"], disabled_at=shop.clock.now())
    assert goes_through(shop, at).get("/console/account").status_code == 302


def test_a_provider_that_is_away_is_told(database_url: str) -> None:
    """When nobody answers there, the sign-in page says so and passwords still work."""
    settings = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    with open_shop(database_url, **settings) as shop:
        somebody = Person(shop, 0, "", "support")
        assert "did not let you in" in somebody.get("/console/openid", follow_redirects=True).get_data(as_text=True)

"""Signing in and out, the first start's link, the second factor, lock-out, CSRF and sessions."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pyotp
import pytest

from bot.console.agents import agent_words
from bot.desk import accounts
from bot.desk.actor import Actor
from storage import staff
from storage.database import writing
from tests.console.conftest import Hire
from tests.console.people import PASSWORD, Person
from tests.shop import Shop

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def invited(shop: Shop, email: str = "ana@example.com", *, secret: str | None = None) -> Person:
    """Return somebody with a password, not signed in."""
    with writing(shop.services.engine) as conn:
        identifier = accounts.add(conn, Actor(None, "test", "admin"), email, "Ana", "admin", shop.clock.now())
        staff.change(conn, identifier, password=accounts.hash_of(PASSWORD), totp=secret)
    person = Person(shop, identifier, "Ana", "admin")
    person.get("/console/sign-in")
    return person


def test_the_first_link_makes_an_administrator_once(shop: Shop) -> None:
    """The one-time link of the first start makes the administrator, signs in, and works once."""
    with writing(shop.services.engine) as conn:
        token = accounts.new_link(conn, None, shop.clock.now())
    somebody = Person(shop, 0, "", "admin")
    assert "Make the first account" in somebody.read(f"/console/welcome/{token}")
    form = {"email": "Ana@Example.com", "name": "Ana", "password": PASSWORD}
    assert somebody.post(f"/console/welcome/{token}", form).status_code == 303
    assert "ana@example.com" in somebody.read("/console/account")
    again = Person(shop, 0, "", "admin")
    assert again.get(f"/console/welcome/{token}").status_code == 410
    assert again.post(f"/console/welcome/{token}", form).status_code == 410
    assert [row["role"] for row in shop.rows("SELECT role FROM staff")] == ["admin"]


def test_a_link_is_over_after_a_day(shop: Shop) -> None:
    """An old link opens nothing."""
    with writing(shop.services.engine) as conn:
        token = accounts.new_link(conn, None, shop.clock.now())
    shop.clock.turn_to(shop.clock.now() + accounts.LINK_LASTS + timedelta(seconds=1))
    assert Person(shop, 0, "", "admin").get(f"/console/welcome/{token}").status_code == 410


def test_a_password_lets_in_and_a_wrong_one_does_not(shop: Shop) -> None:
    """The right password opens a session; a wrong one and an unknown address get the same words."""
    ana = invited(shop)
    wrong = ana.post("/console/sign-in", {"email": "ana@example.com", "password": "wrong"})
    unknown = ana.post("/console/sign-in", {"email": "eve@example.com", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert ana.get("/console/account").status_code == 302
    ana.get("/console/sign-in")
    assert ana.post("/console/sign-in", {"email": "ANA@example.com", "password": PASSWORD}).status_code == 303
    assert "ana@example.com" in ana.read("/console/account")


def test_guessing_is_locked_out_for_longer_and_longer(shop: Shop) -> None:
    """After five wrong answers even the right one waits; the wait doubles; then it works again."""
    ana = invited(shop)
    for _ in range(5):
        ana.post("/console/sign-in", {"email": "ana@example.com", "password": "wrong"})
    right = {"email": "ana@example.com", "password": PASSWORD}
    assert ana.post("/console/sign-in", right).status_code == 429
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=61))
    assert ana.post("/console/sign-in", {**right, "password": "wrong"}).status_code == 401
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=61))
    assert ana.post("/console/sign-in", right).status_code == 429, "the second wait is two minutes"
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=61))
    assert ana.post("/console/sign-in", right).status_code == 303


def test_the_second_factor_is_asked_and_a_code_works_once(shop: Shop) -> None:
    """With a second factor the password alone opens nothing, and a code that was used is refused."""
    ana = invited(shop, secret=SECRET)
    answer = ana.post("/console/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    assert "/second-factor" in answer.location
    assert ana.get("/console/account").status_code == 302, "half signed in is not signed in"
    ana.get("/console/second-factor")
    assert ana.post("/console/second-factor", {"code": "000000"}).status_code == 401
    code = pyotp.TOTP(SECRET).at(shop.clock.now())
    assert ana.post("/console/second-factor", {"code": code}).status_code == 303
    assert ana.get("/console/account").status_code == 200
    again = Person(shop, ana.id, "Ana", "admin")
    again.get("/console/sign-in")
    again.post("/console/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    again.get("/console/second-factor")
    assert again.post("/console/second-factor", {"code": code}).status_code == 401


def test_a_second_factor_is_set_up_and_turned_off(shop: Shop) -> None:
    """The account page shows a secret, takes its first code, and turns the factor off for the password."""
    ana = invited(shop)
    ana.post("/console/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    text = ana.read("/console/account")
    found = re.search(r'<code class="wide">([A-Z2-7]+)</code>', text)
    assert found is not None
    secret = unescape(found.group(1))
    assert ana.post("/console/account/second-factor", {"code": "123"}).status_code == 303
    assert shop.one("SELECT totp FROM staff") is None
    ana.post("/console/account/second-factor", {"code": pyotp.TOTP(secret).at(shop.clock.now())})
    assert shop.one("SELECT totp FROM staff") == secret
    ana.post("/console/account/second-factor/off", {"password": "wrong"})
    assert shop.one("SELECT totp FROM staff") == secret
    ana.post("/console/account/second-factor/off", {"password": PASSWORD})
    assert shop.one("SELECT totp FROM staff") is None


def test_a_stolen_session_cannot_guess_the_password(shop: Shop) -> None:
    """Wrong old passwords on the account page are counted like those at the sign-in; nothing is changed."""
    ana = invited(shop, secret=SECRET)
    ana.post("/console/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    ana.get("/console/second-factor")
    ana.post("/console/second-factor", {"code": pyotp.TOTP(SECRET).at(shop.clock.now())})
    ana.get("/console/account")
    for _ in range(5):
        ana.post("/console/account/second-factor/off", {"password": "wrong"})
    ana.post("/console/account/second-factor/off", {"password": PASSWORD})
    ana.post("/console/account/password", {"old": PASSWORD, "new": "another good password"})
    assert shop.one("SELECT totp FROM staff") == SECRET
    assert "Too many wrong answers" in ana.read("/console/account")
    shop.clock.turn_to(shop.clock.now() + timedelta(seconds=61))
    ana.post("/console/account/second-factor/off", {"password": PASSWORD})
    assert shop.one("SELECT totp FROM staff") is None


def test_signing_in_gives_a_new_token(shop: Shop) -> None:
    """A session that was there before signing in is not the one after it, and the old one is gone."""
    ana = invited(shop)
    right = {"email": "ana@example.com", "password": PASSWORD}
    ana.post("/console/sign-in", right)
    with ana.client.session_transaction(path="/console/") as browser:
        first = browser["token"]
    ana.get("/console/account")
    ana.post("/console/sign-in", right)
    with ana.client.session_transaction(path="/console/") as browser:
        second = browser["token"]
    assert first != second
    assert shop.one("SELECT count(*) FROM staff_sessions") == 1
    assert shop.one("SELECT digest FROM staff_sessions") == accounts.digest(second)


def test_sessions_end(shop: Shop, hiring: Hire) -> None:
    """A session ends when nobody uses it, after two weeks in any case, and on signing out."""
    idle = hiring("support", "Idle")
    shop.clock.turn_to(shop.clock.now() + accounts.IDLE + timedelta(minutes=1))
    assert idle.get("/console/account").status_code == 302
    busy = hiring("support", "Busy")
    for _ in range(int(accounts.LONGEST / timedelta(hours=11))):
        shop.clock.turn_to(shop.clock.now() + timedelta(hours=11))
        assert busy.get("/console/account").status_code == 200
    shop.clock.turn_to(shop.clock.now() + timedelta(hours=11))
    assert busy.get("/console/account").status_code == 302
    leaving = hiring("support", "Leaving")
    assert leaving.post("/console/sign-out").status_code == 303
    assert leaving.get("/console/account").status_code == 302


def test_a_closed_account_and_a_new_role_end_sessions(shop: Shop, hiring: Hire) -> None:
    """Whoever is closed out or gets another role is signed out at once; the last administrator stays."""
    ada, sam = hiring("admin"), hiring("support")
    ada.post(f"/console/staff/{sam.id}/role", {"role": "manager"})
    assert sam.get("/console/account").status_code == 302
    ben = hiring("support", "Ben")
    ada.post(f"/console/staff/{ben.id}/disable")
    assert ben.get("/console/account").status_code == 302
    ada.post(f"/console/staff/{ada.id}/disable")
    assert "last administrator" in ada.read("/console/staff")


def test_posts_need_the_token_and_our_own_page(shop: Shop, hiring: Hire) -> None:
    """Without the CSRF token, or from another site, nothing is done."""
    ada = hiring("admin")
    ada.get("/console/staff")
    form = {"email": "eve@example.com", "role": "admin"}
    assert ada.client.post("/console/staff", data=form).status_code == 400
    assert ada.post("/console/staff", form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert ada.post("/console/staff", form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert shop.one("SELECT count(*) FROM staff") == 1
    assert ada.post("/console/staff", form).status_code == 200
    assert shop.one("SELECT count(*) FROM staff") == 2


def test_after_signing_in_one_goes_on_to_our_own_pages_only(shop: Shop) -> None:
    """`next` never leads away from the console."""
    for wanted in ("https://evil.example/", "//evil.example/console/", "/console\\evil", "javascript:alert(1)"):
        ana = invited(shop, f"ana{abs(hash(wanted))}@example.com")
        form = {"email": f"ana{abs(hash(wanted))}@example.com", "password": PASSWORD, "next": wanted}
        assert ana.post("/console/sign-in", form).location == "/console/"


def test_the_demo_door_is_shut_outside_the_demo(shop: Shop) -> None:
    """One click signs in only in the demo."""
    somebody = Person(shop, 0, "", "admin")
    assert "demo" not in somebody.read("/console/sign-in").lower()
    assert somebody.post("/console/demo", {"role": "admin"}).status_code == 404


def test_an_invitation_is_shown_once(shop: Shop, hiring: Hire) -> None:
    """The invited person's link is on the page once, chooses a password, and is kept nowhere."""
    ada = hiring("admin")
    answer = ada.post("/console/staff", {"email": "ben@example.com", "name": "Ben", "role": "support"})
    found = re.search(r"/console/welcome/([\w-]+)", answer.get_data(as_text=True))
    assert found is not None
    token = found.group(1)
    assert token not in ada.read("/console/staff")
    assert shop.rows("SELECT * FROM staff_links WHERE digest = :token", token=token) == []
    ben = Person(shop, 0, "Ben", "support")
    ben.get(f"/console/welcome/{token}")
    ben.post(f"/console/welcome/{token}", {"email": "ben@example.com", "password": PASSWORD})
    assert "ben@example.com" in ben.read("/console/account")


def test_a_link_signs_in_its_own_person_only(shop: Shop, hiring: Hire) -> None:
    """Whatever address is typed into an invitation's form, the session is that of the invited person."""
    ada = hiring("admin")
    answer = ada.post("/console/staff", {"email": "ben@example.com", "name": "Ben", "role": "support"})
    found = re.search(r"/console/welcome/([\w-]+)", answer.get_data(as_text=True))
    assert found is not None
    ben = Person(shop, 0, "Ben", "support")
    ben.get(f"/console/welcome/{found.group(1)}")
    ben.post(f"/console/welcome/{found.group(1)}", {"email": "ada@example.com", "password": PASSWORD})
    assert "ben@example.com" in ben.read("/console/account")


def test_a_short_password_is_refused_with_words(shop: Shop) -> None:
    """A password that is too short is told, and the link still works."""
    with writing(shop.services.engine) as conn:
        token = accounts.new_link(conn, None, shop.clock.now())
    somebody = Person(shop, 0, "", "admin")
    somebody.get(f"/console/welcome/{token}")
    form = {"email": "ana@example.com", "name": "Ana", "password": "short"}
    answer = somebody.post(f"/console/welcome/{token}", form)
    assert answer.status_code == 409
    assert "at least 10 characters" in answer.get_data(as_text=True)
    assert somebody.post(f"/console/welcome/{token}", {**form, "password": PASSWORD}).status_code == 303


def test_the_console_speaks_what_the_browser_asks_for_until_somebody_chooses(shop: Shop, hiring: Hire) -> None:
    """A new account reads Spanish in a Spanish browser, signed in too; what is chosen then stays."""
    sam, spanish = hiring("support"), {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
    assert '<html lang="es">' in sam.get("/console/account", headers=spanish).get_data(as_text=True)
    assert '<html lang="en">' in sam.get("/console/account").get_data(as_text=True)
    sam.post("/console/account/language", {"language": "en"})
    assert '<html lang="en">' in sam.get("/console/account", headers=spanish).get_data(as_text=True)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        ("curl/8.0", "An unknown browser"),
        (None, "An unknown browser"),
    ],
)
def test_a_browser_in_plain_words(shop: Shop, agent: str | None, words: str) -> None:
    """What it calls itself is long and old; people know the name and the system."""
    with shop.app.test_request_context():
        assert agent_words(agent) == words

"""What is gone stays gone: erased customers, those who left, requests decided, keys used; also at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any, cast

import pytest
from werkzeug.routing import Rule

from bot.desk import accounts
from storage.migrate import metadata
from tests.console.conftest import Hire
from tests.console.hostile import FETCH
from tests.console.people import PASSWORD, Person
from tests.engine.routing.test_leaving import FCC, OTHER_LANGUAGES, TWILIO
from tests.shop import ALICE, BOB, CHARLIE, Shop

NAME = "Zebulon Quill"
WORDS = "my sister xylophone has moved"
FORM = {
    "reason": "because",
    "key": "abcdefgh-1",
    "confirmed": "yes",
    "meaning": "help",
    "days": "9",
    "points": "5",
    "name": WORDS,
    "title": WORDS,
    "language": "en",
    "body": WORDS,
    "until": "1h",
    "script": "HI",
    "number": BOB,
    "digits": ALICE[-4:],
    "tags": "xylophone",
    "new_attribute": "xylophone",
    "new_value": WORDS,
}
_PLAYED = frozenset({"takeover.measure", "trying.play"})  #: they answer and write nothing about anybody


@pytest.fixture
def alice(shop: Shop) -> int:
    """Alice, who joined, has a name, wrote, has a voucher, a note and a request for points."""
    shop.joined(ALICE)
    shop.joined(BOB)
    shop.says(ALICE, WORDS)
    shop.execute("UPDATE customers SET name = :name WHERE phone = :phone", name=NAME, phone=ALICE)
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def at_once(*deeds: Callable[[], object]) -> list[Any]:
    """Do several things at the same moment; return what came of each, in order."""
    start, came = Barrier(len(deeds)), [None] * len(deeds)

    def run(place: int, deed: Callable[[], object]) -> None:
        start.wait()
        came[place] = deed()  # type: ignore[call-overload]

    threads = [Thread(target=run, args=each) for each in enumerate(deeds)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return came


def post(person: Person, path: str, **form: str) -> Callable[[], int]:
    """Return a deed that posts a form as a script and says the status; the CSRF token is fetched now."""
    person.get("/console/account")
    return lambda: person.post(path, form, headers=FETCH).status_code


def routes(shop: Shop) -> list[Rule]:
    """Return the console's routes about one customer or one text."""
    return [rule for rule in shop.app.url_map.iter_rules() if {"customer_id", "message_id"} & rule.arguments]


def test_nothing_can_be_done_with_what_is_left(shop: Shop, hiring: Hire, alice: int) -> None:
    """Every page and form of an erased customer refuses or shows nothing; no form writes a row about them."""
    mia = hiring("manager")
    sam = hiring("support")
    message = int(shop.one("SELECT max(id) FROM messages WHERE direction = 'in' AND customer_id = :c", c=alice))
    note = f"/console/customers/{alice}"
    for path in (f"{note}/notes", f"{note}/points", f"{note}/vouchers", f"{note}/take-over"):
        assert sam.post(path, FORM, headers=FETCH).status_code < 400, path
    code = shop.one("SELECT code FROM vouchers WHERE customer_id = :c", c=alice)
    entry = int(shop.one("SELECT max(id) FROM ledger WHERE customer_id = :c", c=alice))
    assert mia.post(f"{note}/privacy/erase", FORM, headers=FETCH).status_code == 303
    given = {"customer_id": alice, "message_id": message, "entry_id": entry, "code": code, "reply_id": 1, "number": 1}
    before = _about(shop, alice)
    wrong = []
    for rule in routes(shop):
        _, path = cast("tuple[str, str]", rule.build({name: given[name] for name in rule.arguments}))
        posted = "POST" in (rule.methods or ())
        answer = mia.post(path, FORM, headers=FETCH) if posted else mia.get(path)
        text = answer.get_data(as_text=True).lower()
        if answer.status_code >= 500 or any(mark in text for mark in ("xylophone", "quill", ALICE[2:], "555-0111")):
            wrong.append(f"{rule.endpoint}: {answer.status}")
        if posted and answer.status_code < 300 and rule.endpoint.removeprefix("console.") not in _PLAYED:
            wrong.append(f"{rule.endpoint} took it: {answer.status}")
    assert wrong == [], "\n".join(wrong)
    assert _about(shop, alice) == before


def test_the_conversation_says_since_when_there_is_none(shop: Shop, hiring: Hire, alice: int) -> None:
    """Nothing to answer, no pseudonym; managers find the certificate; who had it open is led there."""
    sam, mia = hiring("support"), hiring("manager")
    place, here = f"/console/customers/{alice}/conversation", f"/console/inbox/{alice}/here"
    mia.post(f"/console/customers/{alice}/privacy/erase", {"digits": ALICE[-4:]})
    for person, certificate in ((sam, False), (mia, True)):
        for address in (place, f"{place}?pane=1"):
            html = person.read(address)
            assert "Erased on Mon, Mar 2, 2026" in html
            assert (f"/customers/{alice}/privacy" in html) == certificate
            assert "erased:" not in html
            assert not any(word in html for word in ("data-composer", "Take over", "data-note", "/try", "data-desk"))
            assert ("<html" in html) == (address == place)
        answer = person.post(here, headers=FETCH)
        assert (answer.status_code, answer.location) == (303, place)
    assert shop.one("SELECT count(*) FROM audit_log WHERE action = 'conversation.viewed'") == 0


def _about(shop: Shop, customer: int) -> dict[str, int]:
    """Return how many rows each table has about a customer; who looked at what is left is not counted."""
    tables = [table.name for table in metadata.sorted_tables if "customer_id" in table.c and table.name != "audit_log"]
    return {
        name: shop.one(f"SELECT count(*) FROM {name} WHERE customer_id = :c", c=customer)  # noqa: S608
        for name in tables
    }


def test_erasing_while_colleagues_are_at_work(shop: Shop, hiring: Hire, alice: int) -> None:
    """An answer, a note, a lesson and a text come at the same moment: whoever is first, nothing of her is left."""
    mia, place = hiring("manager"), f"/console/customers/{alice}"
    text = shop.one("SELECT max(id) FROM messages WHERE direction = 'in' AND customer_id = :c", c=alice)
    deeds = (
        post(hiring("support", "Sam"), f"{place}/answer", body=WORDS, key="abcdefgh-2"),
        post(hiring("support", "Ben"), f"{place}/notes", body=WORDS),
        post(hiring("support", "Kim"), f"/console/messages/{text}/lesson", meaning="help"),
        post(hiring("support", "Lou"), f"{place}/vouchers", **FORM),
    )
    came = at_once(post(mia, f"{place}/privacy/erase", digits=ALICE[-4:]), *deeds)
    assert came[0] == 303
    assert all(status in (200, 204, 303, 404, 409) for status in came), came
    for table, column in (("messages", "body"), ("notes", "body"), ("lessons", "text"), ("vouchers", "name")):
        assert shop.rows(f"SELECT {column} FROM {table} WHERE {column} LIKE '%xylophone%'") == [], table  # noqa: S608


def test_stop_while_an_answer_is_on_its_way(shop: Shop, hiring: Hire, alice: int) -> None:
    """STOP and an answer at the same moment: the answer is refused or suppressed; it never goes out afterwards."""
    place, sam = f"/console/customers/{alice}", hiring("support")
    answer = post(sam, f"{place}/answer", body="Hello", key="abcdefgh-3")
    stop = lambda: shop.says(ALICE, "STOP")  # noqa: E731
    status, _ = at_once(answer, stop)
    assert status in (200, 409)
    assert shop.one("SELECT consent FROM customers WHERE id = :c", c=alice) == "unsubscribed"
    shop.services.delivery.drain(shop.clock.now)
    states = [row["state"] for row in shop.rows("SELECT state FROM messages WHERE purpose = 'staff'")]
    assert states in ([], ["suppressed"]), states
    assert sam.post(f"{place}/answer", {"body": "Hello", "key": "abcdefgh-4"}, headers=FETCH).status_code == 409


def test_two_managers_decide_at_once(shop: Shop, hiring: Hire, alice: int) -> None:
    """Of two who allow and one who refuses, one is heard, and the points are given at most once."""
    hiring("support").post(f"/console/customers/{alice}/points", {**FORM, "points": "5000"}, headers=FETCH)
    asked = shop.one("SELECT id FROM approvals")
    path, deciding = f"/console/approvals/{asked}", (("Mia", "allow"), ("Meg", "allow"), ("Mo", "refuse"))
    came = at_once(*(post(hiring("manager", name), f"{path}/{how}", answer="so be it") for name, how in deciding))
    assert sorted(came) == [303, 409, 409]
    given = shop.one("SELECT count(*) FROM ledger WHERE points = 5000")
    assert given == (shop.one("SELECT decision FROM approvals") == "allowed")


def test_wrong_passwords_at_once_are_all_counted(shop: Shop) -> None:
    """Guessing in parallel gets nobody past the lock, and breaks nothing."""
    strangers = [Person(shop, 0, "", "support") for _ in range(6)]
    for each in strangers:
        each.get("/console/sign-in")
    form = {"email": "eve@example.com", "password": "wrong"}
    came = at_once(*(lambda each=each: each.post("/console/sign-in", form).status_code for each in strangers))
    assert set(came) <= {401, 429}, came
    assert strangers[0].post("/console/sign-in", {**form, "email": " EVE@example.com"}).status_code == 429


def test_a_right_password_gives_no_new_guesses_at_the_code(shop: Shop, hiring: Hire) -> None:
    """Who knows the password has as many tries at the second factor as anybody, however often they sign in."""
    ada = hiring("admin")
    hashed, secret = accounts.hash_of(PASSWORD), accounts.new_secret()
    shop.execute("UPDATE staff SET password = :hashed, totp = :secret", hashed=hashed, secret=secret)
    thief, came = Person(shop, ada.id, "", "admin"), []
    thief.get("/console/sign-in")
    for _ in range(3):
        came.append(thief.post("/console/sign-in", {"email": "ada@example.com", "password": PASSWORD}).status_code)
        thief.get("/console/second-factor")
        came += [thief.post("/console/second-factor", {"code": "nonsense"}).status_code for _ in range(2)]
    assert came == [303, 401, 401, 303, 401, 401, 303, 401, 429]


def test_leaving_is_heard_while_a_person_holds_whatever_it_is_called(shop: Shop, hiring: Hire) -> None:
    """Every word for leaving opts out at once in a held conversation; no answer goes out by any door afterwards."""
    sam = hiring("support")
    words = [*TWILIO, *OTHER_LANGUAGES, *FCC, "stop texting me please", "Please take me off your list", " stop. "]
    for number, word in enumerate(words):
        phone = f"+1201555{1000 + number}"
        shop.joined(phone)
        customer = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=phone)
        place = f"/console/customers/{customer}"
        assert sam.post(f"{place}/take-over", headers=FETCH).status_code == 200
        shop.says(phone, word)
        assert shop.one("SELECT consent FROM customers WHERE id = :c", c=customer) == "unsubscribed", word
        form = {"body": "Wait!", "key": f"after-stop-{number}", "confirmed": "yes"}
        for options in ({"headers": FETCH}, {"follow_redirects": True}):
            sam.post(f"{place}/answer", form, **options)
    assert shop.one("SELECT count(*) FROM messages WHERE purpose = 'staff'") == 0


def test_a_merges_key_is_good_for_one_pair(shop: Shop, hiring: Hire, alice: int) -> None:
    """The key of one merge posted for two others is refused, and nobody's points move."""
    shop.joined(CHARLIE)
    bob, charlie = (shop.one("SELECT id FROM customers WHERE phone = :p", p=phone) for phone in (BOB, CHARLIE))
    mia = hiring("manager")
    for old, new, status in ((alice, bob, 303), (charlie, bob, 409)):
        form = {"old": str(old), "new": str(new), "key": "one-key-for-all"}
        assert mia.post(f"/console/customers/{new}/privacy/merge", form, headers=FETCH).status_code == status
    assert shop.one("SELECT merged_into FROM customers WHERE id = :c", c=charlie) is None
    assert shop.one("SELECT points FROM customers WHERE id = :c", c=charlie) == 60

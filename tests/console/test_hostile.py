"""The console among people who mean harm: words that would run, ids that are nobody's, forms nobody made, guesses.

One shop on each database serves all tests here; each leaves it as full as it was.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from storage.migrate import metadata
from tests.console.hostile import EVIL, FETCH, FORMULA, Books, Page
from tests.console.people import Person
from tests.databases import BOTH, Server
from tests.shop import ALICE, BOB, Shop, open_shop

#: What watching leaves behind: who looked, when last, and seals that the clock would have made.
_WATCHING = frozenset({"audit_log", "seals", "staff_sessions", "desk_reads", "presence"})
#: What a good form of each kind holds; ids in it are nobody's.
FORM = {
    "reason": "because",
    "key": "abcdefgh-1",
    "confirmed": "yes",
    "decision": "help",
    "days": "9",
    "points": "5",
    "name": "x",
    "title": "x",
    "language": "en",
    "body": "hi",
    "until": "1h",
    "script": "HI",
    "digits": "0111",
    "role": "support",
}
#: Digits that are none, numbers no database has, days out of every calendar, a template's placeholder.
ODD = ("²", "9" * 30, "\0", "1e999", "0001-01-01", "9999-12-31", "{0.x}")
ASKED = (
    "before after q text reply entries done change days from to person action customer view flow tag assignee day next"
    " pane undone"
)
OTHERS = (
    "seen sign old new intent answer message what to reward q number how code new_attribute new_value birthday email"
    " zone region frequency tags newer"
)


@pytest.fixture(scope="module", params=BOTH)
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """A shop full of hostile words, on each database."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("hostile") / "regulars.db"
        shutil.copyfile(cast(Path, request.getfixturevalue("_sqlite_file")), path)
        url = f"sqlite:///{path}"
    else:
        database, server = request.getfixturevalue("_postgres_database"), request.getfixturevalue("postgres_server")
        cast(Server, server).empty(database)
        url = cast(Server, server).url_of(database)
    with open_shop(url) as shop:
        yield Books(shop)


def rules(shop: Shop, method: str) -> list[Rule]:
    """Return the console's routes for a method; signing out and ending sessions would end the test."""
    ending = {"console.signing.sign_out", "console.account.end_sessions", "console.static"}
    found = [rule for rule in shop.app.url_map.iter_rules() if rule.endpoint.startswith("console.")]
    return [rule for rule in found if method in (rule.methods or ()) and rule.endpoint not in ending]


def at(rule: Rule, **values: object) -> str:
    """Return a route's address."""
    _, path = cast("tuple[str, str]", rule.build({name: values[name] for name in rule.arguments}))
    return path


def ask(person: Person, rule: Rule, path: str, form: dict[str, str] | None = None) -> TestResponse:
    """Ask for a page, or post a form as a script does; read the answer to its end."""
    posted = "POST" in (rule.methods or ())
    answer = person.post(path, form or {}, headers=FETCH) if posted else person.get(path, query_string=form)
    answer.get_data()
    return answer


def harm_in(answer: TestResponse) -> list[str]:
    """Return what in an answer would do harm, whatever its kind."""
    kind, name = answer.content_type or "", answer.headers.get("Content-Disposition", "")
    if "csv" in kind:
        cells = [cell for line in csv.reader(io.StringIO(answer.get_data(as_text=True))) for cell in line]
        return [cell for cell in cells if FORMULA.match(cell)]
    if "json" in kind:
        json.loads(answer.get_data())
        return []
    if "pdf" in kind:
        return [mark for mark in ("/JavaScript", "/JS", "/Launch", "/URI", "/AA") if mark.encode() in answer.data]
    if "html" not in kind:
        return [] if kind.startswith(("text/plain", "image/")) or not answer.data else [kind]
    return Page(answer.get_data(as_text=True), own_style=name.startswith("attachment")).harm


def headers_missing(answer: TestResponse) -> list[str]:
    """Return which of the headers every answer carries are not there, or say something else."""
    told = answer.headers
    policy, kept = told.getlist("Content-Security-Policy"), told.get("Cache-Control", "")
    private = "no-store" in kept or (kept == "private, no-cache" and "ETag" in told)
    right = {
        "policy": bool(policy) and all(each.startswith("default-src 'none'") for each in policy),
        "no inline": not any("unsafe" in each for each in policy),
        "frames": told.get("X-Frame-Options") == "DENY" and "frame-ancestors 'none'" in "".join(policy),
        "nosniff": told.get("X-Content-Type-Options") == "nosniff",
        f"cache: {kept}": private,
    }
    return [name for name, good in right.items() if not good]


def test_no_page_does_what_the_words_in_it_say(books: Books) -> None:
    """Every page and file, for each role: no script, no frame, no formula, nothing turned around, nothing kept."""
    wrong = []
    for person in (books.admin, books.sam, books.marketer):
        for rule in rules(books.shop, "GET"):
            path = at(rule, **books.ids())
            for asked in (
                {},
                {"q": EVIL, "tag": EVIL, "next": EVIL, "person": EVIL, "customer": EVIL, "view": "recent"},
            ):
                answer = person.get(path, query_string=asked)
                found = [*harm_in(answer), *headers_missing(answer)]
                wrong += [f"{person.name} {answer.status_code} {path}: {each}" for each in found]
                wrong += [f"{person.name} {path}: {answer.status}"] if answer.status_code >= 500 else []
    assert wrong == [], "\n".join(wrong)


def test_the_words_are_there_all_the_same(books: Books) -> None:
    """Inert is not lost: the conversation shows the text as it was written, NUL aside."""
    shown = books.sam.read(f"/console/customers/{books.id_of(ALICE)}/conversation")
    assert "&lt;script&gt;pwn()&lt;/script&gt;" in shown
    assert "{{7*7777}}" in shown


def test_files_that_leave_the_house_are_as_inert(books: Books) -> None:
    """The export to read, the search's results and the refusals that repeat what was typed."""
    customer = f"/console/customers/{books.id_of(ALICE)}"
    asked = {
        f"{customer}/privacy/export.html": {},
        f"{customer}/privacy/export.json": {},
        f"{customer}/try": {"script": EVIL},
        f"{customer}/profile": {"email": EVIL, "new_attribute": EVIL, "tags": EVIL, "zone": EVIL},
        f"{customer}/points": {"points": EVIL, "reason": EVIL},
        f"{customer}/vouchers": {"name": EVIL, "days": EVIL, "reward": EVIL},
        "/console/search/results": {"q": "pwn"},
        "/console/till": {"what": EVIL},
        "/console/till/redeem": {"code": EVIL},
        "/console/replies": {"title": EVIL, "body": EVIL},
        "/console/staff": {"email": EVIL, "name": EVIL, "role": EVIL},
        "/console/sign-in": {"email": EVIL, "password": EVIL, "next": EVIL},
    }
    for path, form in asked.items():
        answer = books.admin.post(path, form, follow_redirects=path != "/console/sign-in")
        assert answer.status_code < 500, path
        assert [*harm_in(answer), *headers_missing(answer)] == [], path


def test_ids_of_nobody_are_refused(books: Books) -> None:
    """Every place of every address with what is not there: never a page, never taken, never broken."""
    wrong, ids = [], books.ids()
    for method in ("GET", "POST"):
        for rule in rules(books.shop, method):
            for place in rule.arguments - {"token", "name", "number"}:
                for nobody in (0, 1, (1 << 63) - 1, 1 << 63, 1 << 70):
                    path = at(rule, **{**ids, place: nobody})
                    answer = ask(books.admin, rule, path, FORM if method == "POST" else None)
                    measured = rule.endpoint == "console.takeover.measure" and nobody < 1 << 63
                    if not (measured or 400 <= answer.status_code < 500):
                        wrong.append(f"{method} {path}: {answer.status}")
    assert wrong == [], "\n".join(wrong)


def test_odd_values_break_nothing(books: Books) -> None:
    """Digits that are none, numbers too large, days out of every calendar: each page says so in its own words."""
    wrong, ids = [], books.ids()
    for rule in rules(books.shop, "GET"):
        for odd in ODD:
            answer = books.admin.get(at(rule, **ids), query_string=dict.fromkeys(ASKED.split(), odd))
            wrong += [f"{rule.rule} {odd[:12]!r}: {answer.status}"] if answer.status_code >= 500 else []
    for rule in rules(books.shop, "POST"):
        if rule.endpoint.startswith(("console.people.", "console.signing.", "console.account.")):
            continue  # they end sessions; forms of this kind are below
        for odd in ODD:
            answer = ask(
                books.admin, rule, at(rule, **ids), {**dict.fromkeys((*FORM, *OTHERS.split()), odd), "reason": "x"}
            )
            wrong += [f"{rule.rule} {odd[:12]!r}: {answer.status}"] if answer.status_code >= 500 else []
    assert wrong == [], "\n".join(wrong)


def test_looking_changes_nothing(books: Books) -> None:
    """No GET writes a row anywhere but in what is kept about looking."""
    kept = [table.name for table in metadata.sorted_tables if table.name not in _WATCHING]

    def counts() -> dict[str, int]:
        return {name: books.shop.one(f"SELECT count(*) FROM {name}") for name in kept}  # noqa: S608

    before = counts()
    for _ in range(2):
        for rule in rules(books.shop, "GET"):
            books.admin.get(at(rule, **books.ids()))
    assert counts() == before


def test_no_form_is_taken_from_elsewhere(books: Books) -> None:
    """Every form without the page's token is refused, and so is one with it that another site sent."""
    wrong, ids = [], books.ids()
    for rule in rules(books.shop, "POST"):
        path = at(rule, **ids)
        bare = books.admin.client.post(path, data=FORM).status_code
        forged = books.admin.client.post(path, data={**FORM, "csrf_token": "forged"}).status_code
        books.admin.get("/console/account")
        elsewhere = books.admin.post(path, FORM, headers={"Origin": "https://evil.example"}).status_code
        fetched = books.admin.post(path, FORM, headers={"Sec-Fetch-Site": "cross-site"}).status_code
        if (bare, forged, elsewhere, fetched) != (400, 400, 403, 403):
            wrong.append(f"{rule.endpoint}: {bare} {forged} {elsewhere} {fetched}")
    assert wrong == [], "\n".join(wrong)


def test_nobody_sees_what_is_a_colleagues(books: Books) -> None:
    """A colleague's key, view, approval and voucher of another customer: refused, and nothing changes."""
    sam, mia, alice, bob = books.sam, books.manager, books.id_of(ALICE), books.id_of(BOB)
    ids = books.ids()
    view = f"/console/inbox/views/{ids['view_id']}/remove"
    answered = {"body": "hi", "key": "hostile-answer"}
    refused = [
        (mia, view, {}),
        (sam, f"/console/customers/{alice}/answer", answered),
        (mia, f"/console/customers/{bob}/answer", answered),
        (sam, f"/console/customers/{bob}/points/{ids['entry_id']}/reverse", FORM),
        (sam, f"/console/customers/{bob}/vouchers/{ids['code']}/revoke", FORM),
        (mia, f"/console/customers/{bob}/points", {**FORM, "key": "hostile-1"}),
    ]
    for person, path, form in refused:
        assert person.post(path, form, headers=FETCH).status_code == 409, path
    decide = f"/console/approvals/{ids['approval_id']}/allow"
    assert sam.post(decide, FORM).status_code == 403
    assert books.marketer.get(f"/console/customers/{alice}/conversation").status_code == 403
    assert ALICE[2:] not in books.marketer.read(f"/console/customers/{alice}")
    assert " lone" not in books.marketer.read(f"/console/customers/{alice}")


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/\\evil.example",
        "/console/\\..\\\\evil.example",
        "/console/../..//evil.example",
        "\t//evil.example",
        "javascript:pwn()",
        "/console/@evil.example\r\nLocation: https://evil.example",
        "https:/console/",
        "///evil.example/console/",
    ],
)
def test_nobody_is_led_elsewhere(books: Books, where: str) -> None:
    """After signing in one stays in the house, whatever the address asked for."""
    answer = books.sam.get("/console/sign-in", query_string={"next": where})
    assert answer.status_code == 302
    assert answer.location.startswith("/console/")
    assert "\n" not in answer.location


def test_guessing_gets_no_further_by_writing_it_otherwise(books: Books) -> None:
    """Capitals, blanks and other letters do not open a new count; an address nobody has is counted the same."""
    stranger = Person(books.shop, 0, "", "support")
    for email in ("ada@example.com", "nobody@example.com"):
        stranger.get("/console/sign-in")
        written = (email, email.upper(), f" {email}", f"{email}\t", email.title(), f"\u00a0{email}\u2003")
        came = [stranger.post("/console/sign-in", {"email": each, "password": "x"}).status_code for each in written]
        assert came == [401] * 5 + [429]
    books.shop.execute("DELETE FROM sign_in_attempts")


def test_the_cookie_is_for_the_console_alone(books: Books) -> None:
    """HttpOnly, Secure behind https, SameSite, and its path."""
    answer = Person(books.shop, 0, "", "support").get("/console/sign-in")
    cookie = answer.headers["Set-Cookie"]
    for flag in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/console"):
        assert flag in cookie

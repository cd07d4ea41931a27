"""The inbox over HTTP: what stands in it, what it costs to ask again, what is done from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import event

from bot.console import inbox_list
from bot.desk import leases
from tests.console.conftest import Hire
from tests.console.people import Person
from tests.shop import ALICE, BOB, CHARLIE, NOON, Shop

FETCH = {"X-Requested-With": "fetch"}
_ENTRY = re.compile(r'<li class="entry" data-id="(\d+)">(.*?)</li>', re.DOTALL)
_OVER = re.compile(r'data-over="([^"]*)"')


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the database for every question: the tests' clock stands still, the machine's does not."""
    for name in ("FRESH", "SIZES_FRESH", "PERSONAL_FRESH"):
        monkeypatch.setattr(inbox_list, name, 1e-9)


def id_of(shop: Shop, phone: str) -> int:
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=phone))


def entries(person: Person, **query: str) -> dict[int, str]:
    """Return the entries of a view by customer, as text."""
    text = person.read("/console/inbox?" + "&".join(f"{name}={value}" for name, value in query.items()))
    return {int(each): unescape(re.sub(r"<[^>]*>", " ", html)) for each, html in _ENTRY.findall(text)}


def over(person: Person, view: str = "needs_person") -> dict[str, Any]:
    """Return what is laid over a list for one person."""
    found = _OVER.search(person.client.get(f"/console/inbox/list?view={view}", headers=FETCH).get_data(as_text=True))
    assert found
    return dict(json.loads(unescape(found.group(1))))


def test_it_opens_on_who_needs_a_person(shop: Shop, hiring: Hire) -> None:
    """The first words of the newest text, and since when they wait."""
    shop.says(ALICE, "AGENT")
    shop.says(BOB, "HELP")
    sam = hiring("support")
    assert sam.get("/console/").location == "/console/inbox"
    found = entries(sam)
    assert list(found) == [id_of(shop, ALICE)]
    assert "AGENT" in found[id_of(shop, ALICE)]
    assert "asked for a person" in found[id_of(shop, ALICE)]


def test_each_view_opens_empty_and_says_what_would_be_there(shop: Shop, hiring: Hire) -> None:
    """Every view has words for when there is nothing in it."""
    sam = hiring("support")
    views = re.findall(r'class="view" href="([^"]+)"', sam.read("/console/inbox"))
    assert len(views) == 9
    for address in [*map(unescape, views), "/console/inbox?view=flow&flow=join", "/console/inbox?day=2026-03-01"]:
        text = sam.read(address)
        assert '<div class="empty"><h2>' in text, address


def test_it_survives_addresses_that_make_no_sense(shop: Shop, hiring: Hire) -> None:
    """Whatever stands in the address, the page opens."""
    sam = hiring("support")
    shop.says(ALICE, "HELP")
    for query in (
        "view=nonsense",
        "view=flow",
        "flow=no_such_flow",
        "view=recent&day=2026-02-31",
        "view=recent&assignee=99999999999999999999999",
        "view=recent&assignee=nobody&tag=%00%F0%9F%92%A9",
        "view=recent&after=-5",
        "view=recent&after=99999999999999999999999999",
        "day=2026-03-02&tag=" + "x" * 500,
    ):
        assert sam.get(f"/console/inbox?{query}").status_code == 200, query
        assert sam.get(f"/console/inbox/list?{query}", headers=FETCH).status_code == 200, query


def test_all_recent_shows_the_times_it_is_sorted_by(shop: Shop, hiring: Hire) -> None:
    """An answer of ours moves nobody: the words are the newest ones, the time is that of the customer's last text."""
    for number, who in enumerate((ALICE, BOB)):
        shop.clock.turn_to(NOON + timedelta(minutes=10 * number))
        shop.says(who, "AGENT")
    shop.clock.turn_to(NOON + timedelta(minutes=30))
    sam, alice = hiring("support"), id_of(shop, ALICE)
    sam.post(f"/console/customers/{alice}/answer", {"body": "Here I am", "key": "abcdefgh-9"}, headers=FETCH)
    html = sam.read("/console/inbox?view=recent")
    times = re.findall(r'class="entry-when"><time datetime="([^"]+)"', html)
    assert times == ["2026-03-02T17:10:00+00:00", "2026-03-02T17:00:00+00:00"]
    assert "Here I am" in html


def test_numbers_are_half_hidden_from_support(shop: Shop, hiring: Hire) -> None:
    """Who has no name is shown by number: in full to managers only."""
    shop.says(ALICE, "AGENT")
    assert "+120 ••• 11" in hiring("support").read("/console/inbox")
    assert "555-0111" in hiring("manager").read("/console/inbox")


def test_words_of_customers_stay_words(shop: Shop, hiring: Hire) -> None:
    """Markup in texts, names and tags is shown, never obeyed."""
    attack = "<img src=x onerror=alert(1)>\"'{{7*7}}"
    shop.says(ALICE, attack)
    shop.execute("UPDATE customers SET name = :name, tags = :tags", name=attack, tags=json.dumps([attack]))
    sam = hiring("support")
    for address in ("/console/inbox?view=recent", "/console/inbox?view=misunderstood"):
        text = sam.read(address)
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
        assert "{{7*7}}" in text


def test_asking_again_costs_nothing_while_nothing_changes(shop: Shop, hiring: Hire) -> None:
    """304 until a text comes; the same for everybody who looks at the same view."""
    shop.says(ALICE, "AGENT")
    sam = hiring("support")
    first = sam.client.get("/console/inbox/list", headers=FETCH)
    again = {**FETCH, "If-None-Match": first.headers["ETag"]}
    assert sam.client.get("/console/inbox/list", headers=again).status_code == 304
    shop.says(BOB, "AGENT")
    fresh = sam.client.get("/console/inbox/list", headers=again)
    assert fresh.status_code == 200
    assert len(_ENTRY.findall(fresh.get_data(as_text=True))) == 2
    assert fresh.headers["Cache-Control"] == "private, no-cache"


@pytest.fixture
def queries(shop: Shop) -> Iterator[list[str]]:
    """Every statement the shop's database is asked."""
    asked: list[str] = []

    def listen(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(shop.services.engine, "before_cursor_execute", listen)
    yield asked
    event.remove(shop.services.engine, "before_cursor_execute", listen)


def test_two_hundred_inboxes_read_a_list_once(
    shop: Shop, hiring: Hire, queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a list is fresh, whoever asks costs the look at their session and at what they have read."""
    for name in ("FRESH", "SIZES_FRESH", "PERSONAL_FRESH"):
        monkeypatch.setattr(inbox_list, name, 1e9)
    shop.says(ALICE, "AGENT")
    sam, ben = hiring("support", "Sam"), hiring("support", "Ben")
    sam.client.get("/console/inbox/list", headers=FETCH)
    queries.clear()
    ben.client.get("/console/inbox/list", headers=FETCH)
    lists = [statement for statement in queries if "handoffs" in statement and "desk.assignee_id = " not in statement]
    assert lists == []
    queries.clear()
    sam.client.get("/console/inbox/list", headers=FETCH)
    assert [statement for statement in queries if "staff_sessions" not in statement] == []


def test_while_many_texts_come_lists_are_made_less_often(
    shop: Shop, hiring: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open inboxes see a list some seconds old then; whoever loads the page sees it as it is."""
    monkeypatch.setattr(inbox_list, "BUSY_FRESH", 1e9)
    sam = hiring("support")
    shop.says(ALICE, "AGENT")
    shop.services.turns.pace.note(1_000)
    sam.read("/console/inbox")
    shop.says(BOB, "AGENT")
    waiting = sam.client.get("/console/inbox/list", headers=FETCH).get_data(as_text=True)
    assert list(map(int, (found[0] for found in _ENTRY.findall(waiting)))) == [id_of(shop, ALICE)]
    assert set(entries(sam)) == {id_of(shop, ALICE), id_of(shop, BOB)}


def test_unread_and_mine_are_each_persons_own(shop: Shop, hiring: Hire) -> None:
    """Looking at a conversation marks it as read for whoever looks."""
    shop.says(ALICE, "AGENT")
    sam, ben = hiring("support", "Sam"), hiring("support", "Ben")
    alice = id_of(shop, ALICE)
    assert over(sam)["unread"] == over(ben)["unread"] == {str(alice): 1}
    assert sam.post(f"/console/inbox/{alice}/here", headers=FETCH).status_code == 200
    assert over(sam)["unread"] == {}
    assert over(ben)["unread"] == {str(alice): 1}
    sam.post(f"/console/inbox/{alice}/assign", {"to": str(sam.id)}, headers=FETCH)
    assert (over(sam)["sizes"]["mine"], over(ben)["sizes"]["mine"]) == (1, 0)
    assert over(sam)["sizes"]["needs_person"] == 1
    assert over(sam)["sizes"]["unassigned"] == 0


def test_somebody_who_answers_is_seen_by_colleagues(shop: Shop, hiring: Hire) -> None:
    """In the list and above the conversation; until they leave."""
    shop.says(ALICE, "AGENT")
    sam, ben = hiring("support", "Sam"), hiring("support", "Ben")
    alice = id_of(shop, ALICE)
    ben.post(f"/console/inbox/{alice}/here", headers=FETCH)
    assert "Ben is looking" in entries(sam)[alice]
    bar = ben.post(f"/console/inbox/{alice}/here", {"writing": "1"}, headers=FETCH).get_data(as_text=True)
    assert "Ben" not in re.findall(r'role="status">(.*?)</p>', bar)
    assert "Ben is answering" in entries(sam)[alice]
    assert "Ben is answering" in sam.read(f"/console/inbox/{alice}/bar")
    ben.post(f"/console/inbox/{alice}/here", {"left": "1"}, headers=FETCH)
    assert "Ben is" not in entries(sam)[alice]
    assert ben.post("/console/inbox/77/here", headers=FETCH).status_code == 404


def test_who_has_taken_over_is_named(shop: Shop, hiring: Hire) -> None:
    """The lease's holder stands beside the customer."""
    shop.says(ALICE, "AGENT")
    ben, sam = hiring("support", "Ben"), hiring("support", "Sam")
    leases.take_over(shop.services.engine, ben.actor, id_of(shop, ALICE), timedelta(minutes=30), shop.clock.now())
    assert "Ben has taken over" in entries(sam)[id_of(shop, ALICE)]


def test_done_and_snooze_can_be_undone(shop: Shop, hiring: Hire) -> None:
    """A browser without script goes back and sees what was done, with a button that undoes it."""
    shop.says(ALICE, "AGENT")
    sam, alice = hiring("support"), id_of(shop, ALICE)
    for action, data in (("done", {}), ("snooze", {"until": "tomorrow"})):
        answer = sam.post(f"/console/inbox/{alice}/{action}", data)
        assert (answer.status_code, answer.location) == (303, "/console/inbox")
        text = sam.read("/console/inbox")
        undo = re.search(r'<form method="post" action="([^"]+/reopen)">', text)
        assert undo
        assert "Nobody waits for a person" in text
        sam.post(undo.group(1))
        assert list(entries(sam)) == [alice]


def test_a_script_gets_the_bar_with_the_way_back(shop: Shop, hiring: Hire) -> None:
    """What was done, in words, and the address that undoes it."""
    shop.says(ALICE, "AGENT")
    sam, mia, alice = hiring("support", "Sam"), hiring("manager", "Mia"), id_of(shop, ALICE)
    sam.post(f"/console/inbox/{alice}/assign", {"to": str(sam.id)}, headers=FETCH)
    html = sam.post(f"/console/inbox/{alice}/assign", {"to": str(mia.id)}, headers=FETCH).get_data(as_text=True)
    assert 'data-said="Assigned to Mia."' in html
    undo = re.search(r'data-undo="([^"]+)"', html)
    assert undo
    sam.post(unescape(undo.group(1)), headers=FETCH)
    assert shop.one("SELECT assignee_id FROM desk") == sam.id


def test_a_snooze_without_an_end_is_refused(shop: Shop, hiring: Hire) -> None:
    """A script gets the reason; nothing is changed."""
    shop.says(ALICE, "AGENT")
    sam, alice = hiring("support"), id_of(shop, ALICE)
    answer = sam.post(f"/console/inbox/{alice}/snooze", {"until": "someday"}, headers=FETCH)
    assert (answer.status_code, answer.get_data(as_text=True)) == (409, "Choose until when.")
    assert shop.one("SELECT count(*) FROM desk") == 0
    assert sam.post("/console/inbox/99999999999999999999/done", headers=FETCH).status_code == 404


def test_views_narrow_down_together(shop: Shop, hiring: Hire) -> None:
    """A tag and a colleague narrow any view."""
    for phone in (ALICE, BOB, CHARLIE):
        shop.says(phone, "AGENT")
    for phone in (ALICE, BOB):
        shop.execute("UPDATE customers SET tags = :tags WHERE phone = :phone", tags='["vip"]', phone=phone)
    sam = hiring("support")
    sam.post(f"/console/inbox/{id_of(shop, BOB)}/assign", {"to": str(sam.id)})
    assert list(entries(sam, view="needs_person", tag="vip")) == [id_of(shop, ALICE), id_of(shop, BOB)]
    assert list(entries(sam, view="needs_person", tag="vip", assignee="nobody")) == [id_of(shop, ALICE)]
    assert list(entries(sam, view="recent", assignee=str(sam.id))) == [id_of(shop, BOB)]
    assert list(entries(sam, view="mine")) == [id_of(shop, BOB)]


def test_a_view_is_saved_opened_and_removed(shop: Shop, hiring: Hire) -> None:
    """A manager's shared view is everybody's; support may not share."""
    sam, mia = hiring("support"), hiring("manager")
    answer = mia.post("/console/inbox/views", {"view": "recent", "tag": "vip", "name": "Our best", "shared": "1"})
    assert answer.location == "/console/inbox?view=recent&tag=vip"
    text = sam.read("/console/inbox")
    assert "Our best" in text
    assert "/console/inbox?view=recent&amp;tag=vip" in text
    assert "/remove" not in text
    refused = sam.post("/console/inbox/views", {"view": "left", "name": "Mine", "shared": "1"}, headers=FETCH)
    assert refused.status_code == 409
    remove = re.search(r'action="([^"]+/remove)"', mia.read("/console/inbox"))
    assert remove
    mia.post(remove.group(1))
    assert "Our best" not in sam.read("/console/inbox")


def test_pages_follow_each_other(shop: Shop, hiring: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link to the next page goes on where this one ended."""
    monkeypatch.setattr(inbox_list, "PAGE", 2)
    for phone in (ALICE, BOB, CHARLIE):
        shop.says(phone, "HELP")
    sam = hiring("support")
    first = sam.read("/console/inbox?view=recent")
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = sam.read(unescape(following.group(1)))
    met = [each for each, _ in _ENTRY.findall(first) + _ENTRY.findall(second)]
    assert met == [str(id_of(shop, phone)) for phone in (CHARLIE, BOB, ALICE)]


def test_failed_deliveries_say_why(shop: Shop, hiring: Hire) -> None:
    """The carrier's code in plain words."""
    shop.joined(ALICE)
    shop.execute(
        "UPDATE messages SET state = 'undelivered', error_code = '30003'"
        " WHERE id = (SELECT max(id) FROM messages WHERE direction = 'out')"
    )
    said = entries(hiring("support"), view="failed")[id_of(shop, ALICE)]
    assert "(30003)" in said
    assert "no words for" not in said

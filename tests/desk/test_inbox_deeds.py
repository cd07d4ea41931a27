"""The inbox: what staff do with conversations, and what the views make of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.desk import inbox as desk_inbox
from bot.desk.actor import NotPossible
from storage import desk, glance, saved
from storage.database import reading, writing
from storage.ids import next_id
from storage.inbox import Wanted
from tests.desk.people import Desk
from tests.desk.views import seen
from tests.shop import ALICE, BOB, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """An open shop with a standing clock."""
    with open_shop(database_url) as opened:
        yield opened


@pytest.fixture
def house(shop: Shop) -> Desk:
    """The shop's desk with Nora, Omar and their manager Mia."""
    return Desk(shop)


def test_it_keeps_mine_and_unassigned_apart(shop: Shop, house: Desk) -> None:
    """An assigned conversation is its colleague's; the rest of those who wait are nobody's."""
    for phone in (ALICE, BOB):
        shop.says(phone, "AGENT")
    engine, now = shop.services.engine, shop.clock.now()
    desk_inbox.assign(engine, house.mia, house.id_of(ALICE), house.nora.staff_id, now)
    assert seen(shop, Wanted("assigned", assignee=house.nora.staff_id)) == ["alice"]
    assert seen(shop, Wanted("assigned", assignee=house.omar.staff_id)) == []
    assert seen(shop, Wanted("waiting", unassigned=True)) == ["bob"]
    desk_inbox.assign(engine, house.mia, house.id_of(ALICE), None, now)
    assert seen(shop, Wanted("waiting", unassigned=True)) == ["bob", "alice"]
    assert [entry["who"] for entry in house.noted("conversation.assigned")] == ["Mia", "Mia"]


def test_it_gives_nothing_to_who_does_not_answer_customers(shop: Shop, house: Desk) -> None:
    """A stranger's id and a closed account are refused."""
    shop.says(ALICE, "AGENT")
    shop.execute("UPDATE staff SET disabled_at = created_at WHERE id = :id", id=house.omar.staff_id)
    for nobody in (12345, house.omar.staff_id):
        with pytest.raises(NotPossible):
            desk_inbox.assign(shop.services.engine, house.mia, house.id_of(ALICE), nobody, shop.clock.now())


def test_done_leaves_the_views_until_the_customer_writes(shop: Shop, house: Desk) -> None:
    """Settling closes the handoff; a new question brings the customer back."""
    shop.says(ALICE, "AGENT")
    desk_inbox.done(shop.services.engine, house.nora, house.id_of(ALICE), shop.clock.now())
    assert seen(shop, Wanted("needs_person")) == []
    assert shop.one("SELECT closed_by FROM handoffs") == str(house.nora.staff_id)
    assert seen(shop, Wanted("recent")) == ["alice"]
    shop.says(ALICE, "AGENT")
    assert seen(shop, Wanted("needs_person")) == ["alice"]


def test_opening_again_gives_back_the_place_in_the_queue(shop: Shop, house: Desk) -> None:
    """Undo puts the customer where they were, with the time they had waited."""
    shop.says(ALICE, "AGENT")
    before = shop.rows("SELECT id, requested_at FROM handoffs")
    customer_id, engine = house.id_of(ALICE), shop.services.engine
    desk_inbox.done(engine, house.nora, customer_id, shop.clock.now())
    desk_inbox.reopen(engine, house.nora, customer_id, shop.clock.now())
    assert seen(shop, Wanted("needs_person")) == ["alice"]
    assert shop.rows("SELECT id, requested_at FROM handoffs WHERE closed_at IS NULL") == before
    with pytest.raises(NotPossible):
        desk_inbox.reopen(engine, house.nora, customer_id, shop.clock.now())


def test_done_never_hides_a_text_nobody_saw(shop: Shop, house: Desk) -> None:
    """What came after the page was made stays in the view."""
    shop.says(ALICE, "AGENT")
    page_made = next_id()
    house.take_over(house.nora, ALICE)
    shop.says(ALICE, "my order is wrong")
    desk_inbox.done(shop.services.engine, house.nora, house.id_of(ALICE), shop.clock.now(), seen=page_made)
    assert seen(shop, Wanted("unanswered")) == ["alice"]


def test_a_snooze_ends_at_its_time(shop: Shop, house: Desk) -> None:
    """Meanwhile the customer waits on, out of sight."""
    shop.says(ALICE, "AGENT")
    now = shop.clock.now()
    desk_inbox.snooze(shop.services.engine, house.nora, house.id_of(ALICE), now + timedelta(hours=2), now)
    assert seen(shop, Wanted("needs_person")) == []
    assert seen(shop, Wanted("snoozed")) == ["alice"]
    shop.clock.turn_to(now + timedelta(hours=3))
    assert seen(shop, Wanted("needs_person")) == ["alice"]
    assert seen(shop, Wanted("snoozed")) == []


def test_a_snooze_ends_when_the_customer_writes(shop: Shop, house: Desk) -> None:
    """Whatever they write."""
    shop.says(ALICE, "AGENT")
    now = shop.clock.now()
    desk_inbox.snooze(shop.services.engine, house.nora, house.id_of(ALICE), now + timedelta(hours=2), now)
    shop.says(ALICE, "anybody there?")
    assert seen(shop, Wanted("needs_person")) == ["alice"]
    assert seen(shop, Wanted("snoozed")) == []


@pytest.mark.parametrize("span", [timedelta(0), timedelta(minutes=-5), timedelta(days=400)])
def test_a_snooze_has_a_sensible_end(shop: Shop, house: Desk, span: timedelta) -> None:
    """Neither the past nor next year."""
    shop.says(ALICE, "AGENT")
    now = shop.clock.now()
    with pytest.raises(NotPossible):
        desk_inbox.snooze(shop.services.engine, house.nora, house.id_of(ALICE), now + span, now)


def test_unread_is_counted_for_each_person(shop: Shop, house: Desk) -> None:
    """What Nora has read is still new to Omar; reading never goes back."""
    shop.says(ALICE, "HELP")
    shop.says(ALICE, "HELP")
    customer_id, engine = house.id_of(ALICE), shop.services.engine
    first = shop.one("SELECT min(id) FROM messages WHERE direction = 'in'")

    def unread(who: int | None) -> dict[int, int]:
        with reading(engine) as conn:
            return desk.unread(conn, who or 0, [customer_id], 10)

    assert unread(house.nora.staff_id) == {customer_id: 2}
    with writing(engine) as conn:
        desk_inbox.mark_read(conn, house.nora, customer_id)
        desk_inbox.mark_read(conn, house.nora, customer_id, first)
    assert unread(house.nora.staff_id) == {customer_id: 0}
    assert unread(house.omar.staff_id) == {customer_id: 2}
    shop.says(ALICE, "HELP")
    assert unread(house.nora.staff_id) == {customer_id: 1}


def test_what_was_read_of_one_says_nothing_of_another(shop: Shop, house: Desk) -> None:
    """Unread texts of several customers are counted at once, each from where that one was read."""
    for phone in (ALICE, BOB, ALICE, BOB, BOB):
        shop.says(phone, "HELP")
    alice, bob, engine = house.id_of(ALICE), house.id_of(BOB), shop.services.engine
    texts = shop.rows("SELECT id FROM messages WHERE direction = 'in' ORDER BY id")
    with writing(engine) as conn:
        desk_inbox.mark_read(conn, house.nora, alice)
        desk_inbox.mark_read(conn, house.nora, bob, texts[1]["id"])
    with reading(engine) as conn:
        assert desk.unread(conn, house.nora.staff_id or 0, [alice, bob], 10) == {alice: 0, bob: 2}


def test_it_notices_who_is_there(shop: Shop, house: Desk) -> None:
    """Somebody who has a conversation open is seen until they leave or fall silent."""
    shop.says(ALICE, "HELP")
    customer_id, engine, now = house.id_of(ALICE), shop.services.engine, shop.clock.now()

    def there() -> list[tuple[str, int, bool]]:
        with reading(engine) as conn:
            found = glance.present(conn, shop.clock.now())
        return [(row["name"], row["customer_id"], row["writing"]) for row in found]

    with writing(engine) as conn:
        desk_inbox.attend(conn, house.nora, customer_id, False, now)
        desk_inbox.attend(conn, house.nora, customer_id, True, now)
        desk_inbox.attend(conn, house.omar, customer_id, False, now)
        desk_inbox.attend(conn, house.omar, None, False, now)
    assert there() == [("Nora", customer_id, True)]
    shop.clock.turn_to(now + timedelta(minutes=1))
    assert there() == []


def test_it_knows_when_a_list_may_have_changed(shop: Shop, house: Desk) -> None:
    """A text, an action of staff, a presence and the end of a snooze change the version; time alone does not."""

    def version() -> object:
        with reading(shop.services.engine) as conn:
            return glance.version(conn, shop.clock.now())

    shop.says(ALICE, "AGENT")
    customer_id, engine, now = house.id_of(ALICE), shop.services.engine, shop.clock.now()
    versions = [version()]
    assert version() == versions[0]
    shop.says(BOB, "HELP")
    versions.append(version())
    desk_inbox.snooze(engine, house.nora, customer_id, now + timedelta(hours=1), now)
    versions.append(version())
    with writing(engine) as conn:
        desk_inbox.attend(conn, house.nora, customer_id, False, now)
    versions.append(version())
    shop.clock.turn_to(now + timedelta(hours=2))
    versions.append(version())
    assert len(set(versions)) == 5


def test_views_are_saved_and_shared(shop: Shop, house: Desk) -> None:
    """One's own are one's own; a manager shares with all, and only a manager."""
    engine, now = shop.services.engine, shop.clock.now()
    mine = desk_inbox.save_view(
        engine, house.nora, "  Gold  members ", {"view": "unanswered", "tag": "gold", "x": 1}, now
    )
    shared = desk_inbox.save_view(engine, house.mia, "Everyone's", {"view": "left"}, now, shared=True)
    with pytest.raises(NotPossible):
        desk_inbox.save_view(engine, house.nora, "Mine for all", {"view": "left"}, now, shared=True)
    with pytest.raises(NotPossible):
        desk_inbox.save_view(engine, house.nora, "  ", {"view": "left"}, now)
    with reading(engine) as conn:
        assert [view["name"] for view in saved.views(conn, house.nora.staff_id or 0)] == ["Everyone's", "Gold members"]
        assert [view["id"] for view in saved.views(conn, house.omar.staff_id or 0)] == [shared]
        kept = saved.view(conn, mine)
        assert kept is not None
        assert kept["query"] == {"view": "unanswered", "tag": "gold"}
    for other in (mine, shared):
        with pytest.raises(NotPossible):
            desk_inbox.remove_view(engine, house.omar, other, now)
    desk_inbox.remove_view(engine, house.nora, mine, now)
    desk_inbox.remove_view(engine, house.mia, shared, now)
    with reading(engine) as conn:
        assert saved.views(conn, house.nora.staff_id or 0) == []

"""Taking over when many act in the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from bot.desk import leases
from bot.desk.actor import NotPossible
from tests.desk.people import Desk
from tests.shop import ALICE, open_shop

AT_ONCE = 6


def together(actions: list[Callable[[], object]]) -> list[object]:
    """Do all of this in the same moment; return what came of each, refusals as they are."""
    barrier = Barrier(len(actions))

    def one(action: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return action()
        except NotPossible as refusal:
            return refusal

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(one, actions))


def test_of_two_who_take_over_one_holds(database_url: str) -> None:
    """The other is told whose it is."""
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        desk = Desk(shop)
        tries = [desk.nora, desk.omar] * (AT_ONCE // 2)
        came = together([lambda who=who: desk.take_over(who, ALICE) for who in tries])  # type: ignore[misc]
        assert sum(isinstance(each, NotPossible) for each in came) == AT_ONCE // 2
        assert shop.one("SELECT count(*) FROM leases WHERE ended_at IS NULL") == 1
        assert shop.one("SELECT count(*) FROM leases") == 1


def test_one_key_posted_by_many_at_once_is_one_text(database_url: str) -> None:
    """All are told that it was sent."""
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        desk = Desk(shop)
        came = together([lambda: desk.answer(desk.nora, ALICE, "Hello", "the-same-key") for _ in range(AT_ONCE)])
        assert [each for each in came if isinstance(each, NotPossible)] == []
        assert shop.one("SELECT count(*) FROM messages WHERE purpose = 'staff'") == 1


def test_many_ticks_return_a_lease_once(database_url: str) -> None:
    """Whoever comes first; what was asked again is asked once."""
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        desk = Desk(shop)
        desk.take_over(desk.nora, ALICE)
        shop.clock.turn_to(shop.clock.now() + timedelta(minutes=31))
        turns, now = shop.services.turns, shop.clock.now()
        came = together([lambda: leases.return_run_out(turns, now) for _ in range(AT_ONCE)])
        assert sum(int(str(each)) for each in came) == 1
        assert len(desk.noted("conversation.handed_back")) == 1

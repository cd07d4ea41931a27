"""Who stands in a view of the inbox."""

from __future__ import annotations

from storage import glance, inbox
from storage.database import reading
from storage.inbox import Wanted
from tests.shop import ALICE, BOB, CHARLIE, Shop

NAMES = {ALICE: "alice", BOB: "bob", CHARLIE: "charlie"}


def seen(shop: Shop, wanted: Wanted, after: int | None = None, count: int = 50) -> list[str]:
    """Return who stands in a view, in its order."""
    with reading(shop.services.engine) as conn:
        page = inbox.page(conn, wanted, shop.clock.now(), after, count)
        phones = {
            row["id"]: row["phone"] for row in glance.of(conn, [each.customer_id for each in page.entries]).values()
        }
    return [NAMES[phones[each.customer_id]] for each in page.entries]

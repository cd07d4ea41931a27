"""The inbox's list, made once for all who look at the same view, and what is personal laid over it.

Two hundred open inboxes ask every two seconds. Nearly always the answer is 304, found without asking the
database more than once a second; what changed is read and rendered once for each view, however many look.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from bot.console.inbox_views import COUNTED, View
from bot.console.kept import Kept
from bot.console.page import zone
from bot.desk import fates
from bot.services import Services
from storage import desk, glance, inbox, staff
from storage.database import reading
from storage.ids import next_id
from storage.rows import Row

PAGE = 50
MOST = 99  #: counts go no further
MOST_UNREAD = 9
FRESH = 1.0  #: seconds for which nobody looks again whether anything changed
BUSY_FRESH = 5.0  #: the same while many texts come: each of them changes the lists, and their answers go first
SIZES_FRESH = 5.0  #: the same for the sizes of views
PERSONAL_FRESH = 30.0  #: the same for what somebody read elsewhere, in another process


@dataclass(frozen=True, slots=True)
class Shown:
    """One customer of the list, as the template needs it."""

    id: int
    name: str | None
    phone: str
    words: str
    ours: bool  #: the words are the shop's
    picture: bool
    at: datetime | None
    waits_since: datetime | None
    opted_out: bool
    holder: str | None  #: the colleague who has taken the conversation over
    assignee: str | None
    snoozed_until: datetime | None
    done: bool
    trouble: str | None  #: why the text did not arrive, or was not taken, in English
    code: str | None  #: the carrier's code for it
    tags: tuple[str, ...]
    there: tuple[tuple[int, str, bool], ...]  #: who has it open: id, name, whether they are writing
    message_id: int | None


@dataclass(frozen=True, slots=True)
class List:
    """A page of a view."""

    shown: tuple[Shown, ...]
    then: int | None
    etag: str
    seen: int  #: an id made before the list was read: whoever settles something has seen no newer text


@dataclass(slots=True)
class Lists:
    """What this process knows of the inbox."""

    pages: Kept[List] = field(default_factory=lambda: Kept(500))
    html: Kept[str] = field(default_factory=lambda: Kept(500))
    entries: Kept[str] = field(default_factory=lambda: Kept(5_000))
    _sizes: Kept[Mapping[str, int]] = field(default_factory=lambda: Kept(1))
    _mine: Kept[int] = field(default_factory=lambda: Kept(1_000))
    _unread: Kept[dict[str, int]] = field(default_factory=lambda: Kept(1_000))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _looked: float = float("-inf")
    _version: object = None

    def version(self, shop: Services) -> object:
        """Return a value that differs when lists may have changed, at most a second old, or five in a busy hour."""
        fresh = BUSY_FRESH if shop.turns.pace.busy() else FRESH
        if time.monotonic() - self._looked >= fresh:
            with self._lock:
                if time.monotonic() - self._looked >= fresh:
                    with reading(shop.engine) as conn:
                        self._version = glance.version(conn, shop.clock.now())
                    self._looked = time.monotonic()
        return self._version

    def look_again(self) -> None:
        """Look at once whether anything changed: somebody loads the page, and means now."""
        self._looked = float("-inf")

    def changed(self) -> None:
        """Look again at once: something was done here, and whoever did it wants to see it."""
        self.look_again()
        self._sizes.forget()
        self._mine.forget()

    def was_read(self, me: int) -> None:
        """Count anew what somebody has not read."""
        self._unread.forget(me)

    def page(self, shop: Services, view: View, me: int, after: int | None) -> List:
        """Return a page of a view."""
        key = (view, me if view.name == "mine" else None, after)
        today = shop.clock.now().astimezone(zone()).date()
        return self.pages.get(key, (self.version(shop), today), lambda: _list(shop, view, me, after))

    def sizes(self, shop: Services, me: int) -> dict[str, int]:
        """Return how many customers are in the views whose size is shown."""
        shared = self._sizes.get(None, time.monotonic() // SIZES_FRESH, lambda: _sizes(shop))
        mine = self._mine.get(me, _moment_of(me), lambda: _mine(shop, me))
        return {**shared, "mine": mine}

    def unread(self, shop: Services, me: int, shown: List) -> dict[str, int]:
        """Return how many texts of each customer of a page somebody has not read, but those of whom all are read."""
        return self._unread.get(me, (shown.etag, _moment_of(me)), lambda: _unread(shop, me, shown))


def _moment_of(me: int) -> int:
    """Return a number that changes every half minute, for each person at another moment."""
    return int((time.monotonic() + me % PERSONAL_FRESH) / PERSONAL_FRESH)


def _list(shop: Services, view: View, me: int, after: int | None) -> List:
    now, seen = shop.clock.now(), next_id()
    with reading(shop.engine) as conn:
        page = inbox.page(conn, view.wanted(conn, me, zone(), now), now, after, PAGE)
        shown = tuple(_shown(conn, view, page.entries, now))
    etag = hashlib.blake2b(repr((shown, page.then)).encode(), digest_size=12).hexdigest()
    return List(shown, page.then, etag, seen)


def _shown(conn: Connection, view: View, entries: list[inbox.Entry], now: datetime) -> list[Shown]:
    people = glance.of(conn, [each.customer_id for each in entries])
    of_newest = view.name in ("recent", "left", "flow")  # elsewhere the text that makes them stand there
    sorted_by = {each.customer_id: each.message_id for each in entries}
    ids = {
        each.customer_id: people[each.customer_id]["newest_id"] if of_newest else each.message_id
        for each in entries
        if each.customer_id in people
    }
    texts = glance.texts(conn, [each for each in {*ids.values(), *sorted_by.values()} if each is not None])
    names = staff.names(conn)
    there: dict[int, list[tuple[int, str, bool]]] = {}
    for row in glance.present(conn, now):
        there.setdefault(row["customer_id"], []).append((row["staff_id"], row["name"], row["writing"]))
    return [
        _one(people[each], texts.get(message_id or 0), by, names, tuple(there.get(each, ())), now)
        for each, message_id in ids.items()
        for by in [texts.get(sorted_by[each] or 0)]  # the time shown is the one the view is sorted by
    ]


def _one(
    person: Row,
    text: Row | None,
    sorted_by: Row | None,
    names: Mapping[int, str],
    there: tuple[tuple[int, str, bool], ...],
    now: datetime,
) -> Shown:
    ours = text is not None and text["direction"] == "out"
    fate = fates.fate_of(text, now) if text is not None else None
    bad = fate if fate is not None and fate.tone == "bad" else None
    held = person["held_until"] is not None and person["held_until"] > now
    settled = person["done_message_id"] is not None and (person["newest_id"] or 0) <= person["done_message_id"]
    snoozed = settled and person["snoozed_until"] is not None and person["snoozed_until"] > now
    return Shown(
        id=person["id"],
        name=person["name"],
        phone=person["phone"],
        words=" ".join(text["words"].split()) if text is not None else "",
        ours=ours,
        picture=bool(text is not None and text["media"]),
        at=sorted_by["created_at"] if sorted_by is not None else None,
        waits_since=person["requested_at"],
        opted_out=person["consent"] == "unsubscribed",
        holder=_name(person["held_by"], names) if held else None,
        assignee=names.get(person["assignee_id"] or 0),
        snoozed_until=person["snoozed_until"] if snoozed else None,
        done=settled and person["snoozed_until"] is None,
        trouble=(bad.error or bad.words.message) if bad is not None else None,
        code=bad.code if bad is not None else None,
        tags=tuple(str(tag) for tag in person["tags"]),
        there=there,
        message_id=text["id"] if text is not None else None,
    )


def _name(held_by: str | None, names: Mapping[int, str]) -> str:
    """Return who holds a conversation: rows name staff by their id."""
    known = names.get(int(held_by)) if held_by and held_by.isdecimal() else held_by
    return known or "?"


def _sizes(shop: Services) -> dict[str, int]:
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        wanted = {name: View(name).wanted(conn, 0, zone(), now) for name in COUNTED}
        return {name: inbox.count(conn, each, now, MOST + 1) for name, each in wanted.items()}


def _mine(shop: Services, me: int) -> int:
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        return inbox.count(conn, View("mine").wanted(conn, me, zone(), now), now, MOST + 1)


def _unread(shop: Services, me: int, shown: List) -> dict[str, int]:
    with reading(shop.engine) as conn:
        unread = desk.unread(conn, me, [each.id for each in shown.shown], MOST_UNREAD + 1)
    return {str(each): many for each, many in unread.items() if many}


def laid_over(lists: Lists, shop: Services, me: int, shown: List) -> str:
    """Return what a script lays over a page for one person, as JSON."""
    over = {"unread": lists.unread(shop, me, shown), "sizes": lists.sizes(shop, me)}
    return json.dumps(over, separators=(",", ":"), sort_keys=True)

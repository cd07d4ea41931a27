"""Profiles: what staff, customers and imports change stands in their history, once and only when it changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from bot.cli.importing import Importer
from bot.desk import profile
from bot.desk.actor import Actor, NotPossible
from storage import customers, profile_changes
from storage.database import reading
from tests.console.people import hire
from tests.shop import ALICE, BOB, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop where Alice joined."""
    with open_shop(database_url) as opened:
        opened.joined(ALICE)
        yield opened


class File:
    """Alice's profile."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.engine = shop.services.engine
        self.programme = shop.services.catalog.book.programme
        self.alice: int = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE)

    def seen(self) -> int:
        with reading(self.engine) as conn:
            return profile.newest(conn, self.alice)

    def change(self, actor: Actor, attributes: dict[str, str] | None = None, **typed: str) -> list[str]:
        now = self.shop.clock.now()
        return profile.change(self.engine, self.programme, actor, self.alice, typed, attributes or {}, self.seen(), now)

    def history(self) -> list[tuple[Any, ...]]:
        with reading(self.engine) as conn:
            rows = profile_changes.of(conn, self.alice, 100)
        return [(row["field"], row["before"], row["after"], row["by"]) for row in reversed(rows)]

    def row(self) -> Any:
        with reading(self.engine) as conn:
            return customers.by_id(conn, self.alice)


@pytest.fixture
def file(shop: Shop) -> File:
    """Alice's profile."""
    return File(shop)


@pytest.fixture
def sam(shop: Shop) -> Actor:
    """Somebody of support."""
    return hire(shop, "support").actor


def test_a_change_has_a_history(file: File, sam: Actor) -> None:
    """Every field that is different now: what it was, what it is, who did it; and one audit entry without words."""
    fields = file.change(
        sam, name="  Ana   Ruiz ", birthday="1990-02-29", email="ana@example.com", language="es", tags="vip, staff"
    )
    assert fields == ["birthday", "email", "language", "name", "tags"]
    row = file.row()
    assert (row["name"], row["birthday"], row["email"]) == ("Ana Ruiz", date(2000, 2, 29), "ana@example.com")
    assert (row["language"], row["language_chosen"], row["tags"]) == ("es", True, ["staff", "vip"])
    by = str(sam.staff_id)
    assert file.history() == [
        ("birthday", None, "2000-02-29", by),
        ("email", None, "ana@example.com", by),
        ("language", "en", "es", by),
        ("name", None, "Ana Ruiz", by),
        ("tags", [], ["staff", "vip"], by),
    ]
    entry = file.shop.rows("SELECT * FROM audit_log WHERE action = 'profile.changed'")[0]
    assert "Ruiz" not in str(entry)


def test_what_stays_as_it_is_is_no_change(file: File, sam: Actor) -> None:
    """The same values again write nothing: no history, no audit entry."""
    file.change(sam, name="Ana", tags="vip")
    before = file.history()
    assert file.change(sam, name=" Ana", tags="vip,vip", email="", zone="", language="en") == []
    assert file.history() == before
    assert file.shop.one("SELECT count(*) FROM audit_log WHERE action = 'profile.changed'") == 1


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", "x" * 81),
        ("birthday", "02-30"),
        ("birthday", "14.3."),
        ("birthday", "1990-3-14"),
        ("email", "ana@example"),
        ("email", "ana example@x.com"),
        ("email", "a@b@c.com"),
        ("language", "fr"),
        ("zone", "Mars/Olympus"),
        ("zone", "../../etc/passwd"),
        ("region", "US-ZZ"),
        ("frequency", "never"),
        ("tags", "VIP"),
        ("tags", "<script>"),
        ("tags", ",".join(f"t{n}" for n in range(51))),
    ],
)
def test_what_cannot_be_is_refused_in_words(file: File, sam: Actor, field: str, typed: str) -> None:
    """Each refusal says how it has to look; nothing is saved, also not what was right beside it."""
    with pytest.raises(NotPossible) as refused:
        file.change(sam, **{"name": "Ana", field: typed})
    assert str(refused.value).endswith(".")
    assert file.row()["name"] is None
    assert file.history() == []


def test_attributes_keep_their_kind(file: File, sam: Actor) -> None:
    """A number stays a number and a truth a truth; nothing removes; a new one is a word."""
    file.shop.execute('UPDATE customers SET attributes = \'{"visits": 3, "loud": true, "likes": ["tea"]}\'')
    file.change(sam, {"visits": "4", "loud": "no", "likes": "tea, mate", "milk": "oat"})
    assert file.row()["attributes"] == {"visits": 4, "loud": False, "likes": ["tea", "mate"], "milk": "oat"}
    for wrong in ({"visits": "many"}, {"loud": "maybe"}, {"Milk!": "oat"}, {"milk": "x" * 501}):
        with pytest.raises(NotPossible):
            file.change(sam, wrong)
    file.change(sam, {"visits": "4.5", "milk": " "})
    assert file.row()["attributes"] == {"visits": 4.5, "loud": False, "likes": ["tea", "mate"]}
    assert file.history()[-2:] == [
        ("attributes.milk", "oat", None, str(sam.staff_id)),
        ("attributes.visits", 4, 4.5, str(sam.staff_id)),
    ]


def test_a_known_address_says_whose_clock_counts(file: File, sam: Actor) -> None:
    """Zone and region are kept, and the clock that schedules go by is found anew."""
    file.shop.execute("UPDATE customers SET local_zone = 'America/New_York'")
    file.change(sam, zone="America/Chicago", region="us-tx")
    row = file.row()
    assert (row["zone"], row["attributes"], row["local_zone"]) == ("America/Chicago", {"region": "US-TX"}, None)
    file.change(sam, zone="", region="")
    assert (file.row()["zone"], file.row()["attributes"]) == (None, {})


def test_a_stale_page_saves_nothing(file: File, sam: Actor) -> None:
    """Who fills in a page that somebody else overtook is told, and the other's change stays."""
    seen = file.seen()
    file.change(sam, name="Ana")
    with pytest.raises(NotPossible, match="meanwhile"):
        profile.change(file.engine, file.programme, sam, file.alice, {"name": "Eva"}, {}, seen, file.shop.clock.now())
    assert file.row()["name"] == "Ana"


def test_marketing_changes_tags_only(file: File, shop: Shop) -> None:
    """A marketer sorts people and does not rename them."""
    max_ = hire(shop, "marketer").actor
    assert file.change(max_, {"milk": "oat"}, tags="vip") == ["attributes", "tags"]
    with pytest.raises(NotPossible, match="role"):
        file.change(max_, name="Ana")


def test_what_customers_say_of_themselves_is_in_the_history(file: File) -> None:
    """A name by text is the customer's change; a second time the same is none."""
    file.shop.says(ALICE, "ESPAÑOL")
    file.shop.says(ALICE, "ESPAÑOL")
    changes = [each for each in file.history() if each[0] == "language"]
    assert changes == [("language", "en", "es", "customer")]


def test_imports_say_what_they_brought(file: File) -> None:
    """A new customer's name, birthday and e-mail come from the import; a known one's stay as they are."""
    lines = ["phone,name,birthday,email\n", f"{BOB},Bob,03-14,bob@example.com\n", f"{ALICE},Alicia,,\n"]
    list(Importer(file.engine, file.programme, file.shop.clock.now(), secret_key="s").run(lines))
    bob = file.shop.one("SELECT id FROM customers WHERE phone = :phone", phone=BOB)
    with reading(file.engine) as conn:
        rows = profile_changes.of(conn, bob, 10)
    assert sorted((row["field"], row["after"], row["by"]) for row in rows) == [
        ("birthday", "2000-03-14", "import"),
        ("email", "bob@example.com", "import"),
        ("name", "Bob", "import"),
    ]
    assert file.history() == []


def test_turns_that_change_no_profile_write_no_history(file: File) -> None:
    """The hot path pays nothing: a balance question and a redemption touch the history's table never."""
    seen: list[str] = []

    def listen(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(file.engine, "before_cursor_execute", listen)
    for words in ("BALANCE", "REDEEM", "1", "YES", "UNDO"):
        file.shop.says(ALICE, words)
    assert seen
    assert not [statement for statement in seen if "profile_changes" in statement]
    assert file.history() == []


def test_the_bots_own_notes_are_no_history(shop: Shop) -> None:
    """How often the bot did not understand somebody stands in no history of the profile."""
    shop.joined(ALICE)
    shop.says(ALICE, "purple monkey dishwasher")
    shop.says(ALICE, "purple monkey dishwasher again")
    assert [
        row["field"] for row in shop.rows("SELECT field FROM profile_changes WHERE field LIKE 'attributes.%'")
    ] == []

"""Reports: every number is that of what happened, in words, as a table and as safe CSV."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot.desk import clusters, reports
from bot.desk.reports import Days
from bot.desk.spreadsheet import cell, lines
from bot.desk.tallying import FRESH, bounds, tally
from storage.database import reading
from tests.console.conftest import Hire
from tests.console.test_customer import words
from tests.shop import ALICE, BOB, CHARLIE, Shop

NEW_YORK = ZoneInfo("America/New_York")
TODAY = date(2026, 3, 2)


def counted(shop: Shop) -> None:
    """Let the tick count."""
    shop.clock.turn_to(shop.clock.now() + FRESH)
    tally(shop.services.engine, NEW_YORK, shop.clock.now())


def totals(shop: Shop, name: reports.Name, days: Days | None = None) -> dict[str, int]:
    """Return a report's totals by part."""
    with reading(shop.services.engine) as conn:
        (report,) = reports.read(conn, days or Days(TODAY, TODAY), name)
    return dict(report.totals)


def test_the_numbers_are_what_happened(shop: Shop) -> None:
    """Joins, leaving, understanding, points and redemptions of one day come out exactly."""
    shop.joined(ALICE)
    shop.joined(BOB)
    shop.says(CHARLIE, "purple monkey dishwasher")
    shop.says(BOB, "STOP")
    counted(shop)
    assert totals(shop, "joined") == {"keyword": 2}
    assert totals(shop, "left") == {"keyword": 1}
    assert totals(shop, "left_after") == {"": 1}
    assert totals(shop, "active") == {"": 3}
    assert totals(shop, "misunderstood") == {"": 1}
    assert totals(shop, "points") == {"earn": shop.one("SELECT sum(points) FROM ledger")}
    assert sum(totals(shop, "delivery").values()) == shop.one("SELECT count(*) FROM messages WHERE direction = 'out'")
    with reading(shop.services.engine) as conn:
        owed = reports.outstanding(conn, Days(TODAY, TODAY))
    assert owed[TODAY] == shop.one("SELECT sum(points) FROM customers")


def test_counting_again_changes_nothing_and_late_facts_are_counted(shop: Shop) -> None:
    """The tick may run as often as it likes; what happens later the same day is taken in."""
    shop.joined(ALICE)
    counted(shop)
    counted(shop)
    assert totals(shop, "joined") == {"keyword": 1}
    shop.joined(BOB)
    counted(shop)
    assert totals(shop, "joined") == {"keyword": 2}
    rows = shop.rows("SELECT measure, part, count(*) AS often FROM tallies GROUP BY measure, part, day")
    assert {row["often"] for row in rows} == {1}


def test_a_day_begins_at_midnight_of_the_shop(shop: Shop) -> None:
    """What happens just before and just after the shop's midnight belongs to two days."""
    shop.clock.turn_to(shop.clock.now() + timedelta(hours=11, minutes=55))
    shop.joined(ALICE)
    shop.clock.turn_to(shop.clock.now() + timedelta(minutes=10))
    shop.joined(BOB)
    counted(shop)
    tomorrow = TODAY + timedelta(days=1)
    assert totals(shop, "joined") == {"keyword": 1}
    assert totals(shop, "joined", Days(tomorrow, tomorrow)) == {"keyword": 1}


def test_days_of_the_shop_never_overlap_or_gape() -> None:
    """Each day ends where the next begins, also when the clocks change."""
    day = date(2026, 1, 1)
    while day.year == 2026:
        assert bounds(day, NEW_YORK)[1] == bounds(day + timedelta(days=1), NEW_YORK)[0]
        day += timedelta(days=1)
    assert bounds(date(2026, 3, 8), NEW_YORK)[1] - bounds(date(2026, 3, 8), NEW_YORK)[0] == timedelta(hours=23)
    assert bounds(date(2026, 11, 1), NEW_YORK)[1] - bounds(date(2026, 11, 1), NEW_YORK)[0] == timedelta(hours=25)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=5), st.dates(date(2000, 1, 1), date(2030, 1, 1)))
def test_whatever_is_asked_is_a_range(first: str, last: str, wanted: str, today: date) -> None:
    """Any words become a range that does not end in the future and is not too long."""
    days = reports.days_of(wanted, first, last, today)
    assert days.first <= days.last <= today
    assert days.count <= 400


def test_the_page_says_it_in_words(shop: Shop, hiring: Hire) -> None:
    """The answer stands above the chart; marketers see reports, support staff do not."""
    shop.joined(ALICE)
    counted(shop)
    text = hiring("marketer").read("/console/reports?days=7")
    assert "1 person joined." in text
    assert "<svg" in text
    assert hiring("support").get("/console/reports").status_code == 403


def test_waiting_is_told_from_the_shortest(shop: Shop, hiring: Hire) -> None:
    """However many waited how long, the table goes from minutes to days."""
    for part, count in (("1440", 9), ("5", 1), ("never", 4), ("more", 2), ("60", 3)):
        shop.execute(
            "INSERT INTO tallies (day, measure, part, value) VALUES (:day, 'waited', :part, :count)",
            day=TODAY,
            part=part,
            count=count,
        )
    said = words(hiring("manager").read("/console/reports?days=7"))
    order = ["Within 5 minutes", "Within 60 minutes", "Within 1,440 minutes", "More than a day", "Not answered"]
    places = [said.index(each) for each in order]
    assert places == sorted(places)


def test_csv_is_inert(shop: Shop, hiring: Hire) -> None:
    """A flow or reward named like a formula is text in the spreadsheet."""
    shop.joined(ALICE)
    shop.says(ALICE, "STOP")
    shop.execute("UPDATE messages SET purpose = 'marketing', flow = '=cmd|1', sent_at = created_at"
                 " WHERE direction = 'out' AND purpose = 'reply'")  # fmt: skip
    counted(shop)
    answer = hiring("manager").get("/console/reports/left_after.csv?from=2026-03-02&to=2026-03-02")
    rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True))))
    assert rows == [["day", "left_after", "count"], ["2026-03-02", "'=cmd|1", "1"]]
    assert shop.one("SELECT count(*) FROM audit_log WHERE action = 'report.downloaded'") == 1


@given(st.text(max_size=30))
def test_no_cell_is_a_formula(text: str) -> None:
    """Whatever a customer writes, its cell begins with none of the signs that make a formula."""
    read = next(csv.reader(io.StringIO("".join(lines([[text]])), newline="")), [""])
    assert not read[0].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell(-5) == "-5"


def test_texts_that_say_the_same_are_one_group(shop: Shop, hiring: Hire) -> None:
    """Misunderstood texts are grouped by likeness, a lesson takes the whole group away."""
    for sender, text in (
        (ALICE, "zorble my flurbs please"),
        (BOB, "please zorble my flurbs!"),
        (CHARLIE, "quxx wibble"),
    ):
        shop.says(sender, text)
    with reading(shop.services.engine) as conn:
        found = clusters.read(conn)
    assert [cluster.count for cluster in found] == [2, 1]
    sam = hiring("support")
    assert "2 texts" in sam.read("/console/teaching")
    ids = [str(wording.message_id) for wording in found[0].wordings]
    page = sam.read("/console/teaching")
    assert "selected" not in page
    assert page.count('<option value="flow:redeem">Redeem a reward</option>') == 2
    for nothing in ("", "flow"):  # one click teaches nothing
        sam.post("/console/teaching", {"message": ids, "meaning": nothing})
    assert shop.one("SELECT count(*) FROM lessons") == 0
    sam.post("/console/teaching", {"message": ids, "meaning": "flow:redeem"})
    assert shop.one("SELECT count(*) FROM lessons") == 2
    with reading(shop.services.engine) as conn:
        assert [cluster.count for cluster in clusters.read(conn)] == [1]

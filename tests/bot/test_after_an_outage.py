"""After days without a process: what is of no use any more is not sent, and the log says why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.engine.programme import GOODBYE_RELEVANT, Limits
from bot.settings import ROOT
from storage import facts, messages
from storage.database import reading, writing
from storage.ids import moment_of, next_id
from tests.bot.test_turn import customer_id, rich
from tests.shop import ALICE, Shop, open_shop

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as opened:
        opened.joined(ALICE)
        yield opened


def record(shop: Shop, name: str, due_at: datetime | None = None, **data: Any) -> None:
    """Something happens to Alice that nobody takes up yet."""
    row = {"id": next_id(), "customer_id": customer_id(shop, ALICE), "name": name, "key": f"{name}:{next_id()}"}
    with writing(shop.services.engine) as conn:
        facts.insert(conn, [{**row, "data": data, "recorded_at": shop.clock.now(), "due_at": due_at}])


def of_flow(shop: Shop, flow: str) -> list[tuple[str, str | None]]:
    """Return state and reason of what a flow said of its own accord."""
    query = "select state, reason from messages where flow = :flow and purpose in ('service', 'marketing') order by id"
    return [(row["state"], row["reason"]) for row in shop.rows(query, flow=flow)]


def test_an_order_that_was_ready_last_week_is_not_told(shop: Shop) -> None:
    """`order_ready` waits six days for a process: `relevant: 1 day` counts from the fact, and the text is kept."""
    record(shop, "order_ready", order="A7")
    shop.wait(6 * DAY)
    assert of_flow(shop, "delivery_update") == [("suppressed", "too_late")]
    record(shop, "order_ready", order="A8")
    shop.wait(20 * HOUR)
    shop.wait(timedelta(minutes=1))
    assert of_flow(shop, "delivery_update")[1][0] in ("sent", "queued")


def test_a_fact_for_later_counts_from_then(shop: Shop) -> None:
    """What another system wants told in three days is not late in three days."""
    record(shop, "order_ready", due_at=shop.clock.now() + 3 * DAY, order="A7")
    shop.wait(3 * DAY + HOUR)
    assert of_flow(shop, "delivery_update")[0][0] == "sent"


def test_nobody_waits_for_the_answer_to_a_question_that_came_too_late(shop: Shop) -> None:
    """A survey that could not be asked for a week is not open: the next text is no answer to it."""
    for number in range(2):
        record(shop, "purchase_recorded", amount_minor=900 + number)
    shop.wait(timedelta(minutes=1))
    shop.clock.turn_to(shop.clock.now() + 10 * DAY)
    shop.wait(timedelta(minutes=1))
    open_ = "select flow from conversations where ended_at is null and flow = 'survey'"
    asked = of_flow(shop, "survey")
    assert asked
    assert {state for state, _ in asked} == {"suppressed"}
    assert shop.rows(open_) == []


def test_a_reminder_is_not_sent_when_the_end_is_due_too(shop: Shop) -> None:
    """REDEEM is left open and nothing ticks for three days: the conversation ends, and nobody is reminded of it."""
    rich(shop, ALICE)
    shop.says(ALICE, "REDEEM")
    shop.wait(3 * DAY)
    assert of_flow(shop, "redeem") == []
    assert shop.one("select outcome from conversations where flow = 'redeem'") == "gone"


def test_a_reminder_in_its_hour_is_sent(shop: Shop) -> None:
    """A pause of minutes costs nobody a reminder; a pause of hours does."""
    rich(shop, ALICE)
    shop.says(ALICE, "REDEEM")
    shop.wait(2 * HOUR + timedelta(minutes=20))
    assert of_flow(shop, "redeem") == [("sent", None)]
    shop.says(ALICE, "REDEEM")
    shop.wait(5 * HOUR)
    assert of_flow(shop, "redeem")[1] == ("suppressed", "too_late")


def test_every_text_has_a_deadline_by_its_purpose(shop: Shop) -> None:
    """Replies, unasked texts and the goodbye: none waits for ever."""
    shop.says(ALICE, "BALANCE")
    record(shop, "handoff_waiting")
    shop.wait(timedelta(minutes=1))
    shop.wait(3 * DAY)
    shop.says(ALICE, "STOP")
    limits = Limits()
    with reading(shop.services.engine) as conn:
        rows = conn.execute(select(messages.messages).where(messages.messages.c.direction == "out")).all()
    spans = {(row.purpose, row.deadline - row.created_at) for row in rows}
    assert ("reply", limits.replies_relevant) in spans
    assert ("opt_out_confirmation", GOODBYE_RELEVANT) in spans
    assert len(rows) > len(spans) > 2


def test_a_reply_that_could_not_go_out_is_dropped_after_hours(shop: Shop) -> None:
    """A crashed turn's reply is queued at noon; three days later, at night, it says nothing to anybody."""
    shop.services.turns.decide = _broken  # type: ignore[method-assign, assignment]
    shop.says(ALICE, "BALANCE")
    del shop.services.turns.decide
    kept = shop.one("select id from messages where direction = 'in' and state = 'failed'")
    assert shop.services.turns.replay(kept, shop.clock.now())
    queued = "select state, reason from messages where in_reply_to = :id and send_after is not null"
    assert [row["state"] for row in shop.rows(queued, id=kept)] == ["queued"]
    shop.clock.turn_to(shop.clock.now() + 3 * DAY + 14 * HOUR)
    shop.services.delivery.drain(shop.clock.now)
    told = "select state, reason from messages where in_reply_to = :id and reason = 'too_late'"
    assert [row["state"] for row in shop.rows(told, id=kept)] == ["suppressed"]


def _broken(*_: object) -> Any:
    raise RuntimeError("a fuse has blown")


def test_the_manuals_statement_records_a_fact_once(database_url: str) -> None:
    """What docs/operations.md tells other systems to write is taken up, and only once."""
    if not database_url.startswith("postgresql"):
        pytest.skip("the statement is PostgreSQL's")
    manual = (ROOT / "docs" / "operations.md").read_text()
    statement = manual[manual.index("    INSERT INTO facts") : manual.index("DO NOTHING;") + len("DO NOTHING")]
    with open_shop(database_url) as shop:
        shop.joined("+12015550123")
        for _ in range(2):
            with shop.services.engine.begin() as conn:
                conn.exec_driver_sql(statement)
        assert shop.one("select count(*) from facts where name = 'order_ready'") == 1
        fact = shop.rows("select id, recorded_at from facts where name = 'order_ready'")[0]
        assert abs(moment_of(fact["id"]) - fact["recorded_at"]) < timedelta(minutes=1)
        shop.clock.turn_to(fact["recorded_at"] + timedelta(minutes=1))
        shop.services.schedule.run(shop.clock.now())
        assert shop.one("select body from messages where flow = 'delivery_update'").startswith("Corner Cup: order A-17")

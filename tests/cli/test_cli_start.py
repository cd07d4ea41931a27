"""`start`: a flow for one customer, past the same gate as ever."""

from __future__ import annotations

from sqlalchemy import Engine, select

from storage import audit, consent
from storage.database import reading, writing
from storage.ids import next_id
from storage.messages import messages
from tests.cli.conftest import ALICE, Run
from tests.storage.people import NOW


def said(engine: Engine) -> list[tuple[str, str]]:
    """Return flow and state of every text."""
    with reading(engine) as conn:
        return [(row.flow, row.state) for row in conn.execute(select(messages).order_by(messages.c.id))]


def test_it_starts_a_flow_that_has_no_event(run: Run, alice: int, engine: Engine) -> None:
    """A flow that only other flows start, now; the same key again changes nothing; the log has it."""
    done = run("start", "welcome", ALICE, "--key", "cake")
    assert done.exit_code == 0, done.output
    assert said(engine) == [("welcome", "queued")]
    assert "used already" in run("start", "welcome", ALICE, "--key", "cake").output
    assert len(said(engine)) == 1
    with reading(engine) as conn:
        assert [row["action"] for row in audit.find(conn, customer_id=alice, limit=5)] == ["flow.started"]


def test_it_brings_what_an_event_would(run: Run, alice: int, engine: Engine) -> None:
    """`--data` fills the text; without what the trigger needs nothing is said, and that is an answer."""
    assert run("start", "back_in_stock", ALICE).exit_code == 1
    assert said(engine) == []
    done = run("start", "back_in_stock", ALICE, "--data", '{"item": "Guatemala beans"}')
    assert done.exit_code == 0
    assert "Guatemala beans is back" in done.output


def test_it_does_not_get_past_the_gate(run: Run, alice: int, engine: Engine) -> None:
    """Whoever left hears nothing of any flow."""
    with writing(engine) as conn:
        gone = {"id": next_id(), "customer_id": alice, "status": "unsubscribed", "how": "keyword", "at": NOW}
        consent.insert(conn, [gone])
    assert run("start", "birthday", ALICE).exit_code == 1
    assert run("start", "delivery_update", ALICE, "--data", '{"order": "A7"}').exit_code == 1
    assert said(engine) == []


def test_it_refuses_what_only_the_customer_can_say(run: Run, alice: int) -> None:
    """STOP for somebody is not this command's; a flow nobody has is named."""
    assert "Only the customer" in run("start", "stop", ALICE).output
    assert "There is no flow" in run("start", "birthdy", ALICE).output
    assert run("start", "birthday", "+12015550199").exit_code == 1

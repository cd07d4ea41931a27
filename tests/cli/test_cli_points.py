"""`points`, `vouchers`, `event`, `code`, `messages`: what the staff does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from storage import audit, customers, vouchers
from storage import facts as stored_facts
from storage.database import reading, writing
from storage.ids import next_id
from tests.cli.conftest import ALICE, Run, facts


def test_award_happens_once_by_its_key(run: Run, alice: int) -> None:
    """The same key again changes nothing, says so, and is no failure."""
    for _ in range(2):
        done = run("points", "award", ALICE, "50", "--reason", "Spilled latte", "--key", "till-1")
        assert done.exit_code == 0, done.output
    assert "used already" in done.stdout
    found = facts(run)
    assert found["balance"] == 50
    assert [(e["kind"], e["points"], e["reason"], e["key"]) for e in found["ledger"]] == [
        ("earn", 50, "Spilled latte", "till-1")
    ]


def test_a_key_is_good_for_one_customer(run: Run, alice: int, engine: Engine) -> None:
    """Another customer cannot be given points under a used key."""
    run("points", "award", ALICE, "50", "--reason", "x", "--key", "till-1")
    with writing(engine) as conn:
        row = {"id": next_id(), "phone": "+12015550122", "created_at": datetime.now(UTC)}
        customers.insert_missing(conn, [row])
    assert run("points", "award", "+12015550122", "50", "--reason", "x", "--key", "till-1").exit_code == 1
    assert facts(run, "+12015550122")["balance"] == 0


@pytest.mark.parametrize("count", ["-5", "0", "many"])
def test_award_gives_only(run: Run, alice: int, count: str) -> None:
    """Nothing, less than nothing and no number are refused as wrong use."""
    assert run("points", "award", ALICE, count, "--reason", "x").exit_code == 2


def test_adjust_takes_the_oldest_points_and_never_too_many(run: Run, alice: int) -> None:
    """The lots stay true; taking more than there is exits with 1 and changes nothing."""
    run("points", "award", ALICE, "30", "--reason", "x", "--key", "a")
    run("points", "award", ALICE, "20", "--reason", "x", "--key", "b")
    assert run("points", "adjust", ALICE, "-35", "--reason", "Counted twice").exit_code == 0
    assert run("points", "adjust", ALICE, "-16", "--reason", "Too many").exit_code == 1
    shown = run("points", "show", ALICE, "--json").stdout
    assert '"balance": 15' in shown
    assert re.findall(r'"points": (\d+),\s+"expires_at"', shown) == ["15"]


def test_points_of_a_stranger_are_an_error(run: Run) -> None:
    """Exit code 1, with the number in the message."""
    done = run("points", "award", "+12015550199", "5", "--reason", "x")
    assert done.exit_code == 1
    assert "+12015550199" in done.stderr


def _issue(engine: Engine, customer_id: int, code: str, days: int = 10) -> None:
    now = datetime.now(UTC)
    row = {"id": next_id(), "customer_id": customer_id, "code": code, "name": "Free latte", "issued_at": now}
    with writing(engine) as conn:
        vouchers.insert(conn, [{**row, "ends_at": now + timedelta(days=days)}])


def test_a_voucher_is_redeemed_once_however_it_is_typed(run: Run, alice: int, engine: Engine) -> None:
    """Lower case and without its dash is the same code; the second time says who used it."""
    _issue(engine, alice, "K7MR-2XWD")
    assert run("vouchers", "redeem", "k7mr2xwd", "--by", "Kim").exit_code == 0
    again = run("vouchers", "redeem", "K7MR-2XWD", "--by", "Lee")
    assert again.exit_code == 1
    assert "by Kim" in again.stderr
    assert facts(run)["vouchers"][0]["redeemed_by"] == "Kim"


def test_a_voucher_says_why_it_is_not_good(run: Run, alice: int, engine: Engine) -> None:
    """Ended, taken back and unknown codes each have their reason."""
    _issue(engine, alice, "AAAA-2222", days=-1)
    _issue(engine, alice, "BBBB-2222")
    assert run("vouchers", "revoke", "bbbb-2222", "--reason", "Printed by mistake").exit_code == 0
    assert "was good until" in run("vouchers", "redeem", "AAAA-2222", "--by", "Kim").stderr
    assert "Printed by mistake" in run("vouchers", "redeem", "BBBB-2222", "--by", "Kim").stderr
    assert "no voucher" in run("vouchers", "redeem", "CCCC-2222", "--by", "Kim").stderr
    assert run("vouchers", "revoke", "BBBB-2222", "--reason", "x").exit_code == 1


def test_vouchers_are_shown_by_code_and_by_number(run: Run, alice: int, engine: Engine) -> None:
    """Both ways find the code."""
    _issue(engine, alice, "K7MR-2XWD")
    assert "Free latte" in run("vouchers", "show", "k7mr-2xwd").stdout
    assert "K7MR-2XWD" in run("vouchers", "show", ALICE).stdout
    assert run("vouchers", "show", "ZZZZ-9999").exit_code == 1


def test_an_event_is_recorded_once(run: Run, alice: int, engine: Engine) -> None:
    """The fact waits for the server's tick; its key makes it unique."""
    for _ in range(2):
        done = run("event", ALICE, "purchase_recorded", "--data", '{"amount_minor": 450}', "--key", "r1")
        assert done.exit_code == 0, done.output
    with writing(engine) as conn:
        [row] = stored_facts.take_due(conn, datetime.now(UTC) + timedelta(minutes=1), 10)
    assert (row["name"], row["data"]) == ("purchase_recorded", {"amount_minor": 450})


@pytest.mark.parametrize("data", ["{", "[]", "{}", '{"amount_minor": 4.5}', '{"amount_minor": -1}'])
def test_a_purchase_needs_whole_cents(run: Run, alice: int, data: str) -> None:
    """Anything else is wrong use."""
    assert run("event", ALICE, "purchase_recorded", "--data", data).exit_code == 2


def test_an_event_nobody_waits_for_is_remarked(run: Run, alice: int) -> None:
    """A misspelt name is recorded, with the nearest right one beside it."""
    done = run("event", ALICE, "purchase_recorted")
    assert done.exit_code == 0
    assert "Did you mean purchase_recorded?" in done.stderr


def test_the_code_has_four_digits(run: Run) -> None:
    """It is the one the till shows all day."""
    first, second = run("code").stdout, run("code").stdout
    assert re.fullmatch(r"\d{4}\n", first)
    assert first == second


def test_replay_of_what_does_not_wait_exits_1(run: Run) -> None:
    """Without failed texts the list is empty, and no id can be taken again."""
    assert run("messages", "failed", "--json").stdout.strip() == "[]"
    assert run("messages", "replay", "4711").exit_code == 1
    assert run("messages", "replay").exit_code == 2


def test_what_the_command_line_does_stands_in_the_audit_log(run: Run, alice: int, engine: Engine) -> None:
    """Points and vouchers by command have their entries, with who was named at the till."""
    _issue(engine, alice, "K7MR-2XWD")
    _issue(engine, alice, "BBBB-2222")
    run("points", "award", ALICE, "5", "--reason", "x")
    run("vouchers", "redeem", "K7MR-2XWD", "--by", "Kim")
    run("vouchers", "revoke", "BBBB-2222", "--reason", "x")
    with reading(engine) as conn:
        entries = [(row["action"], row["who"]) for row in reversed(audit.find(conn, customer_id=alice))]
    assert entries == [
        ("points.adjusted", "command line"),
        ("voucher.redeemed", "Kim"),
        ("voucher.revoked", "command line"),
    ]

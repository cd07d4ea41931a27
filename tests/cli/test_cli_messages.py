"""`messages`: dead letters are listed, queued again, given up; a stopped sender is resumed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from bot.delivery.sender import stop
from storage import outbox
from storage.database import reading, writing
from tests.cli.conftest import ALICE, Run
from tests.storage.people import new_message, stored


@pytest.fixture
def dead(engine: Engine, alice: int) -> list[int]:
    """Two dead letters to Alice, and a text that is no dead letter."""
    with writing(engine) as conn:
        ids = [new_message(conn, customer_id=alice, recipient=ALICE, body=f"Text {number}") for number in range(3)]
        for identifier in ids[:2]:
            outbox.finish(conn, identifier, "dead", "never reached the carrier")
    return ids


def _states(engine: Engine, ids: list[int]) -> list[str]:
    with reading(engine) as conn:
        return [stored(conn, identifier)["state"] for identifier in ids]


def test_dead_letters_are_listed(run: Run, dead: list[int]) -> None:
    """With their reason; for people the number is masked."""
    found = json.loads(run("messages", "dead", "--json").stdout)
    assert [(row["id"], row["reason"]) for row in found] == [(each, "never reached the carrier") for each in dead[:2]]
    shown = run("messages", "dead").stdout
    assert "Text 1" in shown
    assert ALICE not in shown


def test_retry_queues_those_named(run: Run, engine: Engine, dead: list[int]) -> None:
    """The others stay; it is sent by the running worker, from the first attempt on."""
    assert run("messages", "retry", str(dead[0])).exit_code == 0
    assert _states(engine, dead) == ["queued", "dead", "queued"]
    with reading(engine) as conn:
        row = stored(conn, dead[0])
    assert (row["attempts"], row["reason"]) == (0, None)
    assert row["lane"] is not None


def test_retry_and_discard_all(run: Run, engine: Engine, dead: list[int]) -> None:
    """--all takes every dead letter and nothing else."""
    assert "2 queued again" in run("messages", "retry", "--all").stdout
    assert _states(engine, dead) == ["queued"] * 3
    with writing(engine) as conn:
        outbox.finish(conn, dead[1], "dead", "again")
    assert "1 discarded" in run("messages", "discard", "--all").stdout
    assert _states(engine, dead) == ["queued", "failed", "queued"]


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_what_is_no_dead_letter_is_left_alone(run: Run, engine: Engine, dead: list[int], command: str) -> None:
    """Exit code 1 and a word about it; without a name or --all it is wrong use."""
    done = run("messages", command, str(dead[2]))
    assert done.exit_code == 1
    assert "no dead letters" in done.output
    assert _states(engine, dead) == ["dead", "dead", "queued"]
    assert run("messages", command).exit_code == 2


def test_a_stopped_sender_is_shown_and_resumed(run: Run, engine: Engine) -> None:
    """`sender` says why, with exit code 1; `resume` lets it send again."""
    with writing(engine) as conn:
        stop(conn, "*", "20003", "Authenticate", datetime.now(UTC))
    shown = run("messages", "sender")
    assert shown.exit_code == 1
    assert "20003" in shown.stdout
    assert "Sending again" in run("messages", "resume").stdout
    assert run("messages", "sender").exit_code == 0

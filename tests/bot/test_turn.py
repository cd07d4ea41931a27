"""The one door: groups of events, trouble that stays with its own customer, and what an opt-out leaves behind."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from bot import telemetry
from bot.apply import Rows, apply_all
from bot.engine.effects import AddEntry
from bot.engine.events import Event, FactRecorded, Media, MessageReceived, TimerFired
from bot.errors import Conflict, TurnBroken
from bot.settings import ROOT
from bot.turn import Answer, understanding
from storage import facts, messages
from storage.database import writing
from storage.ids import next_id
from tests.shop import ALICE, BOB, CHARLIE, Shop, open_shop

DORA = "+12015550144"


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as opened:
        yield opened


def heard(shop: Shop, sender: str, body: str, sid: str | None = None, **more: Any) -> MessageReceived:
    return MessageReceived(sid or shop.new_sid(), sender, "+12015550100", body, shop.clock.now(), **more)


def take(shop: Shop, *events: Event) -> list[Answer]:
    return shop.services.turns.take(events, shop.clock.now())


def said(answer: Answer) -> str:
    return " ".join(reply.body for reply in answer.replies)


def customer_id(shop: Shop, phone: str) -> int:
    return int(shop.one("select id from customers where phone = :phone", phone=phone))


# Groups


def test_texts_of_one_customer_in_one_group_are_taken_in_the_order_they_came(shop: Shop) -> None:
    """JOIN, YES, BALANCE lying together do what they do one by one; a neighbour's text between them changes nothing."""
    bodies = [(ALICE, "JOIN"), (BOB, "JOIN"), (ALICE, "YES"), (ALICE, "BALANCE"), (BOB, "NO")]
    answers = take(shop, *(heard(shop, sender, body) for sender, body in bodies))
    assert [answer.result for answer in answers] == ["answered"] * 5
    assert "YES" in said(answers[0])
    assert "welcome" in said(answers[2])
    assert "60" in said(answers[3])
    assert shop.one("select consent from customers where phone = :p", p=BOB) != "subscribed"
    kept = shop.rows("select body from messages where direction = 'in' order by id")
    assert {row["body"] for row in kept} == {"JOIN", "YES", "BALANCE", "NO"}


def test_one_text_twice_in_one_group_counts_once(shop: Shop) -> None:
    """A retry may lie beside its original, a person's or a machine's."""
    shop.says(ALICE, "JOIN")
    yes, alarm = heard(shop, ALICE, "YES"), heard(shop, "72975", "your code is 1")
    first, again, odd, odd_again = take(shop, yes, yes, alarm, alarm)
    assert (first.result, again.result) == ("answered", "repeated")
    assert first.replies == again.replies
    assert (odd.result, odd_again.result) == ("not_a_person", "repeated")
    assert shop.one("select points from customers") == 60


def test_a_stop_and_a_timer_in_one_group_are_one_after_the_other(shop: Shop) -> None:
    """A text knows the number, a timer the id: they are not decided side by side on the same facts."""
    shop.joined(ALICE)
    alice = customer_id(shop, ALICE)
    reminder = TimerFired(1, "reminder", alice, shop.clock.now(), flow="welcome")
    take(shop, heard(shop, ALICE, "STOP"), reminder, heard(shop, ALICE, "BALANCE"))
    assert shop.one("select consent from customers") == "unsubscribed"
    assert shop.one("select count(*) from messages where flow = 'welcome'") == 0
    assert shop.one("select count(*) from messages where flow = 'balance'") == 0


def test_a_text_that_breaks_the_database_is_no_trouble_for_its_neighbours(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are answered, each once; the one that cannot be written is kept with a polite answer."""
    for sender in (ALICE, BOB, CHARLIE):
        shop.joined(sender)
    spoil(monkeypatch, "REDEEM", AddEntry(cast(Any, "stolen"), 5, "a key", "a reason"))
    before = shop.one("select count(*) from messages")
    answers = take(
        shop, *(heard(shop, who, what) for who, what in ((ALICE, "BALANCE"), (BOB, "REDEEM"), (CHARLIE, "HELP")))
    )
    assert [answer.result for answer in answers] == ["answered", "crashed", "answered"]
    assert all(len(answer.replies) == 1 for answer in answers)
    assert shop.one("select count(*) from messages") == before + 6
    assert shop.one("select body from messages where state = 'failed'") == "REDEEM"
    assert shop.rows("select points from customers") == [{"points": 60}] * 3


@pytest.mark.parametrize("trouble", [ValueError("x"), KeyError("x"), Conflict("gone"), OverflowError("x")])
def test_any_kind_of_trouble_stays_with_its_own_customer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """A mistake of ours in writing one turn is as harmless to the others as a refusal of the database."""
    shop.joined(ALICE)
    write = apply_all

    def explode(effects: Any, context: Any) -> None:
        if context.customer.phone == BOB and any(getattr(effect, "flow", None) == "help" for effect in effects):
            raise trouble
        write(effects, context)

    monkeypatch.setattr("bot.turn.wave.apply_all", explode)
    alice, bob = take(shop, heard(shop, ALICE, "BALANCE"), heard(shop, BOB, "HELP"))
    assert (alice.result, bob.result) == ("answered", "crashed")
    assert shop.one("select body from messages where state = 'failed'") == "HELP"


def test_a_conflict_is_tried_again_on_fresh_facts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lost a race once wins the second time, and nothing of the first is left."""
    shop.joined(ALICE)
    flush, failures = Rows.flush, [1, 1]

    def lose(rows: Rows, *arguments: Any) -> None:
        flush(rows, *arguments)
        if failures:
            failures.pop()
            raise Conflict("somebody was faster")

    monkeypatch.setattr(Rows, "flush", lose)
    [answer] = take(shop, heard(shop, ALICE, "BALANCE"))
    assert answer.result == "answered"
    assert shop.one("select count(*) from messages where flow = 'balance' and direction = 'out'") == 1


def test_a_database_that_comes_back_has_lost_no_text(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is away a text is tried and tried; it is not kept as one that breaks, and has its effect."""
    away = itertools.count()

    @contextmanager
    def sometimes(engine: Engine) -> Iterator[Connection]:
        if next(away) < 7:
            raise OperationalError("select 1", {}, Exception("the database system is starting up"))
        with writing(engine) as conn:
            yield conn

    monkeypatch.setattr("bot.turn.turns.writing", sometimes)
    monkeypatch.setattr("bot.turn.turns.PAUSE", 0.0)
    answers = take(shop, heard(shop, ALICE, "JOIN"), heard(shop, BOB, "HELP"))
    assert [answer.result for answer in answers] == ["answered", "answered"]
    take(shop, heard(shop, ALICE, "YES"))
    assert shop.one("select consent from customers where phone = :phone", phone=ALICE) == "subscribed"


def test_a_mistake_in_a_statement_is_not_tried_for_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It will not pass: after a few tries the text is kept for a replay, and nobody waits for it."""
    shop.joined(ALICE)
    write, tries = apply_all, itertools.count()

    def mistaken(effects: Any, context: Any) -> None:
        if any(getattr(effect, "flow", None) == "help" for effect in effects):
            next(tries)
            context.conn.exec_driver_sql("select mistake")  # SQLite calls that an operational error, as if it were away
        write(effects, context)

    monkeypatch.setattr("bot.turn.wave.apply_all", mistaken)
    assert take(shop, heard(shop, ALICE, "HELP"))[0].result == "crashed"
    assert next(tries) == 4


def test_a_database_that_cannot_be_written_acknowledges_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier is told to come again, and nobody waits through the retries of all the others."""

    def gone(*_: Any) -> Any:
        raise OSError("no space left on device")

    monkeypatch.setattr("bot.turn.turns.writing", gone)
    monkeypatch.setattr("bot.turn.turns.PATIENCE", 0.0)
    answers = take(shop, heard(shop, ALICE, "JOIN"), heard(shop, BOB, "JOIN"))
    assert [answer.result for answer in answers] == ["not_taken", "not_taken"]
    assert shop.post(shop.form(ALICE, "JOIN")).status_code == 503


# Crashes


def test_routing_that_breaks_is_a_crash_of_one_turn(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation whose choices cannot be told is answered politely; its neighbour notices nothing."""
    shop.joined(ALICE)
    shop.joined(BOB)
    break_expectation(monkeypatch, ALICE)
    alice, bob = take(shop, heard(shop, ALICE, "BALANCE"), heard(shop, BOB, "BALANCE"))
    assert (alice.result, bob.result) == ("crashed", "answered")
    assert len(alice.replies) == 1


def test_stop_is_heard_even_where_routing_breaks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked to leave has left."""
    shop.joined(ALICE)
    break_expectation(monkeypatch, ALICE)
    take(shop, heard(shop, ALICE, "Stop!!"))
    assert shop.one("select consent from customers") == "unsubscribed"


@pytest.mark.parametrize("source", ["", "flow: [oh no\n\t}", "flow: join\nstates: {}"])
def test_a_conversation_whose_revision_cannot_be_read_ends_and_the_text_is_answered(shop: Shop, source: str) -> None:
    """A later release may not read an old file any more: the customer is answered from the flows in force."""
    shop.says(ALICE, "JOIN")
    lost = next_id()
    shop.execute(
        "insert into flow_revisions (id, name, kind_of_file, digest, source, published_at)"
        " select :id, 'join', 'flow', 'old', :source, published_at from flow_revisions limit 1",
        id=lost,
        source=source,
    )
    shop.execute("update conversations set revision_id = :id", id=lost)
    [answer] = take(shop, heard(shop, ALICE, "HELP"))
    assert answer.result == "answered"
    assert len(answer.replies) == 1
    assert shop.one("select count(*) from conversations where outcome = 'lost'") == 1


def test_a_broken_turn_that_no_text_caused_is_not_swallowed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever brought a purchase must learn that its points were not given."""
    shop.joined(ALICE)
    monkeypatch.setattr("bot.engine.proactive.earn", _explode)
    fact = FactRecorded(1, "purchase_recorded", customer_id(shop, ALICE), shop.clock.now(), {"amount_minor": 500})
    with pytest.raises(TurnBroken), writing(shop.services.engine) as conn:
        shop.services.turns.take_in(conn, [fact], shop.clock.now())
    assert take(shop, fact)[0].result == "not_taken"
    assert shop.one("select purchases from customers") == 0


def test_a_replay_happens_once_however_many_ask_for_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people press the button at the same moment: one answer goes out."""
    shop.joined(ALICE)
    with monkeypatch.context() as broken:
        broken.setattr("bot.engine.decide.settle", _explode)
        picture = (Media("https://api.twilio.com/M1", "image/jpeg"),)
        [answer] = take(shop, heard(shop, ALICE, "BALANCE", media=picture))
    results: list[bool] = []

    def replay() -> None:
        results.append(shop.services.turns.replay(cast(int, answer.message_id), shop.clock.now()))

    run([replay] * 4)
    assert sorted(results) == [False, False, False, True]
    assert shop.one("select count(*) from messages where flow = 'balance' and direction = 'out'") == 1


# What an opt-out leaves behind


def test_an_opt_out_empties_everything_that_waits(shop: Shop) -> None:
    """Queued texts, reminders and conversations: nothing speaks to this customer any more; others keep theirs."""
    for sender in (ALICE, BOB):
        shop.joined(sender)
        shop.says(sender, "REDEEM")
        queue(shop, sender)
    assert shop.one("select count(*) from timers where kind = 'reminder'") == 2
    shop.says(ALICE, "please take me off this list")
    alice, bob = customer_id(shop, ALICE), customer_id(shop, BOB)
    left = "select count(*) from {} where customer_id = :who and {}"
    for table, condition in (
        ("messages", "state = 'queued'"),
        ("timers", "kind = 'reminder'"),
        ("conversations", "ended_at is null"),
    ):
        assert shop.one(left.format(table, condition), who=alice) == 0, table
        assert shop.one(left.format(table, condition), who=bob) == 1, table
    assert shop.one("select reason from messages where state = 'suppressed'") == "opted_out"
    [record] = shop.rows("select * from consent_records where status = 'unsubscribed'")
    proof = shop.rows("select body, direction from messages where id = :id", id=record["message_id"])
    assert proof == [{"body": "please take me off this list", "direction": "in"}]
    shop.wait(timedelta(days=3))
    assert shop.one("select count(*) from messages where customer_id = :who and purpose = 'service'", who=alice) == 1


def test_consent_is_recorded_with_the_words_shown_and_the_text_that_proves_it(shop: Shop) -> None:
    """Asked for by JOIN, given by YES: two records, each pointing at its own text."""
    shop.joined(ALICE)
    pending, given = shop.rows("select * from consent_records order by id")
    assert (pending["status"], given["status"]) == ("pending", "subscribed")
    asked = shop.one("select body from messages where direction = 'out' order by id")
    assert pending["text"] in asked
    assert given["text"] == pending["text"]
    assert given["version"] is not None
    assert [shop.one("select body from messages where id = :id", id=row["message_id"]) for row in (pending, given)] == [
        "JOIN",
        "YES",
    ]


@pytest.mark.parametrize("keywords", ["regulars", "twilio"])
def test_stop_from_a_number_that_never_wrote(database_url: str, keywords: str) -> None:
    """It is a customer from then on, unsubscribed, and confirmed at most once."""
    with open_shop(database_url, keywords=keywords) as shop:
        assert len(shop.says(DORA, "STOP")) == (1 if keywords == "regulars" else 0)
        assert shop.says(DORA, "STOP") == []
        assert shop.rows("select phone, consent from customers") == [{"phone": DORA, "consent": "unsubscribed"}]


@pytest.mark.parametrize("kind", ["STOP", "START", "HELP"])
def test_what_twilio_says_of_a_stranger(shop: Shop, kind: str) -> None:
    """OptOutType on the first text ever: recorded. Only the question without which nobody is in is asked."""
    said_at_once = shop.says(DORA, "whatever", OptOutType=kind)
    consent = shop.one("select consent from customers")
    assert (consent, len(said_at_once)) == {"STOP": ("unsubscribed", 0), "START": ("pending", 1), "HELP": ("none", 0)}[
        kind
    ]


def test_start_brings_somebody_back_also_where_twilio_answers_it(database_url: str) -> None:
    """Twilio lifts its block and says so; our question still goes out, for YES is what subscribes."""
    with open_shop(database_url, keywords="twilio") as shop:
        shop.joined(ALICE)
        shop.says(ALICE, "STOP")
        assert "YES" in shop.says(ALICE, "START", OptOutType="START")[0]
        shop.says(ALICE, "YES")
        assert shop.one("select consent from customers") == "subscribed"
        assert shop.says(ALICE, "START", OptOutType="START") == []


@pytest.mark.parametrize("sender", ["+1" + "2" * 39, "+1٢٠١٥٥٥٠١١١", "", " ", "+0201555011", "\x00", "🎉"])
def test_weird_senders_are_nobody(shop: Shop, sender: str) -> None:
    """No customer is made of them, and nothing breaks."""
    answer = shop.post(shop.form(sender, "JOIN"))
    assert answer.status_code == (200 if sender.strip() else 400)
    assert shop.one("select count(*) from customers") == 0


# Several processes on one database


def test_groups_of_several_processes_never_wait_for_each_other_in_a_ring(database_url: str) -> None:
    """Known and new customers, in opposite orders: every text is taken at the first try and has its effect once."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        phones = [f"+1201555{number:04}" for number in range(24)]
        for phone in phones[::3]:
            shop.says(phone, "JOIN")
        retaken = telemetry._retaken._value.get()
        results: list[str] = []

        def work(each: Shop, order: list[str]) -> None:
            for body in ("JOIN", "BALANCE", "HELP"):
                answers = take(each, *(heard(each, phone, body) for phone in order))
                results.extend(answer.result for answer in answers)

        run([lambda: work(shop, phones), lambda: work(other, phones[::-1])])
        assert results == ["answered"] * 144
        assert telemetry._retaken._value.get() == retaken
        assert shop.one("select count(*) from customers") == 24


def test_the_same_texts_at_several_processes_are_one_text_each(database_url: str) -> None:
    """Repeats race each other on different servers: one effect, one answer."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        events = [heard(shop, phone, "JOIN") for phone in (ALICE, BOB, CHARLIE, DORA)]
        events += [heard(shop, phone, "YES") for phone in (ALICE, BOB, CHARLIE, DORA)]
        answers: dict[str, set[str]] = {event.sid: set() for event in events}

        def work(each: Shop, order: list[MessageReceived]) -> None:
            for event, answer in zip(order, each.services.turns.take(order, each.clock.now()), strict=True):
                answers[event.sid].add(said(answer))

        run([lambda each=each: work(each, events) for each in (shop, other) * 3])
        assert all(len(different) == 1 for different in answers.values())
        assert shop.one("select count(*) from messages where direction = 'in'") == 8
        assert shop.rows("select points from customers") == [{"points": 60}] * 4


def test_nobody_loses_what_another_process_wrote_down(database_url: str) -> None:
    """Attributes are one document each: turns in two processes add to it one after the other."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        shop.joined(ALICE)
        alice = customer_id(shop, ALICE)
        amounts = list(range(100, 1100, 100))

        def buy(each: Shop, first: int) -> None:
            for number, amount in enumerate(amounts):
                fact = FactRecorded(
                    first + number, "purchase_recorded", alice, each.clock.now(), {"amount_minor": amount}
                )
                assert each.services.turns.take([fact], each.clock.now())[0].result == "handled"

        run([lambda: buy(shop, 1000), lambda: buy(other, 2000)])
        assert shop.rows("select purchases, spent_minor from customers") == [{"purchases": 20, "spent_minor": 11_000}]
        ledger = shop.one("select sum(points) from ledger")
        assert shop.one("select points from customers") == ledger
        assert shop.one("select sum(remaining) from lots") == ledger


def test_the_last_reward_goes_to_one_of_two(database_url: str, tmp_path: Any) -> None:
    """Both confirm in one group: one gets a voucher, the other keeps the points and hears why."""
    flows = tmp_path / "flows"
    shutil.copytree(ROOT / "flows", flows)
    programme = flows / "programme.yaml"
    programme.write_text(programme.read_text().replace("    cost: 60\n", "    cost: 60\n    stock: 1\n", 1))
    with open_shop(database_url, flows_dir=flows) as shop:
        for sender in (ALICE, BOB):
            shop.joined(sender)
            rich(shop, sender)
            shop.says(sender, "REDEEM")
            shop.says(sender, "1")
        answers = take(shop, heard(shop, ALICE, "YES"), heard(shop, BOB, "YES"))
        assert all(answer.replies for answer in answers)
        assert shop.one("select count(*) from vouchers") == 1
        assert shop.one("select count(*) from ledger where kind = 'burn'") == 1
        assert shop.one("select taken from stock") == 1


# What is written down about it


def test_errors_say_neither_texts_nor_numbers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an exception says may quote both: only its kind and place are logged."""
    logged = StringIO()
    processors = [telemetry._without_messages, structlog.processors.JSONRenderer()]
    monkeypatch.setattr(
        telemetry, "log", structlog.wrap_logger(structlog.WriteLogger(logged), processors, structlog.BoundLogger)
    )
    row = {"id": 1, "direction": "in", "sender": ALICE, "body": "my secret", "created_at": shop.clock.now()}
    with pytest.raises(DBAPIError) as refused, writing(shop.services.engine) as conn:
        messages.insert(conn, [row | {"recipient": None, "state": "received"}])
    telemetry.log.error("broken", exc_info=refused.value)
    telemetry.broke("broken too", refused.value)
    spoil(monkeypatch, "my secret", AddEntry(cast(Any, "stolen"), 5, ALICE, "my secret"))
    take(shop, heard(shop, ALICE, "my secret"))
    monkeypatch.setattr("bot.engine.decide.settle", _explode)
    take(shop, heard(shop, ALICE, "my secret"))
    assert "test_turn.py" in logged.getvalue()
    assert "RuntimeError" in logged.getvalue()
    for secret in ("my secret", ALICE, ALICE[4:], "a fuse has blown"):
        assert secret not in logged.getvalue()


def test_counters_count_what_was_committed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that is taken again is counted once."""
    counted = telemetry._received.labels("answered")._value
    before = counted.get()
    test_a_conflict_is_tried_again_on_fresh_facts(shop, monkeypatch)
    assert counted.get() == before + 3  # JOIN, YES, BALANCE


def _explode(*_: object) -> None:
    raise RuntimeError("a fuse has blown")


def spoil(monkeypatch: pytest.MonkeyPatch, body: str, effect: AddEntry) -> None:
    """Make the turn of one text cause something no database takes."""
    decide = understanding.decide

    def decide_too_much(book: Any, customer: Any, event: Any, routing: Any, **more: Any) -> Any:
        decision = decide(book, customer, event, routing, **more)
        if getattr(event, "body", "") == body and more.get("trouble") is None:
            object.__setattr__(decision, "effects", (*decision.effects, effect))
        return decision

    monkeypatch.setattr("bot.turn.understanding.decide", decide_too_much)


def break_expectation(monkeypatch: pytest.MonkeyPatch, phone: str) -> None:
    """Make it impossible to tell what one customer's conversation waits for."""
    told = understanding.expectation

    def tell(book: Any, customer: Any, *more: Any) -> Any:
        if customer.phone == phone:
            raise RuntimeError("no label")
        return told(book, customer, *more)

    monkeypatch.setattr("bot.turn.understanding.expectation", tell)


def queue(shop: Shop, phone: str) -> None:
    """Let a text and a reminder wait for this customer."""
    who, now = customer_id(shop, phone), shop.clock.now()
    with writing(shop.services.engine) as conn:
        messages.insert(
            conn,
            [
                {
                    "id": next_id(),
                    "customer_id": who,
                    "direction": "out",
                    "sender": "+12015550100",
                    "recipient": phone,
                    "body": "Later",
                    "state": "queued",
                    "purpose": "service",
                    "created_at": now,
                    "send_after": now + timedelta(days=2),
                }
            ],
        )


def rich(shop: Shop, phone: str) -> None:
    """Give this customer many points."""
    with writing(shop.services.engine) as conn:
        facts.insert(
            conn,
            [
                {
                    "id": next_id(),
                    "customer_id": customer_id(shop, phone),
                    "name": "purchase_recorded",
                    "key": f"rich {phone}",
                    "data": {"amount_minor": 100_000},
                    "recorded_at": shop.clock.now(),
                }
            ],
        )
    shop.services.schedule.take_facts(shop.clock.now())


def run(jobs: list[Any]) -> None:
    """Run jobs in threads at the same time; the first failure of any is raised."""
    failures: list[BaseException] = []

    def guarded(job: Any) -> None:
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_another_process_that_writes_long_costs_a_503_and_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite: while an import holds the file the carrier is told to come again; afterwards all is as always."""
    monkeypatch.setattr("storage.database.BUSY_SECONDS", 0.05)
    path = tmp_path / "regulars.db"
    with open_shop(f"sqlite:///{path}") as shop:
        shop.joined(ALICE)
        importer = sqlite3.connect(path, isolation_level=None)
        importer.execute("BEGIN IMMEDIATE")
        form = shop.form(ALICE, "BALANCE")
        assert shop.post(form).status_code == 503
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            shop.services.schedule.fire_timers(shop.clock.now())
        importer.execute("COMMIT")
        importer.close()
        assert shop.post(form).status_code == 200
        assert shop.one("select count(*) from messages where body = 'BALANCE'") == 1

"""Turns no text caused: deadlines, reminders, facts, schedules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.engine import effects as fx
from tests.engine.decide.play import ALICE, MONDAY, Player, little, shelf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RICH = replace(ALICE, points=150)
THANKS = """
flow: thanks
title: Thanks
kind: service
start:
  - {event: purchase_recorded, if: {purchases: {at_least: 2}}, to: again}
  - {event: purchase_recorded, to: first}
  - {event: purchase_recorded, after: 2 days, at: "10:00", if: {tag: vip}, to: later}
  - {event: purchase_recorded, after: 2 days, at: "10:00", to: first}
states:
  first: {say: "Thanks for {amount_minor, money}: {awarded, points}.", final: true}
  again: {say: "Again! {points, points}.", final: true}
  later: {say: "How is it?", final: true}
"""
OFFER = """
flow: offer
title: Offer
kind: marketing
start: [{schedule: {every: day, at: "10:00"}, if: {consent: subscribed}, to: asked}]
states:
  asked: {say: "An offer?", ask: yes_no, on: {yes: done, no: done}, after: {1h: {remind: "Well?"}, 1d: gone}}
  done: {say: "Fine.", final: true}
  gone: {say: "Pity.", final: gone}
"""
PRIZE = """
flow: prize
title: Prize
kind: service
start: [{event: prize_won, to: asked}]
states:
  asked: {say: "A prize! Want it?", ask: yes_no, on: {yes: done, no: done}}
  done: {say: "Fine.", final: true}
"""
NUDGE = """
flow: nudge
title: Nudge
kind: service
start: [{keywords: [NUDGE], to: a}]
states:
  a:
    say: "Yes?"
    ask: yes_no
    on: {yes: done, no: done}
    after: {1h: {do: {award: {points: 1, reason: patience}}, say: "Hm?"}, 3h: done}
  done: {say: "Done.", final: true}
"""


def test_it_reminds_and_then_gives_up_waiting() -> None:
    """The reminder does not void the later deadline."""
    player = Player()
    player.start("survey")
    assert player.wait(3 * HOUR) == ["One number?"]
    assert player.sent[0].purpose == "service"
    assert player.waits_in == ["survey.score"]
    assert player.wait(21 * HOUR) == []
    assert player.outcomes() == {"survey": "gone"}


def test_it_sets_one_deadline_for_each_after_entry() -> None:
    player = Player()
    player.start("survey")
    timers = player.effects(fx.SetTimer)
    assert [(t.kind, t.step, t.due_at - MONDAY, t.turn_no) for t in timers] == [
        ("deadline", 0, 3 * HOUR, 1),
        ("deadline", 1, DAY, 1),
    ]
    assert {t.scope for t in timers} == {f"{player.customer.conversations[0].id}:1"}


def test_it_voids_deadlines_when_the_conversation_has_moved_on() -> None:
    player = Player(customer=RICH)
    player.start("redeem")
    old = list(player.timers)
    player.reply("chosen", "cookie")
    for timer in old:
        assert player.fire(timer) == []
        assert player.decision.conversations == ()


def test_it_counts_anew_after_a_text_that_keeps_the_state() -> None:
    player = Player()
    player.start("survey")
    player.wait(2 * HOUR)
    player.gibberish()
    assert player.wait(2 * HOUR) == []
    assert player.wait(HOUR) == ["One number?"]


def test_it_lets_no_time_pass_for_an_interrupted_conversation() -> None:
    player = Player(customer=RICH)
    player.start("survey")
    player.start("redeem")
    assert player.wait(4 * HOUR) == ["Still there?"]
    player.reply("chosen", "cookie")
    player.reply("no")
    assert player.wait(2 * HOUR) == []
    assert player.wait(HOUR) == ["One number?"]


def test_it_takes_up_an_interrupted_conversation_silently_when_nobody_wrote() -> None:
    player = Player(customer=RICH)
    player.start("survey")
    player.start("redeem")
    said = player.wait(DAY)
    assert said == ["Still there?"]
    assert player.waits_in == ["survey.score"]
    assert player.wait(3 * HOUR) == ["One number?"]


def test_it_goes_on_waiting_after_an_arrow_without_to() -> None:
    """It happens once, and the later deadline keeps its moment."""
    player = Player(shelf(NUDGE))
    player.start("nudge")
    assert player.wait(HOUR) == ["Hm?"]
    assert player.customer.points == 1
    assert player.wait(HOUR) == []
    assert player.wait(HOUR) == ["Done."]


def test_it_starts_a_reminders_flow() -> None:
    player = Player(customer=replace(ALICE, consent="none"))
    player.start("join")
    player.reply("yes")
    timer = player.effects(fx.SetTimer)[0]
    assert (timer.kind, timer.scope, timer.flow) == ("reminder", "series", "news")
    assert timer.due_at == datetime(2026, 3, 3, 15, tzinfo=UTC)  # 10:00 in New York
    assert player.wait(DAY) == ["News!"]
    assert player.sent[0].purpose == "marketing"


def test_it_ignores_a_reminder_for_a_flow_that_is_gone() -> None:
    player = Player()
    assert player.fire(fx.SetTimer("reminder", "x", MONDAY, flow="no_such")) == []
    assert player.decision.error is None


@pytest.mark.parametrize(
    "customer",
    [replace(ALICE, consent="none"), replace(ALICE, consent="unsubscribed"), replace(ALICE, marketing_paused=True)],
)
def test_it_sends_no_marketing_without_consent_or_in_doubt(customer: object) -> None:
    player = Player(shelf(OFFER), customer=customer)  # type: ignore[arg-type]
    for attempt in (
        lambda: player.due("offer"),
        lambda: player.fire(fx.SetTimer("reminder", "k", MONDAY, flow="news")),
    ):
        assert attempt() == []
        assert player.decision.effects == ()
        assert player.decision.conversations == ()
        assert player.decision.steps[0].outcome == "not allowed"
        assert player.decision.steps[0].refused


def test_it_ends_a_marketing_conversation_that_may_not_go_on() -> None:
    player = Player(shelf(OFFER))
    assert player.due("offer") == ["An offer?"]
    player.customer = replace(player.customer, marketing_paused=True)
    assert player.wait(HOUR) == []
    assert player.wait(DAY) == []
    assert player.outcomes() == {"offer": "not_allowed"}


def test_it_is_a_reply_when_the_customer_answers_marketing() -> None:
    player = Player(shelf(OFFER))
    player.due("offer")
    assert player.sent[0].purpose == "marketing"
    player.reply("yes")
    assert player.sent[0].purpose == "reply"


def test_it_tries_marketing_again_a_day_later_when_a_question_is_open() -> None:
    player = Player(shelf(OFFER))
    player.start("redeem")
    player.start("survey")
    assert player.due("offer") == []
    timer = player.effects(fx.SetTimer)[0]
    assert (timer.kind, timer.scope, timer.due_at) == ("reminder", "offer", MONDAY + DAY)
    player.reply("given", 5)
    assert player.wait(DAY) == ["An offer?"]


def test_it_starts_flows_from_a_fact_with_the_purchase_counted() -> None:
    player = Player(shelf(THANKS))
    assert player.fact("purchase_recorded", amount_minor=450) == ["Thanks for $4.50: 9 points."]
    assert player.sent[0].purpose == "service"
    player.customer = replace(player.customer, purchases=1)
    assert player.fact("purchase_recorded", fact_id=2, amount_minor=1000) == ["Again! 29 points."]


def test_it_waits_with_a_flow_that_starts_after_a_fact() -> None:
    """One reminder, though two triggers share the delay; guards are asked when the time has come."""
    player = Player(shelf(THANKS))
    player.fact("purchase_recorded", amount_minor=450)
    timers = player.effects(fx.SetTimer)
    assert [(t.flow, t.due_at) for t in timers] == [("thanks", MONDAY + 2 * DAY)]
    player.customer = replace(player.customer, tags=frozenset({"vip"}))
    assert player.wait(2 * DAY) == ["How is it?"]


def test_it_puts_a_service_fact_on_top_of_an_open_question() -> None:
    player = Player(shelf(PRIZE))
    player.start("survey")
    assert player.fact("prize_won") == ["A prize! Want it?"]
    assert player.waits_in == ["survey.score", "prize.asked"]
    assert player.reply("yes") == ["Fine.\nBack to it: How was it, 1 to 5?"]


def test_it_does_not_repeat_the_question_after_a_receipt() -> None:
    player = Player(shelf(THANKS))
    player.start("survey")
    before = player.customer.conversations
    assert player.fact("purchase_recorded", amount_minor=450) == ["Thanks for $4.50: 9 points."]
    assert player.customer.conversations == before


def test_it_is_silent_about_a_crash_that_no_text_caused() -> None:
    broken = little("broken", "[{event: oops, to: a}]", "{a: {do: {award: {points: no_such, reason: x}}, final: true}}")
    player = Player(shelf(broken))
    assert player.fact("oops") == []
    assert player.decision.error is not None
    assert player.decision.effects == ()

"""Opting out, and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.engine import effects as fx
from bot.engine.routing import Routing
from tests.engine.decide.play import ALICE, Player, shelf

SILENT_STOP = """
flow: stop
title: Stop
kind: service
start: [{compliance: stop, called: true, if: {tag: nobody}, to: out}]
states:
  out: {say: "Out.", final: true}
"""
BROKEN_STOP = """
flow: stop
title: Stop
kind: service
start: [{compliance: stop, called: true, to: out}]
states:
  out: {do: {award: {points: no_such, reason: x}}, say: "Out.", final: true}
"""
RECEIPT = """
flow: receipt
title: Receipt
kind: service
start: [{event: bought, to: told}]
states:
  told: {say: "Thanks.", ask: yes_no, on: {yes: done, no: done}}
  done: {final: true}
"""


def test_it_records_cancels_ends_everything_and_confirms_once() -> None:
    """STOP in the middle of things leaves nothing open and says one thing."""
    player = Player()
    player.start("survey")
    assert player.stop() == ["You are out."]
    assert player.sent[0].purpose == "opt_out_confirmation"
    kinds = [type(effect) for effect in player.decision.effects]
    assert kinds == [fx.RecordConsent, fx.CancelPending, fx.CancelTimers, fx.SendMessage]
    assert player.effects(fx.RecordConsent)[0].how == "keyword"
    assert player.effects(fx.CancelTimers)[0].scope is None
    assert player.outcomes()["survey"] == "opted_out"
    assert player.waits_in == []
    assert player.timers == []


def test_it_says_nothing_the_second_time_but_records_it_again() -> None:
    player = Player()
    player.stop()
    assert player.stop() == []
    assert [record.status for record in player.effects(fx.RecordConsent)] == ["unsubscribed"]


def test_it_records_the_carrier_when_twilio_has_handled_the_word() -> None:
    player = Player()
    player.stop(opt_out_type="STOP")
    assert player.effects(fx.RecordConsent)[0].how == "carrier"


@pytest.mark.parametrize("flow", [SILENT_STOP, BROKEN_STOP])
def test_it_takes_the_customer_out_whatever_the_stop_flow_does(flow: str) -> None:
    """Even a stop flow that refuses, forgets or breaks cannot keep anybody in."""
    player = Player(shelf(flow))
    player.start("survey")
    assert player.stop() == []
    assert player.customer.consent == "unsubscribed"
    assert player.waits_in == []
    assert player.timers == []


def test_it_confirms_an_opt_out_that_came_by_way_of_another_flow() -> None:
    """The doubt is asked back; YES runs the stop flow, and nothing else is said or set."""
    player = Player()
    assert player.route(Routing("opt_out_confirm", "opt_out.unsure")) == ["Stop all texts?"]
    assert player.customer.marketing_paused
    assert player.reply("yes") == ["You are out."]
    assert player.sent[0].purpose == "opt_out_confirmation"
    assert player.waits_in == []


def test_it_asks_back_once() -> None:
    """A second doubtful text is an answer not understood, not the question from the start."""
    player = Player()
    player.route(Routing("opt_out_confirm", "opt_out.unsure"))
    assert player.route(Routing("opt_out_confirm", "opt_out.unsure")) == ["Sorry?"]
    assert len(player.waits_in) == 1


def test_it_settles_the_doubt() -> None:
    player = Player()
    player.route(Routing("opt_out_confirm", "opt_out.unsure"))
    assert player.reply("no") == ["You stay."]
    assert not player.customer.marketing_paused


def test_it_stays_silent_of_its_own_accord_towards_who_left() -> None:
    """A fact still may start a service flow, but it neither speaks nor waits."""
    player = Player(shelf(RECEIPT))
    player.stop()
    assert player.fact("bought") == []
    assert player.outcomes() == {"receipt": "not_allowed"}
    assert player.waits_in == []


def test_it_still_answers_help_after_stop() -> None:
    player = Player()
    player.stop()
    assert player.route(Routing("help", "compliance.help")) == ["Text BALANCE."]
    assert player.customer.consent == "unsubscribed"


def test_it_lets_a_customer_come_back() -> None:
    player = Player()
    player.stop()
    player.route(Routing("opt_in", "compliance.start", flow="join"))
    assert player.customer.consent == "pending"
    assert player.reply("yes") == ["Welcome! 60 points."]
    record = player.effects(fx.RecordConsent)[0]
    assert (record.status, record.how, record.wording, record.version) == ("subscribed", "keyword", "join", 3)
    assert record.text == "Up to 4 texts a month."


def test_it_forgets_reminders_set_in_the_same_turn() -> None:
    """What a flow arranged before it unsubscribed the customer does not survive the turn."""
    leaving = """
flow: leaving
title: Leaving
kind: service
start: [{keywords: [LEAVE], to: out}]
states:
  out:
    do: [{remind: {key: k, in: 1 day, flow: news}}, {unsubscribe: true}, {remind: {key: m, in: 1 day, flow: news}}]
    say: "Bye."
    ask: yes_no
    on: {yes: done, no: done}
    after: {1h: done}
  done: {final: true}
"""
    player = Player(shelf(leaving))
    assert player.start("leaving") == ["Bye."]
    assert player.sent[0].purpose == "opt_out_confirmation"
    assert player.timers == []
    assert player.waits_in == []
    assert player.wait(timedelta(days=3)) == []


def test_it_keeps_helps_hands_off_consent_and_state() -> None:
    player = Player(customer=replace(ALICE, consent="pending"))
    player.start("survey")
    before = player.customer
    assert player.route(Routing("help", "compliance.help")) == ["Text BALANCE.\nBack to it: How was it, 1 to 5?"]
    assert player.customer.consent == "pending"
    assert [(c.state, dict(c.slots), c.misses) for c in player.customer.conversations] == [
        (c.state, dict(c.slots), c.misses) for c in before.conversations
    ]

"""What the bot does while a person holds the conversation, and when it gets it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.engine import effects as fx
from bot.engine.definition import HandBack
from bot.engine.events import HandedBack
from bot.engine.routing import Routing
from tests.engine.decide.play import ALICE, MONDAY, Player, shelf
from tests.engine.decide.test_unasked import OFFER, THANKS

HALF_AN_HOUR = timedelta(minutes=30)
RICH = replace(ALICE, points=150)


def hand_back(player: Player, how: HandBack) -> list[str]:
    player.customer = replace(player.customer, held_until=None)
    return player.take(HandedBack(player.customer.id, player.now, how))


def hold(player: Player) -> None:
    player.customer = replace(player.customer, held_until=player.now + HALF_AN_HOUR)


def test_resume_changes_nothing() -> None:
    """The conversation waits where it was, without a word."""
    player = Player(customer=RICH)
    player.start("redeem")
    before = player.customer.conversations
    assert hand_back(player, "resume") == []
    assert player.decision.conversations == ()
    assert player.customer.conversations == before


def test_ask_again_asks_the_open_question() -> None:
    """As a service text through the gate; its deadlines count from now."""
    player = Player(customer=RICH)
    player.start("redeem")
    player.now += timedelta(hours=1)
    said = hand_back(player, "ask_again")
    assert said[0].startswith("Back to it: Choose:")
    assert player.sent[0].purpose == "service"
    assert player.sent[0].deadline == player.now + timedelta(hours=1)
    assert [t.due_at - player.now for t in player.effects(fx.SetTimer)] == [timedelta(hours=2), timedelta(hours=24)]
    assert player.waits_in == ["redeem.choosing"]
    assert hand_back(Player(), "ask_again") == []


def test_a_marketing_question_is_asked_again_as_marketing() -> None:
    """Who opted out of it, or never opted in, hears nothing: the gate decides with that purpose."""
    player = Player(shelf(OFFER))
    player.due("offer")
    hand_back(player, "ask_again")
    assert [message.purpose for message in player.sent] == ["marketing"]


def test_end_closes_everything() -> None:
    """Also what lay below."""
    player = Player(customer=RICH)
    player.start("redeem")
    player.start("survey")
    assert hand_back(player, "end") == []
    assert player.outcomes() == {"redeem": "handed_over", "survey": "handed_over"}
    assert player.waits_in == []


def test_who_opted_out_is_asked_nothing() -> None:
    """STOP closed the conversation; handing back does not open it."""
    player = Player(customer=RICH)
    player.start("redeem")
    player.stop()
    assert hand_back(player, "ask_again") == []


def test_what_would_begin_while_a_person_holds_becomes_a_reminder() -> None:
    """Points are given at once; the flow's turn comes when its timer may fire, with all it knew."""
    player = Player(shelf(THANKS, OFFER))
    hold(player)
    assert player.fact("purchase_recorded", amount_minor=450) == []
    assert [entry.points for entry in player.effects(fx.AddEntry)] == [9]
    waiting = [timer for timer in player.effects(fx.SetTimer) if timer.due_at == MONDAY]
    assert [(timer.kind, timer.flow) for timer in waiting] == [("reminder", "thanks")]
    assert player.due("offer") == []
    waiting += player.effects(fx.SetTimer)
    player.customer = replace(player.customer, held_until=None)
    assert [player.fire(timer) for timer in waiting] == [["Thanks for $4.50: 0 points."], ["An offer?"]]


def test_help_does_not_ask_the_open_question_while_a_person_holds() -> None:
    """HELP is answered, and nothing more is said."""
    player = Player(customer=RICH)
    player.start("redeem")
    hold(player)
    assert player.route(Routing("help", "compliance.help", flow="help"), "HELP") == ["Text BALANCE."]


@pytest.mark.parametrize(("rule", "paused"), [("held", []), ("held.doubt", [True])])
def test_a_doubt_is_noted_in_silence(rule: str, paused: list[bool]) -> None:
    """Who may want out gets no marketing, though nobody asks back."""
    player = Player()
    assert player.route(Routing("hold", rule)) == []
    assert [effect.value for effect in player.effects(fx.SetAttribute)] == paused

"""Conversations that interrupt, call and replace each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.engine import effects as fx
from bot.engine.decide import decide
from bot.engine.events import MessageReceived
from bot.engine.machine import compile_flow
from bot.engine.routing import Routing
from tests.engine.decide.play import ALICE, Player, flow_of, little, shelf

RICH = replace(ALICE, points=150)
MENU = """
flow: menu
title: Menu
kind: service
start: [{keywords: [MENU], to: first}]
states:
  first: {call: survey, on: {happy: glad, returned: other}, after: {2d: late}}
  glad: {say: "Glad.", final: true}
  other: {say: "Next time.", final: true}
  late: {say: "Too late.", final: true}
"""
SWITCH = """
flow: switch
title: Switch
kind: service
start: [{keywords: [SWITCH], to: a}]
states:
  a: {do: {start: survey}, say: "Over to the survey.", final: switched}
"""
CIRCLE = """
flow: circle
title: Circle
kind: service
start: [{keywords: [CIRCLE], to: a}]
states:
  a: {go: b}
  b: {go: a}
"""


def asking(name: str) -> str:
    return f"""
flow: {name}
title: {name}
kind: service
start: [{{keywords: [{name.upper()}], called: true, to: q}}]
states:
  q: {{say: "{name}?", ask: yes_no, on: {{yes: done, no: done}}, after: {{1h: late}}}}
  done: {{say: "{name} done.", final: true}}
  late: {{final: late}}
"""


def calling(name: str, other: str) -> str:
    return f"""
flow: {name}
title: {name}
kind: service
start: [{{keywords: [{name.upper()}], called: true, to: q}}]
states:
  q: {{call: {other}, on: {{returned: done}}}}
  done: {{say: "{name} back.", final: true}}
"""


def test_it_answers_in_the_middle_and_asks_again_in_the_same_message() -> None:
    player = Player()
    player.start("survey")
    assert player.start("balance") == ["You have 0 points.\nBack to it: How was it, 1 to 5?"]
    assert player.waits_in == ["survey.score"]


def test_it_takes_up_the_interrupted_conversation_when_the_new_one_ends() -> None:
    player = Player(customer=RICH)
    player.start("survey")
    assert player.start("redeem")[0].startswith("Choose:")
    assert player.waits_in == ["survey.score", "redeem.choosing"]
    assert player.customer.conversations[1].relation == "interrupted"
    player.reply("chosen", "cookie")
    assert player.reply("no") == ["Kept.\nBack to it: How was it, 1 to 5?"]
    assert player.waits_in == ["survey.score"]


def test_it_asks_again_when_the_new_one_comes_to_only_listen() -> None:
    """After the voucher the survey's question is open again, while UNDO is still heard."""
    player = Player(customer=RICH)
    player.start("survey")
    player.start("redeem")
    player.reply("chosen", "cookie")
    assert player.reply("yes")[0].endswith("Back to it: How was it, 1 to 5?")
    assert (player.expects.flow, player.expects.listen) == ("survey", ("UNDO",))
    assert player.reply("given", 5) == ["Great!"]
    assert player.reply("UNDO") == ["Back: 150 points."]
    assert player.waits_in == []


def test_it_goes_back_to_the_question_after_undo() -> None:
    player = Player(customer=RICH)
    player.start("survey")
    player.start("redeem")
    player.reply("chosen", "cookie")
    player.reply("yes")
    assert player.reply("UNDO") == ["Back: 150 points.\nBack to it: How was it, 1 to 5?"]


def test_it_ends_a_quiet_wait_as_soon_as_another_conversation_waits() -> None:
    """An answer that asks nothing leaves it: UNDO still works after BALANCE or HELP."""
    player = Player(customer=RICH)
    player.start("redeem")
    player.reply("chosen", "cookie")
    player.reply("yes")
    player.start("balance")
    assert player.waits_in == ["redeem.redeemed"]
    player.start("survey")
    assert player.outcomes() == {"redeem": "displaced"}
    assert player.waits_in == ["survey.score"]
    assert player.customer.conversations[0].parent_id is None


def test_it_restarts_the_same_flow() -> None:
    player = Player(customer=RICH)
    player.start("redeem")
    player.reply("chosen", "cookie")
    player.start("redeem")
    assert player.outcomes() == {"redeem": "restarted"}
    assert player.waits_in == ["redeem.choosing"]


def test_it_restarts_a_flow_from_the_middle_of_the_stack() -> None:
    player = Player(customer=RICH)
    player.start("redeem")
    player.start("survey")
    player.start("redeem")
    assert player.waits_in == ["survey.score", "redeem.choosing"]
    survey, redeem = player.customer.conversations
    assert (survey.parent_id, redeem.parent_id) == (None, survey.id)


def test_it_does_not_end_the_old_one_when_the_new_one_may_not_begin() -> None:
    guarded = asking("vips").replace("called: true", "if: {tag: vip}")
    player = Player(shelf(guarded), customer=replace(ALICE, tags=frozenset({"vip"})))
    player.start("vips")
    player.customer = replace(player.customer, tags=frozenset())
    assert player.start("vips") == ["Sorry?"]
    assert player.waits_in == ["vips.q"]


def test_it_keeps_three_open_and_ends_the_oldest() -> None:
    player = Player(shelf(*(asking(name) for name in ("one", "two", "three", "four"))))
    for name in ("one", "two", "three", "four"):
        player.start(name)
    assert player.outcomes() == {"one": "displaced"}
    assert player.waits_in == ["two.q", "three.q", "four.q"]
    assert player.customer.conversations[0].parent_id is None
    assert player.reply("yes") == ["four done.\nBack to it: three?"]


def test_it_calls_a_flow_and_goes_on_by_its_outcome() -> None:
    player = Player(shelf(MENU))
    assert player.start("menu") == ["How was it, 1 to 5?"]
    assert player.waits_in == ["menu.first", "survey.score"]
    assert player.customer.conversations[1].relation == "called"
    assert player.reply("given", 5) == ["Great!\nGlad."]
    assert player.waits_in == []


def test_it_takes_returned_for_any_other_outcome() -> None:
    player = Player(shelf(MENU))
    player.start("menu")
    assert player.reply("given", 1) == ["Oh.\nNext time."]


def test_it_returns_at_once_from_a_flow_that_would_not_begin() -> None:
    closed = asking("survey").replace("called: true", "called: true, if: {tag: nobody}")
    assert Player(shelf(MENU, closed)).start("menu") == ["Next time."]


def test_it_goes_on_without_the_called_flow_when_its_own_time_is_up() -> None:
    player = Player(shelf(MENU, asking("survey").replace("after: {1h: late}", "after: {9d: late}")))
    player.start("menu")
    assert player.wait(timedelta(days=2)) == ["Too late."]
    assert player.outcomes() == {"menu": "done", "survey": "displaced"}
    assert player.waits_in == []


def test_it_hands_on_to_another_flow_in_the_same_turn() -> None:
    player = Player(shelf(SWITCH))
    assert player.start("switch") == ["Over to the survey.\nHow was it, 1 to 5?"]
    assert player.outcomes() == {"switch": "switched"}
    assert player.waits_in == ["survey.score"]


def test_it_waits_for_the_flow_a_called_one_hands_on_to() -> None:
    menu = MENU.replace("call: survey", "call: switch")
    player = Player(shelf(menu, SWITCH.replace("keywords: [SWITCH]", "keywords: [SWITCH], called: true")))
    player.start("menu")
    assert player.waits_in == ["menu.first", "survey.score"]
    assert player.reply("given", 5) == ["Great!\nGlad."]


def test_it_refuses_calls_deeper_than_three() -> None:
    player = Player(shelf(calling("a", "b"), calling("b", "c"), calling("c", "d"), asking("d")))
    assert player.start("b") == ["d?"]
    assert player.waits_in == ["b.q", "c.q", "d.q"]
    player.reply("yes")
    assert player.start("a") == ["Something went wrong. Call (201) 555-0100."]
    assert "TurnLimitExceeded" in (player.decision.error or "")


def test_it_refuses_a_flow_that_calls_itself() -> None:
    player = Player(shelf(calling("a", "b"), calling("b", "a")))
    player.start("a")
    assert "calls itself" in (player.decision.error or "")


def test_it_breaks_off_a_circle_politely_and_changes_nothing() -> None:
    player = Player(shelf(CIRCLE))
    player.start("survey")
    before = player.customer
    assert player.start("circle") == ["Something went wrong. Call (201) 555-0100."]
    assert "TurnLimitExceeded" in (player.decision.error or "")
    assert player.decision.conversations == ()
    assert [type(effect) for effect in player.decision.effects] == [fx.SendMessage]
    assert player.customer == before


def test_it_answers_politely_when_something_broke_around_it() -> None:
    player = Player()
    text = MessageReceived("SM1", ALICE.phone, "+1", "x", player.now)
    decision = decide(
        player.book,
        ALICE,
        text,
        None,
        stock={},
        now=player.now,
        entropy=b"",
        ids=player.ids,
        day_code="",
        trouble="disk full",
    )
    assert decision.error == "disk full"
    assert [e.body for e in decision.effects if isinstance(e, fx.SendMessage)] == [
        "Something went wrong. Call (201) 555-0100."
    ]


def test_it_keeps_a_conversation_on_the_revision_it_began_in() -> None:
    player = Player()
    player.start("survey")
    newer = compile_flow(flow_of(asking("survey")), 99)
    compiled = player.book.compiled
    player.book = replace(player.book, compiled={**compiled, "survey": newer}, old=(compiled["survey"],))
    assert player.reply("given", 5) == ["Great!"]
    assert player.start("survey") == ["survey?"]
    assert player.customer.conversations[0].revision_id == 99


def test_it_ends_a_conversation_whose_revision_is_lost() -> None:
    player = Player()
    player.start("survey")
    player.book = replace(player.book, gone=frozenset({player.customer.conversations[0].revision_id}))
    assert player.expects is None
    assert player.start("balance") == ["You have 0 points."]
    assert player.outcomes() == {"balance": "done", "survey": "lost"}


def test_it_does_not_repeat_the_question_to_who_wants_a_person() -> None:
    human = little("human", "[{keywords: [HUMAN], to: a}]", "{a: {do: {hand_over: asked}, say: Soon., final: true}}")
    player = Player(shelf(human))
    player.start("survey")
    assert player.start("human") == ["Soon."]
    assert player.waits_in == ["survey.score"]


def test_it_knows_the_flow_it_interrupted() -> None:
    inner = little(
        "inner",
        "[{keywords: [IN], if: {in_flow: survey}, to: a}, {keywords: [IN], to: b}]",
        "{a: {say: Inside., final: true}, b: {say: Outside., final: true}}",
    )
    player = Player(shelf(inner))
    assert player.start("inner") == ["Outside."]
    player.start("survey")
    assert player.route(Routing("flow", "keyword.exact", flow="inner", trigger=0))[0].startswith("Inside.")

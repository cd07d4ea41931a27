"""Rarer turns: other sources of choices, flows that are not there, flows that cannot be followed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.engine import effects as fx
from bot.engine.conversation import Voucher
from bot.engine.phrases import Phrases
from bot.engine.routing import Routing
from bot.engine.values import Values
from bot.engine.working import Turn
from tests.engine.decide.play import ALICE, MONDAY, Player, little, shelf

DAY = timedelta(days=1)
LATTE = Voucher(1, "AAAA-AAAA", "Latte", "latte", 100, "issued", MONDAY - DAY, MONDAY + 5 * DAY, "burn:1:1")
COOKIE = Voucher(2, "BBBB-BBBB", "Cookie", None, 0, "issued", MONDAY - DAY, MONDAY + 9 * DAY)
PICK = """
flow: pick
title: Pick
kind: service
start: [{keywords: [PICK], to: which}]
states:
  which:
    say: "Which?\\n{options}"
    ask: {choice: vouchers, as: mine}
    on: {chosen: reward, none: nothing}
  reward:
    say: "{mine.name} {mine.code} {mine.ends, date}. And now?\\n{all_rewards, list}"
    ask: {choice: all_rewards, as: reward}
    on: {chosen: word}
  word: {say: "{reward.name}. A or B?", ask: {keyword: [A, B], as: letter}, on: {A: done, B: done}}
  done: {say: "{letter}.", final: true}
  nothing: {say: "None.", final: true}
"""


def test_it_lets_the_customer_choose_among_vouchers_rewards_and_keywords() -> None:
    player = Player(shelf(PICK), customer=replace(ALICE, vouchers=(LATTE, COOKIE)))
    assert player.start("pick") == ["Which?\n1 Latte: AAAA-AAAA, Mar 7\n2 Cookie: BBBB-BBBB, Mar 11"]
    assert [(c.key, c.label) for c in player.expects.choices] == [("AAAA-AAAA", "Latte"), ("BBBB-BBBB", "Cookie")]
    assert player.reply("chosen", "BBBB-BBBB")[0].startswith("Cookie BBBB-BBBB Mar 11. And now?\n1 Free cookie")
    assert [c.key for c in player.expects.choices] == ["cookie", "latte", "mug"]
    assert player.reply("chosen", "mug") == ["Mug. A or B?"]
    assert player.reply("B") == ["B."]


def test_it_does_not_offer_what_has_ended() -> None:
    over = replace(LATTE, ends_at=MONDAY)
    assert Player(shelf(PICK), customer=replace(ALICE, vouchers=(over,))).start("pick") == ["None."]


def test_it_does_not_take_the_list_of_one_choice_for_that_of_the_next() -> None:
    quiet = PICK.replace("And now?\\n{all_rewards, list}", "And now?")
    player = Player(shelf(quiet), customer=replace(ALICE, vouchers=(LATTE,)))
    player.start("pick")
    player.reply("chosen", "AAAA-AAAA")
    assert [c.key for c in player.expects.choices] == ["cookie", "latte", "mug"]


@pytest.mark.parametrize("value", [None, 3])
def test_it_takes_a_number_only_with_its_value(value: object) -> None:
    player = Player()
    player.start("survey")
    assert player.reply("given", value) == (["Sorry?"] if value is None else ["Oh."])


def test_it_does_not_understand_a_reply_nobody_waits_for() -> None:
    player = Player()
    assert player.reply("yes") == ["What?"]
    player.start("survey")
    assert player.reply("yes") == ["Sorry?"]


def test_it_counts_an_answer_that_is_not_allowed_as_misunderstood_when_there_are_no_words_for_it() -> None:
    player = Player(customer=replace(ALICE, points=150))
    player.start("redeem")
    assert player.reply("chosen", None, problem="there is no number 9") == ["Sorry?"]


def test_it_falls_back_for_a_flow_that_is_not_there() -> None:
    assert Player().start("no_such") == ["What?"]


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ("{a: {do: {start: no_such}, final: true}}", "there is no flow 'no_such'"),
        ("{a: {do: {award: {points: no_such, reason: x}}, final: true}}", "no award 'no_such'"),
        ("{a: {do: {subscribe: no_such}, final: true}}", "no wording 'no_such'"),
        ("{a: {do: {set: {language: xx}}, final: true}}", "does not speak 'xx'"),
        ("{a: {do: {undo_redeem: true}, final: true}}", "no unused voucher"),
        ("{a: {call: survey, on: {happy: b}}, b: {final: true}}", "no arrow fits 'returned'"),
    ],
)
def test_it_breaks_off_politely_where_a_flow_cannot_be_followed(states: str, words: str) -> None:
    player = Player(shelf(little("odd", "[{keywords: [ODD], to: a}]", states)))
    player.start("odd")
    if player.decision.error is None:
        player.reply("given", 1)
    assert words in (player.decision.error or "")
    assert player.said == ["Something went wrong. Call (201) 555-0100."]


def test_it_survives_broken_words_for_a_crash() -> None:
    player = Player(shelf(little("odd", "[{keywords: [ODD], to: a}]", "{a: {do: {start: no_such}, final: true}}")))
    player.book = replace(player.book, phrases=replace(player.book.phrases, crash=None))
    assert isinstance(player.book.phrases, Phrases)
    assert player.start("odd") == []
    assert "and the words for it" in (player.decision.error or "")


def test_it_goes_back_when_the_flow_handed_on_to_would_not_begin() -> None:
    """To the caller with the outcome, or to the question that was interrupted."""
    closed = little("closed", "[{called: true, if: {tag: nobody}, to: a}]", "{a: {final: true}}")
    over = little("over", "[{keywords: [OVER], called: true, to: a}]", "{a: {do: {start: closed}, final: over}}")
    caller = little(
        "caller",
        "[{keywords: [CALLER], to: a}]",
        "{a: {call: over, on: {over: b, returned: c}}, b: {say: Over., final: true}, c: {say: Returned., final: true}}",
    )
    player = Player(shelf(closed, over, caller))
    assert player.start("caller") == ["Over."]
    player.start("survey")
    assert player.start("over") == ["Back to it: How was it, 1 to 5?"]


def test_it_gives_marketing_up_after_a_week_of_open_questions() -> None:
    news = little(
        "patient", "[{keywords: [P], to: a}]", "{a: {say: 'Yes?', ask: yes_no, on: {yes: b, no: b}}, b: {final: true}}"
    )
    player = Player(shelf(news))
    player.start("patient")
    player.due("news")
    assert player.wait(30 * DAY) == []
    assert player.timers == []
    assert player.decision.steps[-1].outcome == "later"


def test_it_ends_the_callers_of_a_conversation_that_starts_again() -> None:
    menu = little("menu", "[{keywords: [MENU], to: a}]", "{a: {call: survey, on: {returned: b}}, b: {final: true}}")
    player = Player(shelf(menu))
    player.start("menu")
    player.start("survey")
    assert player.outcomes() == {"menu": "restarted", "survey": "restarted"}
    assert player.waits_in == ["survey.score"]


def test_it_ends_all_that_was_called_when_time_is_up() -> None:
    inner = little("inner", "[{called: true, to: a}]", "{a: {call: survey, on: {returned: b}}, b: {final: true}}")
    outer = little(
        "outer",
        "[{keywords: [OUTER], to: a}]",
        "{a: {call: inner, on: {returned: b}, after: {1h: c}}, b: {final: true}, c: {say: Enough., final: true}}",
    )
    player = Player(shelf(inner, outer))
    player.start("outer")
    assert player.waits_in == ["outer.a", "inner.a", "survey.score"]
    assert player.wait(timedelta(hours=1)) == ["Enough."]
    assert player.waits_in == []


def test_it_remembers_and_refers_by_an_attribute() -> None:
    states = "{a: {do: [{remember: {x: 1}}, {record: {event: came, data: {n: {slot: x}}, to: referrer}}], final: true}}"
    player = Player(
        shelf(little("ref", "[{keywords: [REF], to: a}]", states)),
        customer=replace(ALICE, attributes={"referred_by": "q2"}),
    )
    player.start("ref")
    fact = player.effects(fx.RecordFact)[0]
    assert (fact.referral_code, fact.data) == ("Q2", {"n": 1})


def test_it_says_nothing_of_the_customers_that_is_not_known() -> None:
    player = Player(customer=replace(ALICE, name=None))
    turn = Turn(player.book, player.customer, None, stock={}, now=MONDAY)
    values = Values(turn, None, {"problem": "odd"})
    assert values["problem"] == "odd"
    assert values.get("customer.name") is None
    assert "customer.name" not in values
    assert values["customer.phone"] == ALICE.phone
    assert set(values) >= {"points", "tier.name"}
    assert len(values) == len(list(values))
    with pytest.raises(KeyError):
        values["no_such"]


def test_it_names_the_keyword_group_of_a_hint() -> None:
    """A hint at one trigger tries those that share its words, in the file's order, and no others."""
    flow = little(
        "hint",
        "[{keywords: [X], if: {tag: vip}, to: a}, {keywords: [Y], to: b}, {keywords: [X], to: c}]",
        "{a: {say: a, final: true}, b: {say: b, final: true}, c: {say: c, final: true}}",
    )
    player = Player(shelf(flow))
    assert player.start("hint", trigger=0) == ["c"]
    assert player.start("hint", trigger=1) == ["b"]
    assert player.route(Routing("flow", "keyword.exact", flow="hint")) == ["b"]

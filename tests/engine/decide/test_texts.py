"""What a customer's text leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.engine import effects as fx
from bot.engine.events import Media
from bot.engine.routing import Routing
from tests.engine.decide.play import ALICE, Player, little, shelf

RICH = replace(ALICE, points=150)
PATIENT = """
flow: patient
title: Patient
kind: service
start: [{keywords: [PATIENT], to: asking}]
states:
  asking:
    say: "Yes or no?"
    ask: yes_no
    on: {yes: [{if: {tag: vip}, to: done}, {say: "Not yet. Yes or no?"}], no: done}
    misunderstood: ["Pardon?", {say: "Enough.", to: done}]
    after: {1h: done}
  done: {say: "Done.", final: true}
"""
ENDING = PATIENT.replace("flow: patient", "flow: ending").replace('["Pardon?", {say: "Enough.", to: done}]', "[end]")
ASKING = PATIENT.replace("flow: patient", "flow: asking").replace(
    '["Pardon?", {say: "Enough.", to: done}]', "[hand_over]"
)
KEYS = """
flow: keys
title: Keys
kind: service
start: [{keywords: [KEYS], to: drink}]
states:
  drink:
    say: "Which?\\n{options}"
    ask: {choice: [{key: coffee, en: Coffee, es: Cafe, words: [latte]}, {key: tea, en: Tea}], as: likes}
    on: {coffee: {do: {set: {favourite: {slot: likes}}}, to: done}, tea: done}
  done: {say: "{likes} it is.", final: true}
"""
SKIP = """
flow: skip
title: Skip
kind: service
start: [{keywords: [NAME], to: name}]
states:
  name:
    say: "Your name?"
    ask: {text: {max: 30}, as: name}
    listen: {SKIP: skipped}
    on: {given: {do: {set: {name: {slot: name}}}, to: done}}
  done: {say: "Hello {customer.name}.", final: true}
  skipped: {say: "Skipped.", final: true}
"""


def test_it_answers_a_keyword_and_keeps_nothing_open() -> None:
    player = Player(customer=RICH)
    assert player.start("balance") == ["You have 150 points."]
    assert player.sent[0].purpose == "reply"
    assert player.waits_in == []
    assert player.outcomes() == {"balance": "done"}


def test_it_takes_the_first_trigger_whose_guard_holds_and_notes_the_refused() -> None:
    player = Player()
    assert player.start("redeem", trigger=0) == ["Too few."]
    assert player.decision.steps[0].refused == ("reward in reach",)
    assert player.decision.steps[0].place == "redeem.yaml:7"


def test_it_falls_back_when_no_trigger_lets_the_customer_in() -> None:
    guarded = little("vips", "[{keywords: [VIP], if: {tag: vip}, to: a}]", "{a: {final: true}}")
    player = Player(shelf(guarded))
    assert player.start("vips") == ["What?"]


def test_it_puts_what_follows_the_keyword_into_the_slot() -> None:
    player = Player(customer=replace(ALICE, consent="none"))
    player.route(Routing("opt_in", "compliance.start", flow="join", argument="ANA42"))
    assert player.customer.conversations[0].slots == {"code": "ANA42"}


def test_it_takes_the_reply_to_the_open_question() -> None:
    player = Player()
    player.start("survey")
    assert player.reply("given", 5) == ["Great!"]
    assert player.effects(fx.RecordFact)[0].data == {"score": 5}
    assert player.waits_in == []


def test_it_says_invalid_without_counting_a_misunderstanding() -> None:
    player = Player()
    player.start("survey")
    assert player.reply("given", 9, problem="too high") == ["From 1 to 5, please."]
    assert player.customer.conversations[0].misses == 0
    assert player.waits_in == ["survey.score"]


def test_it_says_the_common_misunderstood_texts_and_then_asks_for_a_person() -> None:
    player = Player()
    player.start("survey")
    assert [player.gibberish(), player.gibberish()] == [["Sorry?"], ["Once more?"]]
    assert player.gibberish() == ["A person will read this."]
    assert player.effects(fx.RequestPerson)
    assert player.outcomes() == {"survey": "handed_over"}


def test_it_forgets_misunderstandings_once_it_understands() -> None:
    player = Player(shelf(PATIENT))
    player.start("patient")
    player.gibberish()
    assert player.reply("yes") == ["Not yet. Yes or no?"]
    assert player.customer.conversations[0].misses == 0
    assert player.gibberish() == ["Pardon?"]


@pytest.mark.parametrize(
    ("flow", "said", "outcome"),
    [
        (PATIENT, ["Pardon?", "Enough.\nDone."], "done"),
        (ENDING, [""], "done"),
        (ASKING, ["A person will read this."], "handed_over"),
    ],
)
def test_it_gives_up_as_the_state_says(flow: str, said: list[str], outcome: str) -> None:
    """An arrow, `end` or `hand_over` after the state's own texts."""
    player = Player(shelf(flow))
    player.start(flow.split()[1])
    assert ["".join(player.gibberish()) for _ in said] == said
    assert list(player.outcomes().values()) == [outcome]


def test_it_stores_the_key_of_a_fixed_answer_and_says_its_label() -> None:
    player = Player(shelf(KEYS), customer=replace(ALICE, language="es", language_chosen=True))
    assert player.start("keys") == ["Which?\n1 Cafe\n2 Tea"]
    assert player.reply("coffee") == ["Cafe it is."]
    assert player.customer.attributes == {"favourite": "coffee"}


def test_it_hears_listen_words_before_the_question() -> None:
    player = Player(shelf(SKIP))
    player.start("skip")
    assert player.expects.listen == ("SKIP",)
    assert player.reply("SKIP") == ["Skipped."]
    player.start("skip")
    assert player.reply("given", "Ana") == ["Hello Ana."]


def test_it_counts_texts_nobody_understands_and_then_asks_for_a_person() -> None:
    player = Player()
    assert [player.gibberish(), player.gibberish()] == [["What?"], ["Really, what?"]]
    assert player.gibberish() == ["A person will read this."]
    assert player.effects(fx.RequestPerson)
    assert player.gibberish() == ["What?"]


def test_it_counts_only_those_in_a_row() -> None:
    player = Player()
    player.gibberish()
    player.start("balance")
    assert player.gibberish() == ["What?"]


@pytest.mark.parametrize("decision", ["ignore", "hold"])
def test_it_leaves_tapbacks_and_held_customers_alone(decision: str) -> None:
    player = Player()
    player.start("survey")
    player.gibberish()
    before = player.customer
    assert player.route(Routing(decision, "x")) == []  # type: ignore[arg-type]
    assert player.decision.effects == ()
    assert player.customer == before


def test_it_thanks_for_a_picture_without_words() -> None:
    player = Player()
    picture = (Media("https://example.test/1", "image/jpeg"),)
    assert player.route(Routing("fallback", "fallback"), body=" ", media=picture) == ["Nice picture."]
    assert "_fallbacks" not in player.customer.attributes


def test_it_answers_in_the_language_the_customer_wrote_in() -> None:
    """Until they choose one; English words everybody uses do not turn it back."""
    player = Player()
    said = little("hi", "[{keywords: [HI], to: a}]", "{a: {say: {en: Hello, es: Hola}, final: true}}")
    player.book = shelf(said)
    assert player.start("hi", language="es") == ["Hola"]
    assert player.sent[0].language == "es"
    assert player.start("hi", language="en") == ["Hola"]
    player.customer = replace(player.customer, language_chosen=True)
    assert player.start("hi", language="es") == ["Hello"]


def test_it_joins_short_texts_and_keeps_long_ones_apart() -> None:
    long = "x" * 200
    texts = little(
        "two",
        "[{keywords: [TWO], to: a}]",
        f"{{a: {{say: '{long}', go: b}}, b: {{say: '{long}', go: c}}, c: {{say: Bye, final: true}}}}",
    )
    player = Player(shelf(texts))
    assert player.start("two") == [long, f"{long}\nBye"]
    assert [message.segments for message in player.sent] == [2, 2]


def test_it_folds_accents_when_the_shop_wants_the_cheap_alphabet() -> None:
    player = Player(shelf(little("hi", "[{keywords: [HI], to: a}]", "{a: {say: Más, final: true}}")))
    assert player.start("hi") == ["Mas"]
    assert player.sent[0].encoding == "GSM-7"


def test_it_expects_nothing_when_nothing_is_open() -> None:
    assert Player().expects is None


def test_it_expects_choices_in_the_customers_language() -> None:
    player = Player(customer=replace(RICH, language="es", language_chosen=True))
    player.start("redeem")
    expected = player.expects
    assert (expected.flow, expected.state, expected.ask.kind) == ("redeem", "choosing", "choice")
    assert [(c.key, c.label) for c in expected.choices] == [
        ("cookie", "Galleta gratis"),
        ("latte", "Latte gratis"),
        ("mug", "Taza"),
    ]

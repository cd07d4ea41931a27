"""The order in which a text is read, on a few small flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.engine.definition import Ask, Flow, Trigger
from bot.engine.route import Router
from bot.engine.routing import Routing, as_line
from bot.engine.standing import Expectation
from bot.lexicon import load
from tests.engine.routing.standing import EXPECTATIONS, HERE, standing


def _flow(name: str, *triggers: Trigger, intent: str | None = None) -> Flow:
    return Flow(name, name, "service", triggers, {}, HERE, digest="", intent=intent or name)


def _trigger(keywords: Mapping[str, tuple[str, ...]] | None = None, **more: Any) -> Trigger:
    return Trigger("begin", HERE, keywords=keywords or {}, **more)


FLOWS = {
    flow.name: flow
    for flow in (
        _flow("leave", _trigger(compliance="stop"), intent="stop"),
        _flow("unsure", _trigger(compliance="unsure")),
        _flow("help", _trigger({"es": ("AYUDA",)}, compliance="help", questions={"en": ("what can i text",)})),
        _flow("join", _trigger({"en": ("JOIN",)}, compliance="start", takes="code"), _trigger({"en": ("SIGN UP",)})),
        _flow(
            "balance",
            _trigger(
                {"en": ("BALANCE", "POINTS"), "es": ("SALDO",)},
                questions={"en": ("how many points do i have",), "es": ("cuántos puntos tengo",)},
            ),
        ),
        _flow("redeem", _trigger({"en": ("REDEEM", "REWARDS")}, questions={"en": ("what can i get with my points",)})),
        _flow("checkin", _trigger({"en": ("CHECK IN", "HERE")}, takes="code")),
        _flow("hours", _trigger({"en": ("PLACES",)}), intent="info"),
        _flow("prices", _trigger({"en": ("PRICES",)})),
    )
}
ROUTER = Router(load(), FLOWS)


def route(text: str, **changes: Any) -> Routing:
    return ROUTER.route(text, standing(**changes))


def test_twilios_reading_wins_over_ours() -> None:
    """OptOutType decides whatever the text says, and is named as the carrier's."""
    for kind, decision in (("STOP", "opt_out"), ("START", "opt_in"), ("HELP", "help")):
        found = route("BALANCE", opt_out_type=kind)
        assert (found.decision, found.rule) == (decision, f"carrier.{kind.lower()}")
        assert found.flow in ("leave", "join", "help")


@pytest.mark.parametrize("state", [None, *EXPECTATIONS])
@pytest.mark.parametrize("text", ["STOP", "cancel", "END", "Quit!", "stop texting me", "take me off your list"])
def test_nothing_comes_before_leaving(text: str, state: str | None) -> None:
    """In the middle of any conversation, held by a person or not."""
    for held in (False, True):
        found = route(text, state=state, held=held)
        assert (found.decision, found.flow, found.intent) == ("opt_out", "leave", "stop")


@pytest.mark.parametrize("state", [None, *EXPECTATIONS])
def test_help_is_heard_everywhere(state: str | None) -> None:
    """Also when a name is asked for, and after leaving."""
    assert route("HELP", state=state).decision == "help"
    assert route("AYUDA", consent="unsubscribed").decision == "help"
    assert route("AYUDA").language == "es"


@pytest.mark.parametrize(
    "text", ["YES", "balance", "how many points do i have", "1", "subscribe", "SIGN UP", "hello", "too many texts"]
)
def test_nothing_but_start_join_unstop_brings_back(text: str) -> None:
    """A customer who left is left alone."""
    found = route(text, consent="unsubscribed")
    assert (found.decision, found.rule) == ("ignore", "opted_out")


@pytest.mark.parametrize("text", ["START", "unstop", "Join", "JOIN please", "JOIN ANA42"])
def test_start_join_unstop_bring_back(text: str) -> None:
    """In any case, politely, with a friend's code."""
    found = route(text, consent="unsubscribed")
    assert (found.decision, found.flow, found.intent) == ("opt_in", "join", "join")
    assert route("jion", consent="unsubscribed").decision == "ignore"


def test_a_doubt_is_asked_once() -> None:
    """What was doubtful is a wish to leave when it is said again; staying is a reply or a flow."""
    assert route("too many texts").decision == "opt_out_confirm"
    again = route("too many texts", doubt=True)
    assert (again.decision, again.rule) == ("opt_out", "opt_out.doubt")
    asking = Expectation("unsure", "asking", Ask("yes_no", HERE), (), ("STAY",))
    stays = route("stay", doubt=True, expectation=asking)
    assert (stays.decision, stays.outcome) == ("reply", "STAY")
    assert route("don't stop", doubt=True).decision == "fallback"


def test_an_old_doubt_does_not_turn_another_answer_into_leaving() -> None:
    """ "I don't want it" says no to a reward, whatever was doubted last week; asked about leaving, it leaves."""
    assert route("I don't want it", doubt=True, state="redeem:confirming").outcome == "no"
    asking = Expectation("unsure", "asking", Ask("yes_no", HERE), (), ())
    assert route("I don't want it", doubt=True, expectation=asking).decision == "opt_out"
    assert route("I don't want it", doubt=True).decision == "opt_out"


def test_a_person_who_holds_is_not_interrupted() -> None:
    """After compliance comes the person."""
    assert route("balance", held=True).decision == "hold"
    assert route("HELP", held=True).decision == "help"
    assert route("JOIN ANA42", held=True).decision == "hold"
    assert route("START", held=True, consent="unsubscribed").decision == "opt_in"
    assert route("ok thanks!", held=True).rule == "held.thanks"
    for doubtful in ("too many texts", "🛑"):
        assert (route(doubtful, held=True).decision, route(doubtful, held=True).rule) == ("hold", "held.doubt")


@pytest.mark.parametrize(
    "text",
    ["Liked “Reply STOP to end”", "Reacted 😂 to “Reply STOP”", "Le gustó “BAJA”", "👍 to “Hi”", "Loved an image"],
)
def test_tapbacks_answer_nothing(text: str) -> None:
    """The quoted words are ours."""
    assert (route(text).decision, route(text).rule) == ("ignore", "tapback")


def test_thanks_is_no_tapback() -> None:
    """Without a quotation somebody means what they say."""
    assert route("Liked it, thanks!").decision == "fallback"


def test_the_open_question_comes_before_keywords() -> None:
    """A yes, a number, a heard keyword."""
    yes = route("yes please", state="redeem:confirming")
    assert (yes.decision, yes.rule, yes.outcome, yes.intent) == ("reply", "reply.yes_no", "yes", "yes")
    one = route("1", state="redeem:choosing")
    assert (one.outcome, one.value, one.intent) == ("chosen", "latte", "choice")
    undo = route("undo", state="redeem:redeemed")
    assert (undo.decision, undo.outcome, undo.intent) == ("reply", "UNDO", "undo")


def test_an_exact_keyword_comes_before_a_free_answer() -> None:
    """BALANCE is not a name; nor is a whole question; Will and Faith are."""
    assert route("balance", state="profile:naming").intent == "balance"
    assert route("how many points do i have", state="profile:naming").intent == "balance"
    assert route("Faith", state="profile:naming").value == "Faith"


def test_cancel_that_answers_an_open_question_first() -> None:
    """With nothing open it is asked back."""
    assert route("cancel that", state="redeem:confirming").outcome == "no"
    assert route("cancel that").decision == "opt_out_confirm"


def test_a_keyword_takes_what_follows() -> None:
    """As written; words that are no code make it no keyword."""
    found = route("Check in 4821")
    assert (found.flow, found.argument) == ("checkin", "4821")
    assert route("JOIN with code K7MR2XW").argument == "K7MR2XW"
    assert route("here we go again").decision == "fallback"


def test_it_guesses_a_long_keyword_and_no_short_one() -> None:
    """One slip in five letters or more; close calls between two flows are refused."""
    found = route("balancee")
    assert found.intent == "balance"
    assert (route("rewrads").intent, route("saldoo").intent) == ("redeem", "balance")
    assert route("pint").decision == "fallback"
    assert route("pricces").flow == "prices"
    refused = route("plices")
    assert refused.decision == "fallback"
    assert refused.runner_up is not None


def test_it_reads_questions_word_by_word() -> None:
    """Order, politeness and slips do not matter; the language is noted."""
    found = route("hey, can you tell me how mny points i have pls")
    assert (found.decision, found.rule, found.intent) == ("flow", "question", "balance")
    assert route("¿Cuántos puntos tengo?").language == "es"
    assert route("what can i text?").decision == "help"


def test_what_is_not_understood_falls_back_with_its_best_guess() -> None:
    """A number with nothing open, a greeting, a picture."""
    assert route("2").decision == "fallback"
    assert route("", has_media=True).rule == "picture"
    assert route("").rule == "empty"
    assert route("so many people bring points of view about weather").runner_up is not None


def test_it_prints_a_line_with_stable_keys() -> None:
    """The command line's door."""
    line = as_line("BALANCE", route("BALANCE"))
    assert line == {
        "text": "BALANCE", "decision": "flow", "flow": "balance", "intent": "balance",
        "rule": "keyword.exact", "score": 1.0, "runner_up": None,
    }  # fmt: skip


def test_it_works_without_any_flow() -> None:
    """Compliance needs no flow file."""
    bare = Router(load(), {})
    assert bare.route("STOP", standing()).decision == "opt_out"
    assert bare.route("hello", standing()).decision == "fallback"


STATES = st.sampled_from([None, *EXPECTATIONS])
PATTERN_WORDS = ["stop", "the", "list", "you", "text", "me", "more", "no", "don't", "off", "my", "of", "want"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), STATES, st.booleans())
@example("(" * 1600, None, False)
@example("stop " * 320, None, False)
@example("\u0000\ud7ff\U0010ffff", "redeem:choosing", True)
@example("9" * 1600, "redeem:choosing", False)
@example("1/1/1/1/1/" * 160, "profile:birthday", False)
@example("@" * 1600, None, False)
def test_it_never_raises(text: str, state: str | None, doubt: bool) -> None:
    """Whatever a phone sends gets a decision."""
    assert route(text, state=state, doubt=doubt).decision


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PATTERN_WORDS), max_size=320))
def test_words_of_the_patterns_in_any_order_do_not_hang(words: list[str]) -> None:
    """Bounded gaps keep matching linear; a time limit of the test run guards this."""
    assert route(" ".join(words)).decision


@given(
    st.sampled_from(["stop", "unsubscribe", "cancel", "end", "quit"]),
    st.integers(0, 9),
    st.characters(categories=["Ll"], max_codepoint=122),
)
def test_one_wrong_letter_leaves_only_when_it_is_listed(word: str, at: int, letter: str) -> None:
    """Likeness never decides: a changed word leaves only by the written lists."""
    at %= len(word)
    changed = word[:at] + letter + word[at + 1 :]
    found = route(changed)
    if found.decision == "opt_out":
        known = load().compliance.get(load().words(changed))
        assert known is not None
        assert known.kind == "stop"


@pytest.mark.parametrize(
    ("text", "flow"), [("look", None), ("Show", None), ("check me in", "checkin"), ("joing", "join")]
)
def test_one_word_that_may_stand_for_another_says_no_phrase(text: str, flow: str | None) -> None:
    """Under a picture one writes "look": that is not "check me in". The phrase itself is, and so is a slip."""
    asked = {"en": ("check me in",)}
    flows = {
        "join": _flow("join", _trigger(questions={"en": ("i want to join", "joining")})),
        "checkin": _flow("checkin", _trigger({"en": ("CHECK IN",)}, questions=asked)),
    }
    assert Router(load(), flows).route(text, standing()).flow == flow

"""What must hold of flows and of all flows together is proved, and each breach is found at its place."""

from __future__ import annotations

import pytest

from bot.engine.language import read_flow
from bot.engine.prover import prove
from tests.engine.language.shop import GOOD, HELP, START, STOP, check, lines, phrases, programme

HEAD = "flow: f\ntitle: F\nkind: service\nstart: [{keywords: [GO], to: a}]\nstates:\n"


def breaches(states: str, head: str = HEAD) -> list[str]:
    """Prove the good flows and one more; its states begin on line 6."""
    return lines(check({"f": head + states}), "f.yaml")


def test_it_finds_nothing_wrong_with_good_flows() -> None:
    assert check({}) == []


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param("  a: {go: b}\n", ["6:11 error unknown-state"], id="unknown state"),
        pytest.param(
            "  a: {final: true}\n  b: {final: true}\n", ["7:3 error unreachable-state"], id="nobody comes here"
        ),
        pytest.param(
            "  a: {ask: yes_no, on: {yes: a, no: {say: No}}, after: {2h: a}}\n",
            ["6:3 error no-way-out", "6:43 warning missing-language -> es"],
            id="no end",
        ),
        pytest.param("  a: {go: b}\n  b: {go: a}\n", ["6:3 error circle", "6:3 error no-way-out"], id="circle"),
        pytest.param("  a: {listen: {UP: end}}\n", ["6:3 warning waits-forever"], id="waits for ever"),
        pytest.param("  a: {go: {do: {tag: x}}}\n", ["6:11 error missing-to"], id="go nowhere"),
        pytest.param("  a: {do: {start: jion}, final: true}\n", ["6:12 error unknown-flow -> join"], id="unknown flow"),
        pytest.param("  a: {do: {start: help}, final: true}\n", ["6:12 error not-callable"], id="not callable"),
        pytest.param(
            "  a: {do: {subscribe: jion}, final: true}\n", ["6:12 error unknown-wording -> join"], id="wording"
        ),
        pytest.param("  a: {do: {award: welcom}, final: true}\n", ["6:12 error unknown-award -> welcome"], id="award"),
        pytest.param("  a: {go: [{if: {tier: glod}, to: end}, end]}\n", ["6:17 error unknown-tier -> gold"], id="tier"),
        pytest.param(
            "  a: {go: [{if: {language: eng}, to: end}, end]}\n", ["6:17 error unknown-language -> en"], id="language"
        ),
        pytest.param(
            "  a: {go: [{if: {used: wellcome}, to: end}, end]}\n", ["6:17 error unknown-once-key"], id="once key"
        ),
        pytest.param("  a: {do: {forget: x}, final: true}\n", ["6:12 error unknown-reminder"], id="reminder"),
        pytest.param("  a: {do: {redeem: reward}, final: true}\n", ["6:12 error unknown-slot"], id="slot nobody sets"),
    ],
)
def test_it_finds_names_and_paths_that_lead_nowhere(states: str, expected: list[str]) -> None:
    found = breaches(states)
    assert [entry for entry in expected if entry not in found] == []
    assert len(found) <= len(expected) + 1


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        ("{pionts, points}", "6:18 error unknown-variable -> points"),
        ("Hi {custmer.name}!", "6:21 error unknown-variable -> customer.name"),
        ("{shop.nam}", "6:18 error unknown-variable -> shop.name"),
        ("{award.welcom, points}", "6:18 error unknown-variable -> award.welcome"),
        ("{wording.jion}", "6:18 error unknown-variable -> wording.join"),
        ("{customer.nmae}", "6:18 warning unknown-attribute -> customer.name"),
        ("{options}", "6:18 error variable-place"),
        ("{question}", "6:18 error variable-place"),
    ],
)
def test_it_finds_variables_that_do_not_exist(say: str, expected: str) -> None:
    assert breaches(f'  a: {{say: {{en: "{say}", es: Si}}, final: true}}\n') == [expected]


def test_it_finds_slots_that_cannot_have_been_set_yet() -> None:
    """An answer given later, or on another way, is not known here."""
    states = """\
  a: {say: {en: "{score}", es: "{score}"}, go: b}
  b: {ask: {number: true, as: score}, on: {given: c}, after: {2h: d}}
  c: {say: {en: "{score}", es: "{score}"}, final: true}
  d: {do: {record: {event: x, data: {y: {slot: score}}}}, final: true}
"""
    found = [entry for entry in breaches(states) if "slot" in entry]
    assert found == ["6:18 error slot-before-set", "6:33 error slot-before-set", "9:12 error slot-before-set"]


def test_it_knows_slots_that_remember_and_the_keyword_set() -> None:
    head = HEAD.replace("[GO]", "[GO], takes: code")
    states = """\
  a: {do: {remember: {x: 1}}, say: {en: "{code}{x}", es: Si}, go: [{if: {slot: {x: 1}}, to: end}, end]}
"""
    assert breaches(states, head) == []


def test_it_finds_parts_that_an_answer_does_not_have() -> None:
    states = """\
  a:
    ask: {choice: rewards_in_reach, as: gift}
    on: {chosen: b, none: end}
    after: {2h: end}
  b: {say: {en: "{gift.name} {gift.price}", es: Si}, final: true}
"""
    assert breaches(states) == ["10:30 error unknown-variable -> gift.name"]


def test_it_finds_a_slot_that_hides_a_variable() -> None:
    states = "  a: {ask: {number: true, as: points}, on: {given: end}, after: {2h: end}}\n"
    assert breaches(states) == ["6:12 error slot-name"]


def test_it_measures_texts_in_their_worst_case() -> None:
    """Two segments are free, three are warned of, and no message is longer than a carrier takes."""
    two, three, huge = "x" * 300, "x" * 320, "x" * 1590
    assert breaches(f"  a: {{say: {{en: {two}, es: Si}}, final: true}}\n") == []
    assert breaches(f"  a: {{say: {{en: {three}, es: Si}}, final: true}}\n") == ["6:17 warning text-long"]
    states = f'  a: {{say: {{en: "{huge} {{wording.join}}", es: Si}}, final: true}}\n'
    assert breaches(states) == ["6:18 error text-too-long"]


def test_it_names_the_character_that_makes_a_text_dear() -> None:
    findings = check({"f": HEAD + "  a: {say: {en: Hi ☕, es: Sí}, final: true}\n"})
    assert [(f.code, "☕ (U+2615)" in f.message) for f in findings] == [("text-ucs2", True)]


def test_it_warns_of_a_language_that_is_missing_or_not_spoken() -> None:
    states = "  a: {say: {en: Hi, fr: Salut}, final: true}\n"
    assert breaches(states) == [
        "6:17 warning missing-language -> es",
        "6:25 warning unknown-language",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param(
            "stop", STOP.replace("do: {unsubscribe: true}, ", ""), "7:3 error stop-without-unsubscribe", id="stays in"
        ),
        pytest.param(
            "stop",
            STOP.replace(", final: true", ", go: more") + "  more: {say: Bye, final: true}\n",
            "8:3 error stop-says-more",
            id="two texts",
        ),
        pytest.param(
            "stop",
            STOP.replace("unsubscribe: true", "unsubscribe: true, award: welcome"),
            "7:33 error stop-does-more",
            id="points on the way out",
        ),
        pytest.param(
            "stop",
            STOP.replace("final: true", "ask: yes_no, on: {yes: end, no: end}, after: {2h: end}"),
            "7:3 error stop-goes-on",
            id="a question",
        ),
        pytest.param(
            "stop",
            STOP.replace(', say: {en: "{shop.name}: you are out.", es: "{shop.name}: listo."}', ""),
            "5:5 error stop-silent",
            id="silence",
        ),
        pytest.param(
            "stop",
            STOP.replace("to: out", "if: {points: {at_least: 1}}, to: out"),
            "5:5 error compliance-guarded",
            id="guarded",
        ),
        pytest.param(
            "stop", STOP.replace("kind: service", "kind: marketing"), "5:5 error compliance-kind", id="marketing"
        ),
        pytest.param(
            "help", HELP.replace("say:", "do: {subscribe: join}, say:"), "7:16 error consent-changed", id="help"
        ),
        pytest.param(
            "join",
            START.replace("after: {24h: end}", "after: {24h: in}"),
            "14:11 error consent-by-silence",
            id="silence is no consent",
        ),
        pytest.param(
            "f", HEAD.replace("GO", "CANCEL") + "  a: {final: true}\n", "4:20 error compliance-word", id="keyword"
        ),
        pytest.param(
            "f", HEAD + "  a: {listen: {Stop: end}, after: {2h: end}}\n", "6:22 error compliance-word", id="listen"
        ),
        pytest.param(
            "f",
            HEAD.replace("keywords: [GO]", "compliance: help") + "  a: {final: true}\n",
            "4:9 error compliance-twice",
            id="twice",
        ),
        pytest.param(
            "f",
            HEAD.replace("keywords: [GO]", "schedule: {every: day, at: '10:00'}, if: {points: 5}")
            + "  a: {do: {subscribe: join}, final: true}\n",
            "6:12 error consent-by-schedule",
            id="a schedule is no consent",
        ),
        pytest.param(
            "f",
            HEAD.replace("keywords: [GO]", "schedule: {every: day, at: '10:00'}, if: {points: 5}")
            + "  a: {final: true}\n",
            "4:9 error scheduled-service",
            id="unasked texts are marketing",
        ),
        pytest.param(
            "f",
            HEAD.replace("service", "marketing") + "  a: {final: true}\n",
            "1:1 warning marketing-asked-for",
            id="an answer is no marketing",
        ),
    ],
)
def test_it_keeps_the_law(name: str, text: str, expected: str) -> None:
    assert expected in lines(check({name: text}), f"{name}.yaml")


def test_it_misses_a_compliance_flow() -> None:
    flows = {
        n: flow for n, text in GOOD.items() if n != "help" and (flow := read_flow(text, f"{n}.yaml")[0]) is not None
    }
    codes = [finding.code for finding in prove(flows, programme(), phrases())]
    assert codes == ["compliance-missing"]


def test_it_lets_a_repeated_stop_pass_in_silence() -> None:
    """A second STOP is recorded and needs no second text."""
    text = STOP.replace("to: out", "to: begin") + (
        "  begin: {go: [{if: {consent: unsubscribed}, to: again}, out]}\n"
        "  again: {do: {unsubscribe: true}, final: true}\n"
    )
    assert check({"stop": text}) == []


def test_it_finds_two_flows_with_the_same_keyword() -> None:
    other = HEAD.replace("flow: f", "flow: g").replace("[GO]", "[go!]") + "  a: {final: true}\n"
    findings = check({"f": HEAD + "  a: {final: true}\n", "g": other})
    assert lines(findings, "g.yaml") == ["4:9 error keyword-collision"]
    guarded = other.replace("to: a", "if: {tag: vip}, to: a")
    assert check({"f": HEAD + "  a: {final: true}\n", "g": guarded}) == []


def test_it_finds_a_trigger_that_is_never_reached() -> None:
    text = HEAD.replace("to: a}", "to: a}, {keywords: [Go], to: a}") + "  a: {final: true}\n"
    assert lines(check({"f": text}), "f.yaml") == ["4:34 error trigger-unreachable"]


CALLER = """\
flow: {name}
title: C
kind: service
start: [{{called: true, to: a}}, {{keywords: [{name}], to: a}}]
states:
  a: {{call: {other}, on: {{returned: end}}}}
"""


def test_it_finds_calls_in_a_circle() -> None:
    files = {"f": CALLER.format(name="f", other="g"), "g": CALLER.format(name="g", other="f")}
    codes = {finding.code for finding in check(files)}
    assert codes == {"call-circle", "start-circle"}


def test_it_checks_the_outcomes_of_a_called_flow() -> None:
    called = "flow: g\ntitle: G\nkind: service\nstart: {called: true, to: a}\nstates:\n  a: {final: happy}\n"
    caller = HEAD + "  a: {call: g, on: {hapy: end}}\n"
    assert lines(check({"f": caller, "g": called}), "f.yaml") == [
        "6:3 error missing-outcome -> happy",
        "6:27 error unknown-outcome -> happy",
    ]


def test_it_takes_broken_flows_for_being_there() -> None:
    """A mistake in one file does not make the files that name it wrong."""
    broken = "flow: g\ntitle: [\n"
    caller = HEAD + "  a: {do: {start: g}, final: true}\n"
    assert lines(check({"f": caller, "g": broken}), "f.yaml") == []


def test_it_takes_what_is_known_of_a_fact_for_slots() -> None:
    """What a purchase or another flow's `record` tells is known; what comes from outside may tell anything."""
    head = HEAD.replace("keywords: [GO]", "event: purchase_recorded")
    states = '  a: {say: {en: "{amount_minor, money}{table}", es: Si}, final: true}\n'
    assert breaches(states, head) == ["6:39 error unknown-variable"]
    assert breaches(states, head.replace("purchase_recorded", "guest_seated")) == []


def test_it_finds_a_value_that_a_slot_never_holds() -> None:
    """What only `remember` and fixed choices set can hold nothing else."""
    states = "  a: {do: {remember: {x: asked}}, go: [{if: {slot: {x: aksed}}, to: end}, end]}\n"
    assert breaches(states) == ["6:45 error unknown-value -> asked"]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("  a: {go: [{if: {name: knwon}, to: end}, end]}\n", "6:24 warning suspicious-value -> known"),
        ("  a: {do: {set: {langauge: en}}, final: true}\n", "6:18 warning suspicious-attribute -> language"),
    ],
)
def test_it_warns_where_any_word_may_stand_but_one_was_probably_meant(states: str, expected: str) -> None:
    assert breaches(states) == [expected]

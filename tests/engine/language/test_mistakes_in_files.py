"""Mistakes in one file are found with their line, column and a near word."""

from __future__ import annotations

import pytest

from bot.engine.language import parse_predicate, read_flow, read_phrases, read_programme
from tests.engine.language.shop import PHRASES, PROGRAMME, check, lines

HEAD = "flow: f\ntitle: F\nkind: service\nstart: {keywords: [GO], to: a}\nstates:\n"


def found(text: str) -> list[str]:
    return lines(read_flow(text, "f.yaml")[1], "f.yaml")


def state(body: str) -> list[str]:
    """Read a flow whose one state has this body, from line 7 and column 5 on."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    return found(f"{HEAD}  a:\n{indented}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "1:1 error empty-file", id="empty"),
        pytest.param("just words", "1:1 error wrong-type", id="no table"),
        pytest.param("a: [1\nb: 2", "2:2 error yaml-syntax -> put texts with [ ] in quotes", id="open bracket"),
        pytest.param("flow: f: g", "1:8 error yaml-syntax -> put the text in quotes", id="colon in a text"),
        pytest.param("flow:\n\tx: 1", "2:1 error yaml-syntax -> use spaces", id="tab"),
        pytest.param("say: 'x", "1:8 error yaml-syntax -> close the quote", id="open quote"),
        pytest.param("flow: \x07", "1:7 error yaml-syntax", id="control character"),
        pytest.param("x: " + "[" * 40, "1:35 error too-deep", id="too deep"),
        pytest.param("x: " + "y" * 300_000, "1:1 error too-large", id="too large"),
        pytest.param("--- {}\n--- {}\n", "2:1 error yaml-documents", id="two documents"),
    ],
)
def test_it_finds_what_is_no_yaml(text: str, expected: str) -> None:
    assert expected in found(text)


def test_asking_again_needs_a_question() -> None:
    """`handed_back: ask_again` in a flow that asks nothing is a mistake, and so is a way that does not exist."""
    head = HEAD.replace("kind: service\n", "kind: service\nhanded_back: ask_again\n")
    assert found(f"{head}  a: {{say: Hi, final: true}}\n") == ["4:1 error needless-key"]
    assert found(f"{head}  a: {{say: Hi?, ask: yes_no, on: {{yes: end, no: end}}}}\n") == []
    wrong = head.replace("ask_again", "resme")
    assert found(f"{wrong}  a: {{say: Hi, final: true}}\n") == ["4:14 error unknown-way -> resume"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flow: f\nflow: f\n", "2:1 error duplicate-key"),
        ("flow: &x f\n", "1:7 error yaml-anchor"),
        ("flow: f\ntitle: *x\n", "2:8 error yaml-alias"),
        ("flow: !!str f\n", "1:7 error yaml-tag"),
        ("[a, b]: f\n", "1:1 error yaml-key"),
    ],
)
def test_it_refuses_yaml_that_hides_things(text: str, expected: str) -> None:
    assert expected in found(text)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("final: true\nsey: Hi", "8:5 error unknown-key -> say", id="unknown key"),
        pytest.param("final: false", "7:12 error wrong-type", id="final: false"),
        pytest.param("final: yes", "", id="an outcome called yes"),
        pytest.param("say: Hi", "7:5 error no-way-out", id="no way out"),
        pytest.param("say: ''\nfinal: true", "7:11 error wrong-type", id="empty text"),
        pytest.param("say: {points}\nfinal: true", "7:10 error unquoted-text -> put the text in quotes", id="braces"),
        pytest.param("say: {en: Hi, sp: Hola}\nfinal: true", "", id="a language the shop may speak"),
        pytest.param("say: {en: Hi, spanish: Hola}\nfinal: true", "7:19 error unknown-language -> es", id="language"),
        pytest.param("say: {es: Hola}\nfinal: true", "7:10 error missing-english", id="no English"),
        pytest.param("say: Hi {points\nfinal: true", "7:20 error template-syntax", id="open brace in a text"),
        pytest.param("say: '{points, pts}'\nfinal: true", "7:11 error template-syntax", id="unknown format"),
        pytest.param("say: |\n  One\n  Two {points, pts}\nfinal: true", "9:11 error template-syntax", id="in a block"),
        pytest.param("say: >-\n  One\n  Two {points, pts}\nfinal: true", "9:11 error template-syntax", id="folded"),
        pytest.param("say: [{if: {tag: a}, en: Hi}]\nfinal: true", "7:11 error text-no-default", id="no default text"),
        pytest.param("say: [Hi, Ho]\nfinal: true", "7:11 error text-unreachable", id="hidden case"),
        pytest.param("do: {tagg: a}\nfinal: true", "7:10 error unknown-action -> tag", id="unknown action"),
        pytest.param("do: [undo_redem]\nfinal: true", "7:10 error unknown-action -> undo_redeem", id="bare action"),
        pytest.param("do: {unsubscribe: yes}\nfinal: true", "7:23 error wrong-type -> true", id="yes is a word"),
        pytest.param("do: tag\nfinal: true", "7:9 error missing-argument", id="action without arguments"),
        pytest.param("do: {award: {points: 5}}\nfinal: true", "7:17 error missing-argument", id="no reason"),
        pytest.param("do: {award: {ponits: 5}}\nfinal: true", "7:18 error unknown-argument -> points", id="argument"),
        pytest.param("do: {award: 0}\nfinal: true", "7:17 error out-of-range", id="no points"),
        pytest.param(
            "do: {award: {points: 5, reason: x, per: day}}\nfinal: true", "7:17 error missing-argument", id="per, once"
        ),
        pytest.param("do: {set: {consent: yes}}\nfinal: true", "7:16 error reserved-attribute", id="set consent"),
        pytest.param("do: {set: {frequency: les}}\nfinal: true", "7:16 error unknown-value -> less", id="frequency"),
        pytest.param(
            "do: {remind: {key: x, in: soon, flow: f}}\nfinal: true", "7:31 error bad-duration", id="duration"
        ),
        pytest.param(
            "do: {remind: {key: x, in: 1 day, at: 9:00, flow: f}}\nfinal: true",
            "7:42 error wrong-type -> 09:00",
            id="at",
        ),
        pytest.param("ask: yesno\non: {yes: a}", "7:10 error unknown-ask -> yes_no", id="unknown ask"),
        pytest.param("ask: email\non: {given: a}", "7:10 error ask-kind", id="ask that needs more"),
        pytest.param("ask: {emial: true}\non: {given: a}", "7:11 error unknown-key -> email", id="ask key"),
        pytest.param("ask: {email: true}\non: {given: a}", "7:11 error missing-key", id="ask without slot"),
        pytest.param(
            "ask: {choice: reward, as: r}\non: {chosen: a}", "7:19 error unknown-source -> all_rewards", id="source"
        ),
        pytest.param("ask: {number: {min: 5, max: 1}, as: n}\non: {given: a}", "7:28 error out-of-range", id="bounds"),
        pytest.param("ask: yes_no", "7:5 error missing-key", id="ask without on"),
        pytest.param("ask: yes_no\non: {yes: a}", "8:9 error missing-outcome -> no", id="outcome without arrow"),
        pytest.param("ask: yes_no\non: {yes: a, noo: a}", "8:18 error unknown-outcome -> no", id="unknown outcome"),
        pytest.param(
            "ask: {choice: [{key: a, en: A}, {key: a, en: B}], as: c}\non: {chosen: a}",
            "7:37 error duplicate-option",
            id="option twice",
        ),
        pytest.param("ask: {keyword: [UP]}\non: {up: a, down: a}", "8:17 error unknown-outcome", id="keyword"),
        pytest.param("final: true\non: {yes: a}", "8:5 error needless-key", id="on without ask"),
        pytest.param("final: true\nafter: {2h: a}", "8:5 error needless-key", id="after without waiting"),
        pytest.param("final: true\ngo: a", "7:5 error state-kind", id="final and go"),
        pytest.param("go: [{if: {tag: x}, to: a}]", "7:10 error no-default", id="go without a last arrow"),
        pytest.param("go: [a, a]", "7:13 error arrow-unreachable", id="arrow behind an unguarded one"),
        pytest.param("go: {}", "7:9 error empty-arrow", id="empty arrow"),
        pytest.param("go: To Bed", "7:9 error wrong-type -> to_bed", id="no state's name"),
        pytest.param("listen: {UP: a}\nafter: {2 houres: a}", "8:13 error bad-duration", id="delay"),
        pytest.param("listen: {UP: a}\nafter: {60m: a, 1h: a}", "8:21 error duplicate-key", id="same delay twice"),
        pytest.param(
            "ask: yes_no\non: {yes: a, no: a}\nmisunderstood: [hand_over, Hi]",
            "9:21 error misunderstood-order",
            id="order",
        ),
        pytest.param(
            "ask: yes_no\non: {yes: a, no: a}\nmisunderstood: [hand_ovr]",
            "9:21 warning suspicious-text -> hand_over",
            id="would be said",
        ),
    ],
)
def test_it_finds_mistakes_in_a_state(body: str, expected: str) -> None:
    assert state(body) == ([] if not expected else [expected]) or expected in state(body)


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("{to: a}", "1:8 error trigger-empty"),
        ("{keywords: [X]}", "1:8 error missing-key"),
        ("{keywords: [], to: a}", "1:19 error bad-list"),
        ("{keywords: {eng: [X]}, to: a}", "1:20 error wrong-type"),
        ("{keyword: [X], called: true, to: a}", "1:9 error unknown-key -> keywords"),
        ("{compliance: sotp, to: a}", "1:21 error unknown-compliance-rule -> stop"),
        ("{called: true, takes: x, to: a}", "1:23 error needless-key"),
        ("{called: true, at: '10:00', to: a}", "1:23 error needless-key"),
        ("{called: true, if: {pionts: 5}, to: a}", "1:28 error unknown-fact -> points"),
        ("{schedule: {every: day, at: '10:00'}, to: a}", "1:9 error schedule-without-if"),
        ("{schedule: {every: day}, if: {points: 5}, to: a}", "1:19 error missing-key"),
        ("{schedule: {every: day, at: '10:00'}, if: {slot: {x: 1}}, to: a}", "1:46 error schedule-fact"),
    ],
)
def test_it_finds_mistakes_in_a_trigger(trigger: str, expected: str) -> None:
    text = f"start: {trigger}\nflow: f\ntitle: F\nkind: service\nstates: {{a: {{final: true}}}}\n"
    assert expected in found(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "1:1 error wrong-type"),
        ("{point: 5}", "1:2 error unknown-fact -> points"),
        ("{points: many}", "1:10 error wrong-type"),
        ("{points: {at_leest: 5}}", "1:11 error unknown-operator -> at_least"),
        ("{points: {before: 5}}", "1:11 error unknown-operator"),
        ("{consent: subscribd}", "1:11 error unknown-value -> subscribed"),
        ("{tier: [gold, silver]}", "1:8 error wrong-type"),
        ("{last_purchase: nevr}", "1:17 error wrong-type -> never"),
        ("{last_purchase: {before: 180 days}}", "1:26 error bad-moment -> 180 days ago"),
        ("{setting: {optin: double}}", "1:12 error unknown-setting -> opt_in"),
        ("{setting: {opt_in: doubel}}", "1:20 error unknown-value -> double"),
        ("{voucher: yes}", "1:11 error wrong-type"),
        ("{all: {points: 5}}", "1:7 error wrong-type"),
        ("{slot: x}", "1:8 error wrong-type"),
        ("{not: {any: []}}", "1:13 error wrong-type"),
    ],
)
def test_it_finds_mistakes_in_a_condition(text: str, expected: str) -> None:
    predicate, findings = parse_predicate(text, "f.yaml")
    assert predicate is None
    assert expected in lines(findings, "f.yaml")


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        ("zone: America/New_York", "zone: America/NewYork", "7:9 error unknown-value -> America/New_York"),
        ("currency: USD", "currency: USDD", "9:13 error unknown-value -> USD"),
        ("country: US", "country: USA", "8:12 error unknown-value -> US"),
        ("points_per_unit: 1", "points_per_unit: -1", "11:18 error out-of-range"),
        ("cost: 100", "costs: 100", "17:61 error unknown-key -> cost"),
        ("tiers: [gold]", "tiers: [golden]", "16:1 error unknown-tier -> gold"),
        ("key: bronze", "key: gold", "13:1 error duplicate-key"),
        ("from_points: 0", "from_points: 10", "13:1 error out-of-range"),
        ("languages: [en, es]", "languages: [es]", "10:3 error missing-english"),
        ("version: 1, ", "", "19:9 error missing-key"),
    ],
)
def test_it_finds_mistakes_in_the_programme(good: str, bad: str, expected: str) -> None:
    assert good in PROGRAMME
    programme, findings = read_programme(PROGRAMME.replace(good, bad), "programme.yaml")
    assert programme is None
    assert expected in lines(findings, "programme.yaml")


def test_it_finds_mistakes_in_the_phrases() -> None:
    phrases, findings = read_phrases(PHRASES.replace("crash", "crush"), "phrases.yaml")
    assert phrases is None
    assert lines(findings, "phrases.yaml") == ["5:1 error unknown-key -> crash", "1:1 error missing-key"]


def test_it_says_what_is_wrong_and_what_may_have_been_meant() -> None:
    """The message is the one a marketer reads."""
    bad = HEAD + "  a: {ask: yes_no, on: {yes: confrim, no: end}, after: {2h: end}}\n  confirm: {final: true}\n"
    messages = [finding.message for finding in check({"f": bad})]
    assert "unknown state 'confrim'; did you mean 'confirm'?" in messages


def test_it_finds_all_mistakes_of_a_file_at_once() -> None:
    """One bad file yields every finding, of reading and of proving, in one go."""
    text = """\
flow: f
title: F
knd: service
start:
  - {keywords: [GO], to: chosing}
  - {keywords: [STOP], to: choosing}
states:
  choosing:
    say: "{pionts, points}, {shop.nmae}"
    do: {taag: x}
    ask: yes_no
    on: {yes: confrim}
  confirm:
    do: {start: jion}
    say: "{points"
    final: true
"""
    codes = {(f.place.line, f.code) for f in check({"f": text})}
    assert codes >= {
        (3, "unknown-key"),
        (1, "missing-key"),
        (5, "unknown-state"),
        (6, "compliance-word"),
        (10, "unknown-action"),
        (12, "unknown-state"),
        (12, "missing-outcome"),
        (14, "unknown-flow"),
        (15, "template-syntax"),
    }


@pytest.mark.parametrize("line", ["key{}: 1\n", "key: 1\n", "k{}: &a 1\n"])
def test_it_stops_complaining_after_two_hundred_findings(line: str) -> None:
    findings = read_flow("".join(line.format(n) for n in range(5_000)), "f.yaml")[1]
    assert len(findings) == 201
    assert findings[-1].code == "too-many"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("say: Hi\npicture: https://shop.example/a.jpg\nfinal: true", []),
        ("picture: https://shop.example/a.jpg\nfinal: true", ["7:5 error needless-key"]),
        (
            "say: Hi\npicture: http://shop.example/a.jpg\nfinal: true",
            ["8:14 error wrong-type -> https://shop.example/a.jpg"],
        ),
        ("say: Hi\npicture: a.jpg\nfinal: true", ["8:14 error wrong-type"]),
        ("say: Hi\npicture: [https://shop.example/a.jpg]\nfinal: true", ["8:14 error wrong-type"]),
    ],
)
def test_a_picture_lies_on_the_web_and_goes_with_words(body: str, expected: list[str]) -> None:
    """Public and https, because the carrier fetches it; never alone."""
    assert state(body) == expected

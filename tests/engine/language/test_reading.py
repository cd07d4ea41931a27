"""What stands in a file arrives as the agreed values, with the places to complain about it."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from bot.engine.definition import Text
from bot.engine.guards import All, Any_, Ask, Not
from bot.engine.language import parse_duration, parse_predicate, read_flow, read_phrases, read_programme
from bot.engine.language.nodes import resolve
from tests.engine.language.shop import PHRASES, PROGRAMME

FLOW = """\
flow: redeem
title: Redeem a reward
kind: service
start:
  - keywords: {en: [REDEEM, cash  in], es: [CANJEAR]}
    questions: [what can i get]
    takes: what
    if: {consent: subscribed}
    to: choosing
  - {event: purchase_recorded, after: 3 days, at: "10:00", to: choosing}
  - schedule: {every: week, at: "09:30", again_after: 90 days}
    if: {last_purchase: {before: 180 days ago}}
    to: choosing
states:
  choosing:
    do: [{award: {points: 5, once: visit, per: day}}, {set: {name: {slot: what}, vip: true}}]
    say:
      - {if: {points: {at_least: 100}}, en: Plenty, es: Mucho}
      - en: |
          Choose:
          {options}
    ask:
      choice: [{key: tea, en: Tea, es: "Té", words: [green]}, {key: one, en: One}]
      as: drink
      invalid: Not that
    listen: {undo: end}
    on:
      chosen: [{if: {slot: {drink: tea}}, do: {tag: tea}, say: Tea!, to: done}, done]
    misunderstood:
      - Sorry?
      - {to: done}
    after:
      24h: done
      30 minutes: {remind: Still there?}
  done:
    final: true
"""


def test_it_reads_a_flow_whole() -> None:
    flow, findings = read_flow(FLOW, "redeem.yaml")
    assert findings == []
    assert flow is not None
    first, second, third = flow.triggers
    assert first.keywords == {"en": ("REDEEM", "CASH IN"), "es": ("CANJEAR",)}
    assert first.questions == {"en": ("what can i get",)}
    assert (first.takes, first.when, first.place.line) == ("what", Ask("consent", "is", "subscribed"), 5)
    assert (second.event, second.after, second.at) == ("purchase_recorded", timedelta(days=3), "10:00")
    assert third.schedule is not None
    assert (third.schedule.every, third.schedule.again_after) == ("week", timedelta(days=90))
    state = flow.states["choosing"]
    assert [action.name for action in state.do] == ["award", "set"]
    assert state.do[0].arguments == {"points": 5, "once": "visit", "per": "day", "reason": "visit"}
    assert state.do[1].arguments == {"values": {"name": {"slot": "what"}, "vip": True}}
    assert state.say is not None
    assert state.say.cases[1].languages["en"].source == "Choose:\n{options}"
    assert state.ask is not None
    assert [(option.key, option.words) for option in state.ask.options] == [("tea", ("green",)), ("one", ())]
    assert list(state.listen) == ["UNDO"]
    assert [arrow.to for arrow in state.on["chosen"]] == ["done", "done"]
    assert state.give_up is not None
    assert state.give_up.to == "done"
    assert [after.delay for after in state.after] == [timedelta(minutes=30), timedelta(days=1)]
    assert flow.states["done"].final == "done"
    assert flow.states["end"].final == "done", "an arrow to `end` brings a silent final state"
    assert (flow.intent, len(flow.digest)) == ("redeem", 64)


@pytest.mark.parametrize(
    ("last", "to", "actions"),
    [("hand_over", None, ["hand_over"]), ("end", "end", []), ("{do: {tag: x}, to: end}", "end", ["tag"])],
)
def test_it_reads_what_follows_the_last_misunderstanding(last: str, to: str | None, actions: list[str]) -> None:
    text = (
        "flow: f\ntitle: F\nkind: service\nstart: {called: true, to: a}\nstates:\n"
        f"  a: {{ask: yes_no, on: {{yes: end, no: end}}, misunderstood: [Sorry?, {last}], after: {{1h: end}}}}\n"
    )
    flow, _ = read_flow(text, "f.yaml")
    assert flow is not None
    give_up = flow.states["a"].give_up
    assert give_up is not None
    assert (give_up.to, [action.name for action in give_up.do]) == (to, actions)
    assert len(flow.states["a"].misunderstood) == 1


@pytest.mark.parametrize(
    ("written", "name", "arguments"),
    [
        ("award: welcome", "award", {"points": "welcome", "once": None, "per": None, "reason": "welcome"}),
        ("redeem: reward", "redeem", {"slot": "reward"}),
        ("tag: {tag: vip}", "tag", {"tag": "vip"}),
        ("forget: all", "forget", {"key": "all"}),
        ("remind: {key: k, in: 1 day, flow: f}", "remind", {"key": "k", "in": timedelta(1), "at": None, "flow": "f"}),
        ("record: visited", "record", {"event": "visited", "data": {}, "to": None}),
        (
            "record: {event: e, data: {x: 1}, to: referrer}",
            "record",
            {"event": "e", "data": {"x": 1}, "to": "referrer"},
        ),
        ("remember: {x: 1, y: {slot: z}}", "remember", {"values": {"x": 1, "y": {"slot": "z"}}}),
        ("hand_over: asked for a person", "hand_over", {"reason": "asked for a person"}),
        ("pause_marketing: true", "pause_marketing", {}),
    ],
)
def test_it_brings_actions_into_one_form(written: str, name: str, arguments: object) -> None:
    """Whether written short or long, deciding always finds every argument."""
    for form in (f"{{{written}}}", f"[{{{written}}}]"):
        states = f"states: {{a: {{do: {form}, final: true}}}}"
        text = f"flow: f\ntitle: F\nkind: service\nstart: {{called: true, to: a}}\n{states}"
        flow, findings = read_flow(text, "f.yaml")
        assert flow is not None, findings
        assert [(a.name, a.arguments) for a in flow.states["a"].do] == [(name, arguments)]


def test_it_reads_the_present_of_a_voucher_as_a_text() -> None:
    text = (
        "flow: f\ntitle: F\nkind: service\nstart: {called: true, to: a}\n"
        "states: {a: {do: {issue_voucher: {name: {en: Cookie, es: Galleta}, ends: 2w}}, final: true}}"
    )
    flow, findings = read_flow(text, "f.yaml")
    assert flow is not None, findings
    arguments = flow.states["a"].do[0].arguments
    assert isinstance(arguments["name"], Text)
    assert (arguments["ends"], arguments["reward"]) == (timedelta(weeks=2), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{points: {at_least: 100}}", Ask("points", "at_least", 100)),
        (
            "{points: {at_least: 1, at_most: 9}}",
            All((Ask("points", "at_least", 1), Ask("points", "at_most", 9))),
        ),
        ("{tier: gold, tag: vip}", All((Ask("tier", "is", "gold"), Ask("tag", "is", "vip")))),
        ("{tier: {one_of: [silver, gold]}}", Ask("tier", "one_of", ("silver", "gold"))),
        ("{last_purchase: {before: 180 days ago}}", Ask("last_purchase", "before", timedelta(days=180))),
        ("{joined: {after: 2026-03-01}}", Ask("joined", "after", date(2026, 3, 1))),
        ("{last_purchase: never}", Ask("last_purchase", "never", True)),
        ("{name: known}", Ask("name", "known", True)),
        ("{voucher: false}", Ask("voucher", "is", False)),
        ("{slot: {code: day_code}}", Ask("slot", "is", "day_code", "code")),
        ("{slot: {score: {at_least: 4}}}", Ask("slot", "at_least", 4, "score")),
        ("{slot: {code: known}}", Ask("slot", "known", True, "code")),
        ("{attribute: {favourite: latte}}", Ask("attribute", "is", "latte", "favourite")),
        ("{variant: {winback: {at_most: 50}}}", Ask("variant", "at_most", 50, "winback")),
        ("{setting: {opt_in: double}}", Ask("setting", "is", "double", "opt_in")),
        ("{language: no}", Ask("language", "is", "no")),
        ("{not: {tag: staff}}", Not(Ask("tag", "is", "staff"))),
        ("{any: [{points: 1}, {points: 2}]}", Any_((Ask("points", "is", 1), Ask("points", "is", 2)))),
    ],
)
def test_it_reads_conditions(text: str, expected: object) -> None:
    assert parse_predicate(text, "f.yaml") == (expected, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("2 weeks", timedelta(weeks=2)),
        ("1 minute", timedelta(minutes=1)),
    ],
)
def test_it_reads_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "3", "days", "3 months", "-1 day", "0m", "1.5h", "999999 days", "١ day"])
def test_it_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("10:00", "10:00"),
        ("true", True),
        ("~", None),
        ("-5", -5),
        ("1.5", 1.5),
        ("1_0", "1_0"),
    ],
)
def test_it_reads_plain_words_by_yaml_1_2(text: str, value: object) -> None:
    assert resolve(text) == value


def test_it_reads_the_programme() -> None:
    programme, findings = read_programme(PROGRAMME + "limits: {opens: '10:00'}\nundo_within: 5m\n", "programme.yaml")
    assert programme is not None, findings
    assert programme.limits.opens == time(10)
    assert programme.limits.closes == time(20), "what is not written keeps its default"
    assert (programme.undo_within, programme.opt_in) == (timedelta(minutes=5), "double")
    assert [tier.names for tier in programme.tiers] == [{"en": "Bronze"}, {"en": "Gold", "es": "Oro"}]
    assert programme.wordings["join"].name == "join"
    assert programme.rewards[0].tiers == ("gold",)


def test_it_reads_the_phrases() -> None:
    phrases, findings = read_phrases(PHRASES, "phrases.yaml")
    assert phrases is not None, findings
    assert len(phrases.fallback) == 1
    assert phrases.resume.cases[0].languages["es"].source == "Sigamos: {question}"


def test_it_withholds_a_flow_with_mistakes() -> None:
    """A bad file never becomes a running revision."""
    assert read_flow(FLOW.replace("final: true", "finale: true"), "redeem.yaml")[0] is None


def test_it_wants_the_flow_to_be_called_like_its_file() -> None:
    findings = read_flow(FLOW, "cash.yaml")[1]
    assert ("flow-name", "cash") in [(finding.code, finding.suggestion) for finding in findings]

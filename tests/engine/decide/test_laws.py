"""What holds for every sequence of events, in the test shop's flows and in those that ship."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.engine import effects as fx
from bot.engine.conversation import Conversation
from bot.engine.routing import Routing
from tests.engine.decide.play import ALICE, Player, Shelf, flow_of, shelf

SHIPPED = Path(__file__).parents[3] / "flows"
OUTCOMES = ("yes", "no", "chosen", "given", "none", "UNDO", "coffee", "STAY", "SKIP", "nonsense")


@cache
def book(which: str) -> Shelf:
    if which == "test":
        return shelf()
    files = [file for file in sorted(SHIPPED.glob("*.yaml")) if not file.name.endswith(".test.yaml")]
    flows = [file.read_text() for file in files if file.stem not in ("programme", "phrases")]
    return shelf(*flows, programme=(SHIPPED / "programme.yaml").read_text())


def values(player: Player, outcome: str, number: int) -> Any:
    """Return a value a router could have understood there."""
    expected = player.expects
    if expected is None or expected.ask is None:
        return None
    if expected.choices:
        return expected.choices[number % len(expected.choices)].value
    said = {"number": number, "text": "words", "email": "a@example.test", "date": date(1990, 3, 1 + number % 28)}
    return said.get(expected.ask.kind)


def texts(player: Player, action: tuple[str, str, int]) -> list[str]:
    kind, word, number = action
    match kind:
        case "stop":
            return player.stop()
        case "reply":
            expected = player.expects
            if expected is not None and expected.listen and number % 3 == 0:
                return player.reply(expected.listen[number % len(expected.listen)])
            return player.reply(word, values(player, word, number))
        case "invalid":
            return player.reply("given", number, problem="odd")
        case "start":
            names = sorted(player.book.flows)
            return player.start(names[number % len(names)])
        case "wait":
            return player.wait(timedelta(minutes=number * 7))
        case "purchase":
            return player.fact("purchase_recorded", fact_id=number, amount_minor=number * 100)
        case "fact":
            return player.fact("friend_joined", fact_id=number)
        case "schedule":
            return player.due("winback" if "winback" in player.book.flows else "news")
        case "help" | "opt_in" | "opt_out_confirm":
            return player.route(Routing(kind, "compliance"))  # type: ignore[arg-type]
        case _:
            return player.gibberish()


ACTIONS = st.tuples(
    st.sampled_from(
        ["reply"] * 8
        + ["start"] * 5
        + [
            "stop",
            "invalid",
            "wait",
            "wait",
            "purchase",
            "fact",
            "schedule",
            "help",
            "opt_in",
            "opt_out_confirm",
            "noise",
        ]
    ),
    st.sampled_from(OUTCOMES),
    st.integers(0, 500),
)


def check_turn(player: Player, before: Player, ended: dict[int, Conversation], action: tuple[str, str, int]) -> None:
    """Check one decision against the customer it was made for."""
    decision = player.decision
    assert decision.error is None, (action, decision.error, decision.steps)
    assert player.customer.points >= 0
    burns = [entry for entry in player.effects(fx.AddEntry) if entry.kind == "burn"]
    paid = [voucher.entry_key for voucher in player.effects(fx.IssueVoucher) if voucher.cost]
    assert [burn.key for burn in burns] == paid
    backs = [entry for entry in player.effects(fx.AddEntry) if entry.kind == "reverse"]
    assert len(backs) == len(player.effects(fx.RevokeVoucher))
    for conversation in decision.conversations:
        assert conversation.id not in ended, "an ended conversation changed"
        if conversation.ended_at is not None:
            ended[conversation.id] = conversation
    check_stack(player)
    check_opt_out(player, before)
    for timer in player.effects(fx.SetTimer):
        assert timer.due_at > player.now
        assert timer.kind == "reminder" or player.customer.conversations


def check_stack(player: Player) -> None:
    places = player.customer.conversations
    assert len(places) <= 3
    assert len({place.flow for place in places}) == len(places)
    known: set[int] = set()
    for place in places:
        assert (place.parent_id is None) == (place.relation is None)
        assert place.parent_id is None or place.parent_id in known, "a parent that is not open below"
        known.add(place.id)


def check_opt_out(player: Player, before: Player) -> None:
    sent = player.sent
    assert sum(message.purpose == "opt_out_confirmation" for message in sent) <= 1
    for message in sent:
        assert message.body
        assert message.purpose != "marketing" or (
            before.customer.consent == "subscribed" and not before.customer.marketing_paused
        )
    records = [n for n, effect in enumerate(player.decision.effects) if getattr(effect, "status", "") == "unsubscribed"]
    if records:
        rest = player.decision.effects[records[-1] :]
        assert not any(isinstance(effect, fx.SetTimer) for effect in rest)
        assert all(e.purpose == "opt_out_confirmation" for e in rest if isinstance(e, fx.SendMessage))
        assert player.customer.conversations == ()
        assert player.customer.consent == "unsubscribed"
        assert before.customer.consent != "unsubscribed" or not sent


@pytest.mark.parametrize("which", ["test", "shipped"])
@given(actions=st.lists(ACTIONS, max_size=25), points=st.sampled_from([0, 70, 150, 900]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_keeps_its_promises_whatever_comes(which: str, actions: list[tuple[str, str, int]], points: int) -> None:
    """No crash, no debt, no burn without its voucher, no change after the end, silence after an opt-out."""
    player = Player(book(which), customer=replace(ALICE, points=points))
    ended: dict[int, Conversation] = {}
    for before, action in turns(player, actions):
        check_turn(player, before, ended, action)


def turns(player: Player, actions: list[tuple[str, str, int]]) -> Iterator[tuple[Player, tuple[str, str, int]]]:
    """Take the actions one by one; yields what was before, after every decision."""
    for action in actions:
        before = replace(player, timers=[], stock={})
        if action[0] != "wait":
            texts(player, action)
            yield before, action
            continue
        until = player.now + timedelta(minutes=action[2] * 7)
        while due := sorted((t for t in player.timers if t.due_at <= until), key=lambda t: t.due_at):
            before = replace(player, timers=[], stock={})
            player.now = max(player.now, due[0].due_at)
            player.timers.remove(due[0])
            player.fire(due[0])
            yield before, action
        player.now = until


@given(actions=st.lists(ACTIONS, max_size=12), last=ACTIONS)
@settings(max_examples=60, deadline=None)
def test_it_decides_the_same_again(actions: list[tuple[str, str, int]], last: tuple[str, str, int]) -> None:
    """The same event on the same facts gives the same decision, and the facts are not touched."""
    player = Player(book("test"), customer=replace(ALICE, points=150))
    for action in actions:
        texts(player, action)
    decisions = []
    for _ in range(2):
        again = Player(
            player.book,
            player.customer,
            player.now,
            dict(player.stock),
            timers=list(player.timers),
            ids=iter(range(1000, 2000)).__next__,
        )
        if last[0] != "wait":
            texts(again, last)
        decisions.append(again.decision)
    assert decisions[0] == decisions[1]


def test_it_reads_every_flow_that_ships() -> None:
    assert len(book("shipped").flows) > 10
    assert flow_of((SHIPPED / "redeem.yaml").read_text()).name == "redeem"

"""A flow compiled to a machine."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest

from bot.engine.definition import State, Transition
from bot.engine.guards import Predicate
from bot.engine.machine import BEGIN, compile_flow
from bot.errors import FlowError
from tests.engine.decide.play import REDEEM, flow_of

ODD = """
flow: odd
title: Odd names
kind: service
start: [{keywords: [ODD], to: model}]
states:
  model:
    ask: {choice: [{key: state, en: State}, {key: trigger, en: Trigger}, {key: add_model, en: Model}]}
    on: {state: states, trigger: initial, add_model: events}
  states: {final: true}
  initial: {final: true}
  events: {final: true}
"""


class Walk:
    """The lightest model there is."""

    def __init__(self, state: str = BEGIN) -> None:
        self.state = state
        self.seen: list[str] = []

    def permits(self, predicate: Predicate, words: str) -> bool:
        self.seen.append(f"? {words}")
        return False

    def leave(self, source: str, outcome: str, arrow: Transition, place: str) -> None:
        self.seen.append(f"{source} {outcome} {place}")

    def enter(self, state: State) -> None:
        self.seen.append(f"> {state.name}")


def test_it_tries_guards_in_the_files_order_and_says_what_they_were() -> None:
    compiled = compile_flow(flow_of(REDEEM), 1)
    walk = Walk("redeemed")
    assert compiled.fire("listen:UNDO", walk)
    assert walk.seen == ["? voucher", "redeemed UNDO redeem.yaml:22", "> too_late"]
    assert walk.state == "too_late"


def test_it_takes_nothing_for_an_event_the_state_does_not_know() -> None:
    compiled = compile_flow(flow_of(REDEEM), 1)
    assert not compiled.fire("on:yes", Walk("choosing"))
    assert not compiled.fire("on:anything", Walk("choosing"))


@pytest.mark.parametrize("outcome", ["state", "trigger", "add_model"])
def test_it_lets_a_file_use_the_librarys_own_names(outcome: str) -> None:
    compiled, walk = compile_flow(flow_of(ODD), 1), Walk("model")
    assert compiled.fire(f"on:{outcome}", walk)
    assert walk.state != "model"


def test_it_refuses_an_arrow_to_nowhere() -> None:
    flow = flow_of(ODD)
    broken = replace(flow, triggers=(replace(flow.triggers[0], to="nowhere"),))
    with pytest.raises(FlowError, match="nowhere"):
        compile_flow(broken, 1)


def test_it_knows_what_kind_of_answer_a_slot_holds() -> None:
    assert compile_flow(flow_of(REDEEM), 1).slots == {"reward": "reward"}


def test_it_keeps_the_library_quiet() -> None:
    assert logging.getLogger("transitions").level == logging.WARNING


def test_it_is_shared_by_threads_without_losing_a_transition() -> None:
    compiled = compile_flow(flow_of(REDEEM), 1)
    ends: list[str] = []

    def work() -> None:
        for _ in range(200):
            walk = Walk("redeemed")
            compiled.fire("listen:UNDO", walk)
            ends.append(walk.state)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["too_late"] * 800

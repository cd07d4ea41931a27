"""Reading and proving never raise, whatever stands in the files, and take no time to speak of."""

from __future__ import annotations

import random
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine.actions import ACTIONS
from bot.engine.definition import Finding
from bot.engine.guards import FACTS
from bot.engine.language import parse_predicate, read_flow, read_flow_leniently, read_phrases, read_programme
from bot.engine.prover import prove
from tests.engine.language.shop import GOOD, PHRASES, PROGRAMME, phrases, programme

NAMES = """\
flow title kind start states intent keywords questions takes compliance event after at schedule called if to do say
ask on listen misunderstood go call final choice number date email text keyword as invalid yes no chosen none given
remind en es all any not is one_of at_least at_most before known a b end points once reason key min max words every
again_after yes_no rewards_in_reach hand_over true 2h 1 {points} {x,plural,} {{ ' " ~
"""
KEYS = (*NAMES.split(), "", *ACTIONS, *FACTS)
WORDS = st.sampled_from(KEYS) | st.integers(-5, 99) | st.booleans() | st.none() | st.text(max_size=5)
TREES = st.recursive(
    WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


def write(tree: Any) -> str:
    """Write a tree as YAML in flow style."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{write(key)}: {write(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(write(item) for item in tree) + "]"
    if isinstance(tree, bool) or tree is None:
        return {True: "true", False: "false", None: "~"}[tree]
    return "'" + str(tree).replace("'", "''").replace("\n", " ") + "'" if isinstance(tree, str) else str(tree)


def read_all(text: str) -> None:
    """Read a text as every kind of file, prove what came out, and check the places."""
    flow, findings = read_flow_leniently(text, "f.yaml")
    if flow is not None:
        findings = findings + prove({flow.name: flow}, programme(), phrases(), frozenset({flow.name}))
        findings += prove({flow.name: flow}, programme(), phrases())
    findings += read_programme(text, "f.yaml")[1] + read_phrases(text, "f.yaml")[1] + parse_predicate(text, "f.yaml")[1]
    assert all(well_placed(finding, text) for finding in findings if finding.place.file == "f.yaml")


def well_placed(finding: Finding, text: str) -> bool:
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
    return 1 <= finding.place.line <= lines + 2 and finding.place.column >= 1


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_it_survives_any_text(text: str) -> None:
    read_all(text)


@given(st.text(alphabet="{}[]:,-?&*!|>'\"#%@` \n\tab1", max_size=80))
@settings(max_examples=400, deadline=None)
def test_it_survives_any_punctuation(text: str) -> None:
    read_all(text)


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_it_survives_any_tree_of_its_own_words(tree: object) -> None:
    read_all(write(tree))


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4), max_size=3))
@settings(max_examples=200, deadline=None)
def test_it_survives_any_states(states: object) -> None:
    head = "flow: f\ntitle: F\nkind: service\nstart: [{keywords: [GO], to: a}, {called: true, to: b}]\n"
    read_all(f"{head}states: {write(states)}\n")


@given(st.sampled_from([*GOOD.values(), PROGRAMME, PHRASES]), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_it_survives_slips_of_the_pen(text: str, chance: random.Random) -> None:
    """A good file with a few characters dropped, doubled or swapped."""
    letters = list(text)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(letters) - 1)
        letters[at : at + 2] = chance.choice(
            [letters[at + 1 : at + 2], letters[at : at + 1] * 2, letters[at + 1 : at - 1 : -1]]
        )
    read_all("".join(letters))


def big_flow(states: int) -> str:
    body = "".join(
        f'  s{n}: {{say: "At {{points}} {n}", ask: yes_no, on: {{yes: s{n + 1}, no: end}}, after: {{2h: end}}}}\n'
        for n in range(states)
    )
    head = "flow: f\ntitle: F\nkind: service\nstart: {keywords: [GO], to: s0}\nstates:\n"
    return f"{head}{body}  s{states}: {{final: true}}\n"


def test_it_reads_and_proves_two_thousand_states_in_seconds() -> None:
    text = big_flow(2_000)
    started = time.perf_counter()
    flow, _ = read_flow(text, "f.yaml")
    assert flow is not None
    assert len(flow.states) == 2_002
    prove({"f": flow}, programme(), phrases())
    assert time.perf_counter() - started < 10


def test_it_finds_near_words_among_two_thousand_states_in_seconds() -> None:
    """Thousands of misspelt names cost no more than the first few."""
    started = time.perf_counter()
    flow, _ = read_flow_leniently(big_flow(2_000).replace("yes: s", "yes: t"), "f.yaml")
    assert flow is not None
    findings = prove({"f": flow}, programme(), phrases())
    assert findings[-1].code in {"too-many", "unknown-state", "compliance-missing"}
    assert time.perf_counter() - started < 10

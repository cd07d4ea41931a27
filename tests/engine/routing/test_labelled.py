"""What the router makes of texts labelled by hand; README.md says how the lists came about."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.engine.route import Router
from bot.engine.routing import Routing
from bot.lexicon import load
from tests.engine.routing.standing import shipped_flows, standing

FOLDER = Path(__file__).parent
LEAVES = ("opt_out", "opt_out_confirm")


@dataclass
class Figures:
    """Counts over one list: right and all by kind, and the texts that went wrong."""

    right: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    false_opt_outs: list[str] = field(default_factory=list)
    missed_explicit: list[str] = field(default_factory=list)
    asked_back: int = 0
    indirect_missed: int = 0

    def share(self, *kinds: str) -> float:
        return sum(self.right[k] for k in kinds) / max(sum(self.all[k] for k in kinds), 1)

    def line(self) -> str:
        explicit, indirect = self.all["explicit"], self.all["indirect"]
        return (
            f"explicit opt-outs {self.right['explicit']}/{explicit}, indirect {self.right['indirect']}/{indirect} "
            f"(left alone {self.indirect_missed}), false opt-outs {len(self.false_opt_outs)}, negatives asked back "
            f"{self.asked_back}/{self.all['negative']}, unsure {self.share('unsure'):.1%}, intents and replies "
            f"{self.share('intent', 'reply', 'tapback', 'noise', 'opted_out'):.1%} of "
            f"{sum(self.all[k] for k in ('intent', 'reply', 'tapback', 'noise', 'opted_out'))}"
        )


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def is_right(label: dict[str, Any], routing: Routing) -> bool:
    if label["decision"] == "not_opt_out":
        return routing.decision not in LEAVES
    return routing.decision == label["decision"] and label["intent"] in (None, routing.intent)


def figures(router: Router, labels: list[dict[str, Any]]) -> Figures:
    found = Figures()
    for label in labels:
        changes = {key: label[key] for key in ("state", "consent") if label.get(key)}
        if label.get("lang") == "es":
            changes["language"] = "es"
        routing = router.route(label["text"], standing(**changes))
        kind, right = label["kind"], is_right(label, routing)
        found.all[kind] += 1
        found.right[kind] += right
        if not right:
            found.wrong.append(f"{label['text']!r}: {routing.decision}/{routing.intent} by {routing.rule}")
        if routing.decision == "opt_out" and label["decision"] != "opt_out":
            found.false_opt_outs.append(label["text"])
        if label["decision"] == "opt_out" and kind == "explicit" and not right:
            found.missed_explicit.append(label["text"])
        found.asked_back += kind == "negative" and routing.decision == "opt_out_confirm"
        found.indirect_missed += kind == "indirect" and routing.decision not in LEAVES
    return found


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(load(), shipped_flows())


@pytest.mark.parametrize("half", ["labelled_tune", "labelled_kept"])
def test_it_routes_the_labelled_texts(router: Router, half: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Explicit opt-outs are all caught, none is false, and 97 % of the intents are right."""
    found = figures(router, read(half))
    with capsys.disabled():
        print(f"\n{half}: {found.line()}")  # noqa: T201
    assert found.missed_explicit == []
    assert found.false_opt_outs == []
    assert found.share("intent", "reply", "tapback", "noise", "opted_out") >= 0.97, found.wrong
    assert found.share("indirect") >= 0.90, found.wrong


def test_it_keeps_what_the_probes_taught(router: Router) -> None:
    """Texts that once went wrong stay right: no false opt-out, and nearly all wishes to leave are heard."""
    found = figures(router, read("probes"))
    assert found.false_opt_outs == []
    assert found.share("indirect") >= 0.95, found.wrong
    assert found.share("intent", "noise") >= 0.96, found.wrong


def test_the_halves_were_split_by_the_text_alone() -> None:
    """No label chose its half."""
    from hashlib import sha256

    for half, odd in (("labelled_tune", 0), ("labelled_kept", 1)):
        for label in read(half):
            assert sha256(f"{label['text']}|{label.get('state', '')}".encode()).digest()[0] % 2 == odd

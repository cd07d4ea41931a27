"""Where the customers of the labelled texts stand: the open questions their `state` names."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from bot.catalog import read_folder, read_sources
from bot.engine.definition import Ask, Flow, Place
from bot.engine.standing import Expectation, Standing
from bot.engine.understand import Choice

FLOWS = Path(__file__).resolve().parents[3] / "flows"
TODAY = date(2026, 3, 2)
HERE = Place("test.yaml", 1, 1)

REWARDS = (
    Choice("latte", "Free latte", (), "latte"),
    Choice("muffin", "Blueberry muffin", (), "muffin"),
)

EXPECTATIONS: dict[str, Expectation] = {
    "redeem:confirming": Expectation("redeem", "confirming", Ask("yes_no", HERE), (), ()),
    "redeem:choosing": Expectation(
        "redeem", "choosing", Ask("choice", HERE, slot="reward", source="rewards_in_reach"), REWARDS, ("NO", "BACK")
    ),
    "redeem:redeemed": Expectation("redeem", "redeemed", None, (), ("UNDO",)),
    "survey:scoring": Expectation("survey", "scoring", Ask("number", HERE, slot="score", minimum=1, maximum=5), (), ()),
    "profile:naming": Expectation("profile", "naming", Ask("text", HERE, slot="name", maximum=40), (), ("SKIP",)),
    "profile:birthday": Expectation(
        "profile", "birthday", Ask("date", HERE, slot="birthday", dates="birthday"), (), ("SKIP",)
    ),
}


def shipped_flows() -> dict[str, Flow]:
    """Read the flows that ship."""
    return dict(read_sources(read_folder(FLOWS)).flows)


def standing(**changes: Any) -> Standing:
    """A subscribed customer with nothing open, changed as told; `state` names an open question."""
    state = changes.pop("state", None)
    values: dict[str, Any] = {
        "consent": "subscribed",
        "language": "en",
        "expectation": EXPECTATIONS[state] if state else None,
        "held": False,
        "has_media": False,
        "opt_out_type": None,
        "today": TODAY,
    }
    return Standing(**(values | changes))

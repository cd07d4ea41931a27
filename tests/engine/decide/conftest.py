"""Until the router is there, its one value type that is used here stands in."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

if importlib.util.find_spec("bot.engine.route") is None:
    fake = ModuleType("bot.engine.route")

    @dataclass(frozen=True, slots=True)
    class Expectation:
        flow: str
        state: str
        ask: Any
        choices: tuple[Any, ...]
        listen: tuple[str, ...]

    fake.Expectation = Expectation  # type: ignore[attr-defined]
    sys.modules["bot.engine.route"] = fake

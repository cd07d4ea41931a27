"""Where a customer stands when a text arrives: what the router is told beside the words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from bot.engine.conversation import Consent
from bot.engine.definition import Ask
from bot.engine.understand import Choice


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the open conversation waits for: a question, its choices as shown, keywords it listens for."""

    flow: str
    state: str
    ask: Ask | None
    choices: tuple[Choice, ...]
    listen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the customer stands when the text arrives."""

    consent: Consent
    language: str
    expectation: Expectation | None
    held: bool  #: a person holds the conversation
    has_media: bool
    opt_out_type: Literal["STOP", "START", "HELP"] | None  #: Twilio's own reading; it wins
    today: date
    doubt: bool = False  #: we asked back whether they want to leave, and wait

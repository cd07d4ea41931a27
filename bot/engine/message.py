"""Texts: templates, their rendering, encodings and segments, gathered under one name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.engine.encoding import Encoding, Measure, fold, measure, utf16_units
from bot.engine.guards import holds
from bot.engine.longest import worst_case
from bot.engine.rendering import MessageTooLong, Rendered, render
from bot.engine.template import TEXT_LIMIT, Branch, Field, Template, TemplateError, Use, compile_template
from bot.engine.voice import Formats, Voice, voice

if TYPE_CHECKING:
    from bot.engine.definition import Text

__all__ = [
    "TEXT_LIMIT",
    "Branch",
    "Encoding",
    "Field",
    "Formats",
    "Measure",
    "MessageTooLong",
    "Rendered",
    "Template",
    "TemplateError",
    "Use",
    "Voice",
    "choose",
    "compile_template",
    "fold",
    "measure",
    "render",
    "utf16_units",
    "voice",
    "worst_case",
]


def choose(text: Text, language: str, look: Callable[[str, str | None], Any], now: datetime) -> Template:
    """Return the wording for a customer: the first case that holds, in their language, else in English.

    `es-MX` is served by `es`. The last case is taken when none holds.
    """
    case = next((case for case in text.cases if holds(case.when, look, now)), text.cases[-1])
    languages = case.languages
    found = languages.get(language) or languages.get(language.partition("-")[0])
    return found if found is not None else languages["en"]

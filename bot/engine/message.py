"""Templates, encodings and segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Template:
    """A text in ICU MessageFormat, parsed once."""

    source: str
    parts: tuple[Any, ...]
    variables: frozenset[str]

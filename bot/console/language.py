"""The console's languages: English in the source, others in `locales/*.po`, read at start.

`_("Hello {name}", name=...)` in templates and Python; `_n("{count} point", "{count} points", count)` for numbers.
`make translations` collects what is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.pofile import read_po
from flask import g

LANGUAGES = {"en": "English", "es": "Español"}
_LOCALES = Path(__file__).parent / "locales"


@dataclass(frozen=True)
class Catalogue:
    """The words of one language."""

    words: Mapping[str, str]
    plurals: Mapping[str, tuple[str, ...]]


@cache
def catalogue(language: str) -> Catalogue:
    """Return the words of a language; of English there are none to look up."""
    path = _LOCALES / f"{language}.po"
    if not path.is_file():
        return Catalogue({}, {})
    with path.open("rb") as file:
        messages = [each for each in read_po(file, locale=language) if each.id and each.string and not each.fuzzy]
    return Catalogue(
        {each.id: each.string for each in messages if isinstance(each.id, str) and isinstance(each.string, str)},
        {each.id[0]: tuple(each.string or ()) for each in messages if not isinstance(each.id, str)},
    )


def language() -> str:
    """Return the language of the page that is being made."""
    return str(g.get("language", "en"))


def _(message: str, **values: object) -> str:
    """Return a sentence in the page's language; placeholders in braces are filled in after translating."""
    said = catalogue(language()).words.get(message, message)
    return said.format(**values) if values else said


def _n(one: str, many: str, count: int, **values: object) -> str:
    """Return the form of a sentence that fits a number; `{count}` is the number with its separators."""
    forms = catalogue(language()).plurals.get(one) or (one, many)
    index = Locale.parse(language()).plural_form(count)
    picked = forms[0] if index == "one" else forms[-1]
    return picked.format(count=f"{count:,}", **values)

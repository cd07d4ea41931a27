"""The console in Spanish: nothing untranslated, every placeholder kept."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from bot.console.language import LANGUAGES
from tests.console.conftest import Hire
from tests.shop import Shop

BOT = Path(__file__).parents[2] / "bot"
METHODS = [("console/**.py", "python"), ("desk/**.py", "python"), ("console/templates/**.html", "jinja2")]
WORDS = {"_": None, "_n": (1, 2), "NotPossible": None, "Said": None}
_HOLE = re.compile(r"\{(\w+)\}")


def said() -> Catalog:
    """Return everything the console says."""
    catalogue = Catalog()
    for _, _, words, _, _ in extract_from_dir(BOT, METHODS, keywords=WORDS, comment_tags=()):
        catalogue.add(words)
    return catalogue


def test_every_word_is_translated() -> None:
    """Each sentence of pages and refusals has its translation, with the same placeholders."""
    source = said()
    for language in LANGUAGES.keys() - {"en"}:
        with (BOT / "console" / "locales" / f"{language}.po").open("rb") as file:
            known = read_po(file, locale=language)
        missing, broken = [], []
        for message in source:
            if not message.id:
                continue
            found = known.get(message.id)
            texts = list(found.string) if found is not None and isinstance(found.string, (tuple, list)) else None
            texts = texts or ([str(found.string)] if found is not None and found.string else [])
            if not texts or not all(texts):
                missing.append(message.id)
                continue
            originals = message.id if isinstance(message.id, tuple) else (message.id,)
            holes = set(_HOLE.findall(originals[-1]))
            if any(set(_HOLE.findall(text)) - holes for text in texts):
                broken.append(message.id)
        assert missing == [], f"{language}: run `make translations` and fill in {len(missing)}"
        assert broken == []


def test_a_person_reads_the_console_in_their_language(shop: Shop, hiring: Hire) -> None:
    """The language of the account wins over the browser's."""
    sam = hiring("support")
    assert "My account" in sam.read("/console/account")
    sam.post("/console/account/language", {"language": "es"})
    text = sam.read("/console/account")
    assert '<html lang="es">' in text
    assert "Mi cuenta" in text

"""The console in Spanish: nothing untranslated, every placeholder kept."""

from __future__ import annotations

import re

from bot.console.language import LANGUAGES
from tests.console.conftest import Hire
from tests.console.words import known, said
from tests.shop import Shop

_HOLE = re.compile(r"\{(\w+)\}")


def test_every_word_is_translated() -> None:
    """Each sentence of pages and refusals has its translation, with the same placeholders."""
    source = said()
    for language in LANGUAGES.keys() - {"en"}:
        translated = known(language)
        missing, broken = [], []
        for message in source:
            if not message.id:
                continue
            found = translated.get(message.id)
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

"""Everything the console says, collected from its source; `make translations` puts what is new into the .po files."""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from bot.console.language import LANGUAGES
from bot.delivery import codes
from bot.gate import reasons

BOT = Path(__file__).parents[2] / "bot"
LOCALES = BOT / "console" / "locales"
_FILES = [("console/**.py", "python"), ("desk/**.py", "python"), ("console/templates/**.html", "jinja2")]
_MARKS = {"_": None, "_n": (1, 2), "NotPossible": None, "Said": None}

_HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""


def said() -> Catalog:
    """Return every sentence, in a fixed order."""
    words = Catalog()
    found = [message for _, _, message, _, _ in extract_from_dir(BOT, _FILES, keywords=_MARKS, comment_tags=())]
    for message in sorted([*found, *codes.WORDS.values(), codes.UNKNOWN, *reasons.REASONS.values()], key=str):
        words.add(message)
    return words


def known(language: str) -> Catalog:
    """Return the translations there are."""
    with (LOCALES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def main() -> None:
    """Add to every .po file what is new and drop what nobody says any more."""
    for language in LANGUAGES.keys() - {"en"}:
        catalogue = known(language)
        catalogue.update(said(), no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        with (LOCALES / f"{language}.po").open("wb") as file:
            file.write(_HEADER.format(language=language).encode())
            write_po(file, catalogue, width=0, no_location=True, omit_header=True)


if __name__ == "__main__":
    main()

"""The word lists of the router, read from this folder once."""

from __future__ import annotations

from functools import cache
from importlib import resources

from ruamel.yaml import YAML

from bot.engine.lexicon import Lexicon
from bot.engine.wordlists import build

_DOCUMENTS = ("compliance", "spelling", "leaving", "replies", "tapbacks", "courtesies", "questions")


@cache
def load() -> Lexicon:
    """Return the word lists as one frozen value. Raises LexiconError when a list is malformed."""
    folder = resources.files(__package__)
    reader = YAML(typ="safe", pure=True)
    return build({name: reader.load((folder / f"{name}.yaml").read_text("utf-8")) for name in _DOCUMENTS})

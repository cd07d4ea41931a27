"""Texts: what the bot says, by condition and language."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.engine.definition import Place, Text, TextCase
from bot.engine.guards import Predicate
from bot.engine.language.nodes import Entry, Node, Scalar, Series, Table
from bot.engine.language.predicates import PREDICATE
from bot.engine.language.reader import Reader
from bot.engine.language.shapes import Definitions, Schema, Shape, expected
from bot.engine.message import Template, TemplateError, compile_template

LANGUAGE = r"[a-z]{2}"
FIRST_LANGUAGE = "en"
MAX_CASES = 20
LANGUAGE_NAMES = {"english": "en", "spanish": "es", "french": "fr", "german": "de", "portuguese": "pt"}


@dataclass(frozen=True, slots=True)
class TextShape(Shape[Text]):
    """A string (English), a table of languages, or a list of cases, the last without `if`."""

    def read(self, node: Node, reader: Reader) -> Text | None:
        if not isinstance(node, Series):
            case = _case(node, reader, conditional=False)
            return None if case is None else Text((case,), node.place)
        if not 0 < len(node.items) <= MAX_CASES:
            expected(f"one to {MAX_CASES} cases", node, reader)
            return None
        cases = [_case(item, reader, conditional=True) for item in node.items]
        good = tuple(case for case in cases if case is not None)
        if len(good) < len(cases):
            return None
        _check_order(good, node, reader)
        return Text(good, node.place)

    def schema(self, defs: Definitions) -> Schema:
        return defs.refer("text", lambda: self._write(defs))

    def _write(self, defs: Definitions) -> Schema:
        words = {"type": ["string", "number", "boolean"], "minLength": 1}
        table = {
            "type": "object",
            "patternProperties": {f"^{LANGUAGE}$": words},
            "required": [FIRST_LANGUAGE],
            "additionalProperties": False,
        }
        case = {**table, "patternProperties": {f"^{LANGUAGE}$": words}}
        # `if` has two letters too, so languages are told apart from it by name
        case["patternProperties"] = {f"^(?!if$){LANGUAGE}$": words}
        case["properties"] = {"if": PREDICATE.schema(defs)}
        cases = {"type": "array", "items": {"anyOf": [words, case]}, "minItems": 1, "maxItems": MAX_CASES}
        return {"anyOf": [words, table, cases]}


TEXT = TextShape()


def _check_order(cases: tuple[TextCase, ...], node: Series, reader: Reader) -> None:
    for case, item in zip(cases[:-1], node.items, strict=False):
        if case.when is None:
            reader.error("text-unreachable", "this case has no `if`: those after it are never said", item.place)
    if cases[-1].when is not None:
        reader.error("text-no-default", "the last case needs to be without `if`", node.items[-1].place)


def _case(node: Node, reader: Reader, *, conditional: bool) -> TextCase | None:
    if isinstance(node, Scalar):
        template = _template(node, reader)
        return None if template is None else TextCase(None, {FIRST_LANGUAGE: template}, {FIRST_LANGUAGE: node.starts})
    if not isinstance(node, Table):
        expected("a text", node, reader)
        return None
    if _forgotten_quotes(node):
        message = "a text that begins with { must be in quotes"
        reader.error("unquoted-text", message, node.place, "put the text in quotes")
        return None
    languages: dict[str, Template] = {}
    lines: dict[str, tuple[tuple[int, Place], ...]] = {}
    when: Predicate | None = None
    broken = False
    for key, entry in node.entries.items():
        if key == "if" and conditional:
            when = PREDICATE.read(entry.value, reader)
            broken |= when is None
        elif not _is_language(entry, reader, conditional=conditional) or not isinstance(entry.value, Scalar):
            broken = True
            if re.fullmatch(LANGUAGE, key):
                expected("a text", entry.value, reader)
        elif (template := _template(entry.value, reader)) is not None:
            languages[key], lines[key] = template, entry.value.starts
        else:
            broken = True
    if not broken and FIRST_LANGUAGE not in languages:
        reader.error("missing-english", f"a text needs at least `{FIRST_LANGUAGE}`", node.place)
        broken = True
    return None if broken else TextCase(when, languages, lines)


def _forgotten_quotes(node: Table) -> bool:
    """Tell whether `{points}` was meant as a text: YAML reads it as a table with an empty value."""
    entries = (entry for key, entry in node.entries.items() if key != "if")
    return any(isinstance(entry.value, Scalar) and entry.value.value is None for entry in entries)


def _is_language(entry: Entry, reader: Reader, *, conditional: bool) -> bool:
    if re.fullmatch(LANGUAGE, entry.key.text) and entry.key.text != "if":
        return True
    if entry.key.text == "if":
        message = "a text with conditions is a list of cases, each beginning with `- if:`"
        reader.error("unknown-key", message, entry.key.place)
        return False
    code = LANGUAGE_NAMES.get(entry.key.text.lower())
    if code is not None:
        message = f"languages are written as two letters: '{code}', not '{entry.key.text}'"
        reader.error("unknown-language", message, entry.key.place, code)
    else:
        known = [*LANGUAGE_NAMES.values(), *(["if"] if conditional else [])]
        reader.unknown("language", entry.key.text, known, entry.key.place)
    return False


def _template(node: Scalar, reader: Reader) -> Template | None:
    if node.value is None or not node.text.strip():
        expected("a text", node, reader)
        return None
    try:
        return compile_template(node.text.rstrip())
    except TemplateError as error:
        place = locate(node.starts, error.position)
        reader.error("template-syntax", str(error), place)
        return None


def locate(lines: tuple[tuple[int, Place], ...], position: int) -> Place:
    """Return where in the file a character of a text stands, given where its lines begin."""
    offset, place = lines[0]
    for offset_, place_ in lines[1:]:
        if offset_ <= position:
            offset, place = offset_, place_
    return replace(place, column=place.column + max(position - offset, 0))

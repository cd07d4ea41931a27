"""phrases.yaml: what the bot says when no flow does."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bot.engine.definition import Finding, Text
from bot.engine.language.nodes import Node, Series, read_nodes
from bot.engine.language.reader import Reader
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.shapes import Definitions, Schema, Shape, expected
from bot.engine.language.texts import TEXT
from bot.engine.phrases import Phrases


@dataclass(frozen=True, slots=True)
class TextsShape(Shape[tuple[Text, ...]]):
    """Texts said the 1st, 2nd ... time."""

    maximum: int

    def read(self, node: Node, reader: Reader) -> tuple[Text, ...] | None:
        items = node.items if isinstance(node, Series) else (node,)
        if not 0 < len(items) <= self.maximum:
            expected(f"one to {self.maximum} texts", node, reader)
            return None
        texts = [TEXT.read(item, reader) for item in items]
        return tuple(text for text in texts if text is not None)

    def schema(self, defs: Definitions) -> Schema:
        text = TEXT.schema(defs)
        return {"anyOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": self.maximum}]}


def _phrases(values: Values, reader: Reader) -> Phrases | None:
    names = {f.name for f in fields(Phrases)}
    return Phrases(**values.found) if names <= set(values.found) else None


PHRASES = Record(
    "phrases",
    (
        Field("misunderstood", TextsShape(3), "a reply is not understood, the 1st, 2nd, 3rd time", required=True),
        Field("fallback", TextsShape(2), "nothing at all is understood, the 1st, 2nd time", required=True),
        Field("handed_over", TEXT, "a person was asked because nothing was understood", required=True),
        Field("resume", TEXT, "before an interrupted question is asked again; may use {question}", required=True),
        Field("crash", TEXT, "something broke inside a flow", required=True),
        Field("picture", TEXT, "a picture without words arrived and nothing waits for one", required=True),
    ),
    _phrases,
    "What the bot says when no flow does.",
    titled=False,
)


def read_phrases(text: str, file: str) -> tuple[Phrases | None, list[Finding]]:
    """Read phrases.yaml. `file` is its name, for the findings; nothing is opened. None when it has errors."""
    root, findings = read_nodes(text, file)
    reader = Reader(file, findings)
    phrases = None if root is None else PHRASES.read(root, reader)
    return (None if reader.failed else phrases), reader.findings

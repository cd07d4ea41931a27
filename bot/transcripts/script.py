"""A transcript file as frozen values, and how it is read.

`read_transcripts` never raises for what stands in a file: mistakes come back as findings with file, line
and column, like those of flow files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from bot.engine.definition import Finding, Place
from bot.engine.language.durations import parse_duration
from bot.engine.language.nodes import Node, Scalar, Series, Table, read_nodes
from bot.engine.language.reader import Reader

StepKind = Literal["customer", "bot", "wait", "event", "till", "expect"]
Match = Literal["whole", "contains", "matches", "nothing"]

GIVEN: Mapping[str, str] = {
    "consent": "none (nobody we know), pending, subscribed or unsubscribed",
    "points": "points that can be spent; with a list of {points, expires_in} they expire on different days",
    "qualifying": "points that count towards the tier",
    "tier": "key of a tier",
    "name": "first name",
    "language": "en or es",
    "email": "e-mail address",
    "birthday": "month and day, like 2000-03-14",
    "frequency": "normal or less",
    "tags": "list of tags",
    "attributes": "table of the shop's own attributes",
    "used": "`once` names already used for points, like [welcome]",
    "used_today": "`once` names used today that come back every day, like [check_in]",
    "purchases": "how many",
    "spent": "money spent in all, in cents",
    "last_purchase": "`200 days ago`",
    "joined": "`200 days ago`",
    "referral_code": "the customer's own code for friends",
    "vouchers": "list of {name, code, ends_in}",
    "marketing_paused": "true: there is an unsettled doubt",
    "variant": "the customer's group in a named test, like {winback: 20}",
    "friend": "{code, points, consent}: another customer, whose code this one may use",
    "settings": "other values for programme.yaml, like {opt_in: single}",
    "stock": "how many of a reward are left, like {beans: 0}",
    "now": "local time at the shop, like 2026-03-02 10:00",
}
"""What may stand under `given`."""

EXPECT: Mapping[str, str] = {
    "points": "points that can be spent",
    "consent": "none, pending, subscribed or unsubscribed",
    "state": "`flow.state` of the conversation the customer is in, or `none`",
    "ended": "outcome of the conversation that ended last",
    "vouchers": "how many codes can be used",
    "tags": "list of tags",
    "attributes": "table of the shop's own attributes",
    "name": "first name",
    "language": "en or es",
    "email": "e-mail address",
    "birthday": "like 2000-03-14",
    "frequency": "normal or less",
    "tier": "key of a tier",
    "marketing_paused": "true or false",
    "handed_over": "true: a person was asked",
    "friend": "{points, told}: the other customer's points and the last text to them",
    "wording": "`join 1`: wording and version in the last consent record",
}
"""What may stand under `expect`."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What the bot is expected to say. In a whole text `...` stands for anything."""

    match: Match
    text: str = ""
    picture: str | None = None  #: the address of what must be sent along; None: anything or nothing

    def fits(self, said: str) -> bool:
        """Tell whether this is what was said."""
        if self.match == "contains":
            return self.text in said
        if self.match == "matches":
            return re.search(self.text, said) is not None
        pattern = ".*?".join(re.escape(part) for part in self.text.split("..."))
        return re.fullmatch(pattern, said, re.DOTALL) is not None

    def __str__(self) -> str:
        words = repr(self.text) if self.match == "whole" else f"{self.match} {self.text!r}"
        return words if self.picture is None else f"{words} with {self.picture}"


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One line of a transcript.

    `value` by kind: customer: the text, or {"picture": type}; bot: a Saying; wait: a timedelta;
    event: (name, data); till: "voucher"; expect: a table.
    """

    kind: StepKind
    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Transcript:
    """One conversation written down: who the customer is, what is said, what is true afterwards."""

    title: str
    place: Place
    given: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[ScriptStep, ...] = ()


def read_transcripts(text: str, file: str) -> tuple[tuple[Transcript, ...], list[Finding]]:
    """Read one `NAME.test.yaml`."""
    root, found = read_nodes(text, file)
    reader = Reader(file, found)
    if root is None:
        return (), reader.findings
    if not isinstance(root, Series):
        reader.error("wrong-type", "a transcript file is a list: each begins with `- transcript: title`", root.place)
        return (), reader.findings
    read = [_transcript(node, reader) for node in root.items]
    titles: set[str] = set()
    for transcript in read:
        if transcript is not None and transcript.title in titles:
            reader.error("duplicate-title", f"there are two transcripts '{transcript.title}'", transcript.place)
        elif transcript is not None:
            titles.add(transcript.title)
    return tuple(transcript for transcript in read if transcript is not None), reader.findings


def _transcript(node: Node, reader: Reader) -> Transcript | None:
    if not isinstance(node, Table):
        reader.error("wrong-type", "expected `transcript`, `given` and `steps`", node.place)
        return None
    for key, entry in node.entries.items():
        if key not in ("transcript", "given", "steps"):
            reader.unknown("key", key, ("transcript", "given", "steps"), entry.key.place)
    missing = [key for key in ("transcript", "steps") if key not in node.entries]
    if missing:
        reader.error("missing-key", f"a transcript needs `{missing[0]}`", node.place)
        return None
    given = _known(node.entries["given"].value, GIVEN, reader) if "given" in node.entries else {}
    for key in ("last_purchase", "joined"):
        if isinstance(given.get(key), str):
            given[key] = _ago(given[key], node.entries["given"].value.place, reader)
    listed = node.entries["steps"].value
    steps = [_step(item, reader) for item in listed.items] if isinstance(listed, Series) else []
    if not steps:
        reader.error("wrong-type", "`steps` is a list of customer, bot, wait, event, till and expect", listed.place)
    title = node.entries["transcript"].value
    return Transcript(str(plain(title)), node.place, given, tuple(step for step in steps if step is not None))


def _known(node: Node, known: Mapping[str, str], reader: Reader) -> dict[str, Any]:
    if not isinstance(node, Table):
        reader.error("wrong-type", f"expected a table with some of {', '.join(known)}", node.place)
        return {}
    for key, entry in node.entries.items():
        if key not in known:
            reader.unknown("key", key, known, entry.key.place)
    return {key: plain(entry.value) for key, entry in node.entries.items() if key in known}


def _step(node: Node, reader: Reader) -> ScriptStep | None:
    kinds = ("customer", "bot", "wait", "event", "till", "expect")
    if not isinstance(node, Table) or len(node.entries) != 1:
        reader.error("wrong-type", f"a step has one of {', '.join(kinds)}", node.place)
        return None
    (key, entry), *_ = node.entries.items()
    if key not in kinds:
        reader.unknown("step", key, kinds, entry.key.place)
        return None
    place, value = entry.key.place, entry.value
    if key == "customer":
        return ScriptStep("customer", _words(value, "picture", reader), place)
    if key == "bot":
        return _bot(value, place, reader)
    if key == "wait":
        return _wait(value, place, reader)
    if key == "event":
        return _event(value, place, reader)
    if key == "till":
        return _till(value, place, reader)
    return ScriptStep("expect", _known(value, EXPECT, reader), place)


def _words(node: Node, other: str, reader: Reader) -> Any:
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Table) and set(node.entries) == {other}:
        return plain(node)
    reader.error("wrong-type", f"expected a text or {{{other}: ...}}", node.place)
    return ""


def _bot(node: Node, place: Place, reader: Reader) -> ScriptStep | None:
    if isinstance(node, Scalar):
        saying = Saying("nothing") if node.text == "nothing" else Saying("whole", node.text)
        return ScriptStep("bot", saying, place)
    if isinstance(node, Table) and "picture" in node.entries:
        return _with_picture(node, place, reader)
    if isinstance(node, Table) and len(node.entries) == 1:
        (key, entry), *_ = node.entries.items()
        if key == "contains" and isinstance(entry.value, Scalar):
            return ScriptStep("bot", Saying("contains", entry.value.text), place)
        if key == "matches" and isinstance(entry.value, Scalar):
            try:
                re.compile(entry.value.text)
            except re.error as error:
                reader.error("bad-pattern", f"not a regular expression: {error}", entry.value.place)
                return None
            return ScriptStep("bot", Saying("matches", entry.value.text), place)
    reader.error("wrong-type", "expected a text, `nothing`, {contains: text} or {matches: expression}", node.place)
    return None


def _with_picture(node: Table, place: Place, reader: Reader) -> ScriptStep | None:
    """`{picture: address}`, alone or beside `contains` or `matches`."""
    picture = node.entries["picture"].value
    words = {key: entry for key, entry in node.entries.items() if key != "picture"}
    if not isinstance(picture, Scalar):
        reader.error("wrong-type", "expected the picture's address", picture.place)
        return None
    step = _bot(replace(node, entries=words), place, reader) if words else ScriptStep("bot", Saying("contains"), place)
    return None if step is None else replace(step, value=replace(step.value, picture=picture.text))


def _wait(node: Node, place: Place, reader: Reader) -> ScriptStep | None:
    try:
        return ScriptStep("wait", parse_duration(node.text if isinstance(node, Scalar) else ""), place)
    except ValueError as error:
        reader.error("bad-duration", str(error), node.place)
        return None


def _event(node: Node, place: Place, reader: Reader) -> ScriptStep | None:
    value = plain(node)
    if isinstance(value, str):
        value = {value: {}}
    if isinstance(value, dict) and len(value) == 1:
        (name, data), *_ = value.items()
        return ScriptStep("event", (name, data or {}), place)
    reader.error("wrong-type", "expected an event, like {purchase_recorded: {amount_minor: 450}}", node.place)
    return None


def _till(node: Node, place: Place, reader: Reader) -> ScriptStep | None:
    if isinstance(node, Scalar) and node.text == "voucher":
        return ScriptStep("till", node.text, place)
    reader.error("wrong-type", "expected `till: voucher`: the newest code is used at the till", node.place)
    return None


def _ago(text: str, place: Place, reader: Reader) -> timedelta | None:
    try:
        return parse_duration(text.removesuffix("ago"))
    except ValueError:
        reader.error("bad-duration", f"'{text}' should be like `200 days ago`", place)
        return None


def plain(node: Node) -> Any:
    """Return a node as plain data."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Table):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Series):
        return [plain(item) for item in node.items]
    return None


def local_moment(text: str) -> datetime:
    """Return the naive local time of `given: {now: ...}`. Raises ValueError."""
    return datetime.fromisoformat(text)

"""Published flow revisions, compiled and cached. The last good revision keeps serving.

Files are read as one set: a flow may start another, so they are proved together. A file with mistakes
is left out and its last good revision put in its place; the findings are kept for whoever asks.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot import telemetry
from bot.engine.definition import Finding, Flow
from bot.engine.language import read_flow, read_flow_leniently, read_phrases, read_programme
from bot.engine.machine import Compiled, compile_flow
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.prover import prove
from bot.engine.route import Router
from bot.errors import FlowError, FlowFilesInvalid
from bot.lexicon import load as load_lexicon
from storage import revisions
from storage.database import reading, writing
from storage.ids import next_id

PROGRAMME = "programme"
PHRASES = "phrases"
FileKind = Literal["flow", "programme", "phrases"]


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file of the flows folder."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def kind(self) -> FileKind:
        return self.name if self.name in (PROGRAMME, PHRASES) else "flow"  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Reading:
    """A set of files read and proved together."""

    flows: Mapping[str, Flow]
    programme: Programme | None
    phrases: Phrases | None
    findings: tuple[Finding, ...]

    @property
    def bad_files(self) -> frozenset[str]:
        return frozenset(f.place.file for f in self.findings if f.severity == "error")


@dataclass(frozen=True)
class Book:
    """One consistent set of flows in force; what a turn may ask. Never changes once made."""

    programme: Programme
    phrases: Phrases
    flows: Mapping[str, Flow]
    compiled: Mapping[str, Compiled]
    router: Router
    catalog: Catalog = field(repr=False, compare=False)

    def current(self, name: str) -> Compiled | None:
        """Return the revision of a flow now in force."""
        return self.compiled.get(name)

    def revision(self, revision_id: int) -> Compiled:
        """Return the revision a conversation began in."""
        return self.catalog.revision(revision_id)

    def by_compliance(self, kind: str) -> Compiled:
        """Return the flow that answers STOP, START, HELP or a doubtful opt-out."""
        for flow in self.flows.values():
            if any(trigger.compliance == kind for trigger in flow.triggers):
                return self.compiled[flow.name]
        raise FlowError(f"no flow has a trigger with compliance: {kind}")


def read_folder(folder: Path) -> list[Source]:
    """Return the sources of a flows folder, transcripts left out."""
    return [
        Source(path.stem, path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(folder.glob("*.yaml"))
        if not path.name.endswith(".test.yaml")
    ]


def read_sources(sources: Iterable[Source]) -> Reading:
    """Read and prove a set of files, once for the same set; never raises for what stands in them."""
    return _read_set(tuple(sources))


@lru_cache(maxsize=4)
def _read_set(sources: tuple[Source, ...]) -> Reading:
    flows: dict[str, Flow] = {}
    findings: list[Finding] = []
    found: Sequence[Finding]
    broken: set[str] = set()
    programme: Programme | None = None
    phrases: Phrases | None = None
    for source in sources:
        file = f"{source.name}.yaml"
        if source.kind == PROGRAMME:
            programme, found = read_programme(source.text, file)
        elif source.kind == PHRASES:
            phrases, found = read_phrases(source.text, file)
        else:
            flow, found = _read_flow(source.text, file)
            if flow is not None:
                flows[flow.name] = flow
            if flow is None or any(finding.severity == "error" for finding in found):
                broken.add(flow.name if flow is not None else source.name)
        findings.extend(found)
    if programme is not None:
        findings += prove(flows, programme, phrases, frozenset(broken))
    return Reading(flows, programme, phrases, tuple(sorted(findings, key=lambda f: f.place)))


@lru_cache(maxsize=256)
def _read_flow(text: str, file: str) -> tuple[Flow | None, Sequence[Finding]]:
    """Read a flow once, however often: when one file was edited, the others are not parsed again."""
    flow, findings = read_flow_leniently(text, file)
    return flow, tuple(findings)


@lru_cache(maxsize=256)
def _compile(source: Source) -> Compiled:
    """Compile a good flow once, whatever the number of its revision is in this or that database."""
    flow, _ = _read_flow(source.text, f"{source.name}.yaml")
    assert flow is not None
    return compile_flow(flow, 0)


@lru_cache(maxsize=4)
def _router(sources: tuple[Source, ...]) -> Router:
    """Build the router of a set of files, once for the same set."""
    return Router(load_lexicon(), _read_set(sources).flows)


def _compile_again(row: Mapping[str, Any] | None, revision_id: int) -> Compiled:
    """Compile a revision of long ago. This release may read fewer things than the one that published it."""
    try:
        flow, _ = read_flow(row["source"], f"{row['name']}.yaml") if row else (None, [])
        if flow is not None:
            return compile_flow(flow, revision_id)
    except Exception as error:
        raise FlowError(f"revision {revision_id} cannot be read any more") from error
    raise FlowError(f"revision {revision_id} cannot be read any more")


class Catalog:
    """Keeps the book in force and every revision that open conversations still need."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.findings: tuple[Finding, ...] = ()
        self._compiled: dict[int, Compiled] = {}
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._lock = threading.Lock()
        self._book: Book | None = None

    @property
    def book(self) -> Book:
        """The set in force. Raises FlowFilesInvalid before the first load."""
        if self._book is None:
            raise FlowFilesInvalid()
        return self._book

    def refresh(self, now: datetime) -> bool:
        """Load the folder again if a file changed; say whether a new book is in force."""
        stamp = tuple((p.name, s.st_mtime_ns, s.st_size) for p in sorted(self.folder.glob("*.yaml")) if (s := p.stat()))
        if stamp == self._seen:
            return False
        self.load(now)
        self._seen = stamp
        return True

    def load(self, now: datetime) -> Book:
        """Read the folder, publish what is new and good, and put it in force.

        Raises FlowFilesInvalid, with the findings in `self.findings`, when a file is bad and no good
        revision of it was ever published.
        """
        with self._lock:
            sources = {source.name: source for source in read_folder(self.folder)}
            reading_ = read_sources(sources.values())
            self.findings = reading_.findings
            if reading_.bad_files or reading_.programme is None or reading_.phrases is None:
                sources, reading_ = self._fall_back(sources, reading_)
            book = self._publish(sources, reading_, now)
            self._book = book
        errors = [f for f in self.findings if f.severity == "error"]
        telemetry.flows_loaded(len(book.flows), [f"{f.place} {f.message}" for f in errors])
        return book

    def revision(self, revision_id: int) -> Compiled:
        """Return a compiled revision, from memory or from the database; FlowError when it cannot be read any more."""
        compiled = self._compiled.get(revision_id)
        if compiled is None:
            with reading(self.engine) as conn:
                row = revisions.by_id(conn, revision_id)
            compiled = self._compiled[revision_id] = _compile_again(row, revision_id)
        return compiled

    def _fall_back(self, sources: dict[str, Source], reading_: Reading) -> tuple[dict[str, Source], Reading]:
        """Replace bad files by their last good revisions until the set proves."""
        with reading(self.engine) as conn:
            good = {name: Source(name, row["source"]) for name, row in revisions.latest(conn).items()}
        trusted: set[str] = set()
        for _ in range(len(sources) + len(good) + 2):
            bad = {file.removesuffix(".yaml") for file in reading_.bad_files}
            if reading_.programme is None:
                bad.add(PROGRAMME)
            if reading_.phrases is None:
                bad.add(PHRASES)
            if not bad:
                return sources, reading_
            if bad <= trusted:  # good files only clash with edited ones: serve the last good set whole
                sources, trusted = dict(good), set(good)
            for name in bad:
                if name in good and name not in trusted:
                    sources[name] = good[name]
                    trusted.add(name)
                elif name not in trusted:
                    sources.pop(name, None)
                    trusted.add(name)
            reading_ = read_sources(sources.values())
            if not good:
                break
        if reading_.bad_files or reading_.programme is None or reading_.phrases is None or not good:
            lines = [f"{f.place}: {f.message}" for f in self.findings if f.severity == "error"]
            raise FlowFilesInvalid("The flow files have mistakes:\n  " + "\n  ".join(lines or ["no flow files found"]))
        return sources, reading_

    def _publish(self, sources: Mapping[str, Source], reading_: Reading, now: datetime) -> Book:
        assert reading_.programme is not None
        assert reading_.phrases is not None
        try:
            ids = self._store(sources, now)
        except IntegrityError:  # another process published the same files at the same moment
            ids = self._store(sources, now)
        compiled: dict[str, Compiled] = {}
        for name in reading_.flows:
            revision_id = ids[name]
            if revision_id not in self._compiled:
                self._compiled[revision_id] = replace(_compile(sources[name]), revision_id=revision_id)
            compiled[name] = self._compiled[revision_id]
        return Book(
            programme=reading_.programme,
            phrases=reading_.phrases,
            flows=dict(reading_.flows),
            compiled=compiled,
            router=_router(tuple(sources.values())),
            catalog=self,
        )

    def _store(self, sources: Mapping[str, Source], now: datetime) -> dict[str, int]:
        rows = [
            {
                "id": next_id(),
                "name": source.name,
                "kind_of_file": source.kind,
                "digest": source.digest,
                "source": source.text,
                "published_at": now,
            }
            for source in sources.values()
        ]
        with writing(self.engine) as conn:
            return revisions.publish(conn, rows)

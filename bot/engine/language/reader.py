"""The notebook that reading writes its findings into, and the search for near words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import PurePosixPath

from bot.engine.definition import Finding, Place, Severity
from bot.engine.language.nodes import MAX_FINDINGS

MAX_SUGGESTIONS = 50  #: per file; looking for near words among thousands of states costs


class Reader:
    """Collects the findings of one file while it is read."""

    def __init__(self, file: str, findings: Iterable[Finding] = ()) -> None:
        self.file = file
        self.findings = list(findings)
        self._suggestions = 0

    @property
    def stem(self) -> str:
        """The file's name without folders and `.yaml`."""
        return PurePosixPath(self.file.replace("\\", "/")).name.removesuffix(".yaml").removesuffix(".yml")

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)

    def error(self, code: str, message: str, place: Place, suggestion: str | None = None) -> None:
        self._add("error", code, message, place, suggestion)

    def warn(self, code: str, message: str, place: Place, suggestion: str | None = None) -> None:
        self._add("warning", code, message, place, suggestion)

    def unknown(self, what: str, word: str, known: Iterable[str], place: Place, *, code: str | None = None) -> None:
        """Complain of a word that is not known: `unknown state 'confrim'; did you mean 'confirm'?`."""
        near = None
        if self._suggestions < MAX_SUGGESTIONS:
            self._suggestions += 1
            near = nearest(word, known)
        message = f"unknown {what} '{word[:60]}'" + (f"; did you mean '{near}'?" if near else "")
        self.error(code or f"unknown-{what.replace(' ', '-')}", message, place, near)

    def _add(self, severity: Severity, code: str, message: str, place: Place, suggestion: str | None) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(severity, code, message, place, suggestion))
        elif len(self.findings) == MAX_FINDINGS:
            self.findings.append(Finding("error", "too-many", "and more; mend these first", place))


ALIKE = 0.6  #: from here on two words are near
SLIP = 0.75  #: from here on one is probably a slip of the pen for the other, even where any word may stand


def nearest(word: str, known: Iterable[str], cutoff: float = ALIKE) -> str | None:
    """Return the known word that looks most like this one, or None."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    matches = difflib.get_close_matches(word[:60].casefold(), by_fold, n=1, cutoff=cutoff)
    return by_fold[matches[0]] if matches else None

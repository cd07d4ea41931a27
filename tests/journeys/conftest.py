"""One stage for all transcripts, and the coverage report at the end of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.transcripts import Coverage, Stage

FLOWS = Path(os.environ.get("FLOWS_DIR") or Path(__file__).parents[2] / "flows")
_REPORT = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A database with the shipped flows, copied for each transcript."""
    stage = Stage(FLOWS, tmp_path_factory.mktemp("stage"))
    yield stage
    stage.engine.dispose()


@pytest.fixture(scope="session")
def coverage(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Coverage]:
    """What all transcripts together went through."""
    coverage = Coverage(stage.book.flows)
    yield coverage
    some = request.config.getoption("keyword") or any("::" in name for name in request.config.args)
    if not some:  # of a few transcripts the report would only say what nobody asked
        request.config.stash[_REPORT] = coverage.report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the coverage of the flows."""
    if report := config.stash.get(_REPORT, ""):
        terminalreporter.section("flows: states and arrows the transcripts went through")
        terminalreporter.write_line(report)

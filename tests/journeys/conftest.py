"""One stage for all transcripts, and what they went through together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.transcripts import Coverage, Stage

from .summary import keep_report

FLOWS = Path(os.environ.get("FLOWS_DIR") or Path(__file__).parents[2] / "flows")


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
        keep_report(request.config, coverage.report())

"""Every transcript of `flows/*.test.yaml`, played through the real door."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.transcripts import Coverage, Stage, Transcript, read_transcripts, run_transcript

from .conftest import FLOWS, PostgresStage

FILES = sorted(FLOWS.glob("*.test.yaml"))
READ = {path: read_transcripts(path.read_text(encoding="utf-8"), f"flows/{path.name}") for path in FILES}
ALL = [
    pytest.param(transcript, id=f"{path.name.removesuffix('.test.yaml')}::{transcript.title}")
    for path, (transcripts, _) in READ.items()
    for transcript in transcripts
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_transcript_file_can_be_read(path: Path) -> None:
    """A transcript file has no mistakes."""
    assert [f"{finding.place}: {finding.message}" for finding in READ[path][1]] == []


@pytest.mark.parametrize("transcript", ALL)
def test_transcript(transcript: Transcript, stage: Stage, coverage: Coverage) -> None:
    """The bot says what is written, afterwards is true what is written, and no text is long or dear."""
    result = run_transcript(stage, transcript)
    coverage.add(result.decisions)
    if not result.passed:
        pytest.fail(result.report(), pytrace=False)
    assert [text.body for text in result.said if text.segments > 2 or text.encoding != "GSM-7"] == []


@pytest.mark.postgres
@pytest.mark.parametrize("transcript", ALL)
def test_on_postgres(transcript: Transcript, postgres_stage: PostgresStage) -> None:
    """The same on PostgreSQL, to the letter."""
    result = run_transcript(postgres_stage, transcript)
    if not result.passed:
        pytest.fail(result.report(), pytrace=False)


def all_played(session: pytest.Session) -> bool:
    """Say whether this run plays every transcript of the folder."""
    return sum(item.name.startswith("test_transcript[") for item in session.items) == len(ALL)


def test_every_state_and_arrow_is_covered(coverage: Coverage, request: pytest.FixtureRequest) -> None:
    """The transcripts together went through every state and every arrow of the shipped flows."""
    if not all_played(request.session):
        pytest.skip("only some transcripts were played")
    assert coverage.missing() == []

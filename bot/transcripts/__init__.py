"""Transcripts: conversations written down in `flows/NAME.test.yaml`, played through the real door."""

from bot.transcripts.coverage import Coverage
from bot.transcripts.runner import Result, run_transcript
from bot.transcripts.script import Transcript, read_transcripts
from bot.transcripts.stage import Stage

__all__ = ["Coverage", "Result", "Stage", "Transcript", "read_transcripts", "run_transcript"]

"""Reading the files a marketer writes: text in, values or findings out."""

from bot.engine.language.durations import parse_duration
from bot.engine.language.flows import parse_predicate, read_flow, read_flow_leniently
from bot.engine.language.phrasebook import read_phrases
from bot.engine.language.programmes import read_programme

__all__ = ["parse_duration", "parse_predicate", "read_flow", "read_flow_leniently", "read_phrases", "read_programme"]

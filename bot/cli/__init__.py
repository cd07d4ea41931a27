"""The command line: click commands, one file for each noun."""

from bot.cli.root import main

__all__ = ["main"]

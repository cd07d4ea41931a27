"""The console: what support staff, managers and administrators see. Thin pages over `bot.desk`."""

from bot.console.routes import register

__all__ = ["register"]

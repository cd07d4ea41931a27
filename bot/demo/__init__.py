"""The demo shop's customers and what they did in the last year, played through the real turns."""

from bot.demo.seeding import seed

__all__ = ["seed"]

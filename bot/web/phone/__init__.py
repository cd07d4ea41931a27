"""The simulated phone of the demo: what a customer sees, and what the machine made of it."""

from bot.web.phone.views import blueprint

__all__ = ["blueprint"]

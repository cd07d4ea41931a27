"""Outbox rows on their way: claim, ask the gate again, send, record, and settle what is not known.

A row is claimed and judged in one transaction, so that a STOP committed before the claim is always seen. The
send itself happens outside any transaction; if its outcome is not known the row says so, is looked up at the
carrier, and is never blindly repeated.
"""

from bot.delivery.claiming import LEASE
from bot.delivery.drain import Delivery
from bot.delivery.rates import Rate, rate_of
from bot.delivery.sender import resume, stopped
from bot.delivery.statuses import Statuses

__all__ = ["LEASE", "Delivery", "Rate", "Statuses", "rate_of", "resume", "stopped"]

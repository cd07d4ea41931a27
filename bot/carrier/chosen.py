"""Which carrier the settings choose."""

from __future__ import annotations

from bot.carrier.bird import BirdCarrier
from bot.carrier.port import Carrier
from bot.carrier.simulated import SimulatedCarrier
from bot.carrier.twilio import TwilioCarrier
from bot.settings import Settings


def carrier_of(settings: Settings) -> Carrier:
    """Return the carrier to send through."""
    if not settings.live:
        return SimulatedCarrier(settings.auth_tokens[0])
    return BirdCarrier(settings) if settings.carrier == "bird" else TwilioCarrier(settings)

"""Everything one process runs on, put together by `app.py` and found by the blueprints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from flask import current_app
from sqlalchemy import Engine

from bot.broker import Broker, NoBroker
from bot.carrier.port import Carrier
from bot.catalog import Catalog
from bot.clock import SystemClock
from bot.delivery import Delivery, Statuses
from bot.schedule import Schedule
from bot.settings import Settings
from bot.turn import Turns
from bot.web.door import Door


@dataclass(frozen=True, slots=True)
class Services:
    """The parts, by name."""

    settings: Settings
    engine: Engine
    clock: SystemClock
    catalog: Catalog
    turns: Turns
    door: Door
    statuses: Statuses
    carrier: Carrier
    delivery: Delivery
    schedule: Schedule
    broker: Broker = field(default_factory=NoBroker)


def services() -> Services:
    """Return the services of the application in whose context we are."""
    return cast(Services, current_app.extensions["regulars"])

"""What commands open: settings, the database, the flows in force, the turns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click
from dotenv import dotenv_values
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from bot import telemetry
from bot.catalog import Catalog
from bot.clock import SystemClock
from bot.phone import parse
from bot.settings import ROOT, Settings, load_settings
from bot.turn import Turns
from storage import switches
from storage.database import open_engine, reading
from storage.migrate import upgrade


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with, beside a running server or without one."""

    settings: Settings
    engine: Engine
    clock: SystemClock
    catalog: Catalog
    turns: Turns


def command_settings() -> Settings:
    """Read the settings for a command that serves nobody.

    Unless REGULARS_DEMO says otherwise, missing Twilio secrets are no obstacle: the same database is found
    with them and without.
    """
    demo_unless_configured()
    return load_settings()


def demo_unless_configured() -> None:
    """Let REGULARS_DEMO be `auto` when neither the environment nor .env says anything about it."""
    if not given("REGULARS_DEMO"):
        os.environ["REGULARS_DEMO"] = "auto"


def given(name: str) -> bool:
    """Say whether the environment or .env gives a setting."""
    return bool(os.environ.get(name) or dotenv_values(ROOT / ".env").get(name))


@contextmanager
def database(settings: Settings | None = None) -> Iterator[tuple[Settings, Engine]]:
    """Open the database, migrated, and close it at the end."""
    settings = settings or command_settings()
    try:
        upgrade(settings.database_url)
    except (OperationalError, ValueError) as trouble:
        raise click.ClickException(f"The database cannot be opened: {_first_line(trouble)}") from None
    engine = open_engine(settings.database_url)
    try:
        yield settings, engine
    finally:
        engine.dispose()


@contextmanager
def desk(settings: Settings | None = None, *, quiet: bool = True) -> Iterator[Desk]:
    """Open everything a command may need; only warnings are logged unless it is not quiet.

    Raises FlowFilesInvalid when no flows can be put in force.
    """
    with database(settings) as (settings, engine):
        telemetry.configure("WARNING" if quiet and settings.log_level == "INFO" else settings.log_level)
        clock = clock_of(engine, settings)
        catalog = Catalog(engine, settings.flows_dir)
        catalog.load(clock.now())
        yield Desk(settings, engine, clock, catalog, Turns(engine, catalog, settings))


def clock_of(engine: Engine, settings: Settings) -> SystemClock:
    """Return the installation's clock; in the demo it may have been turned forward."""
    if not settings.demo:
        return SystemClock()
    with reading(engine) as conn:
        return SystemClock(timedelta(seconds=float(switches.get(conn, "clock_offset") or 0)))


def number(typed: str, country: str = "US") -> str:
    """Return a typed phone number as E.164. Raises a usage error when it is none."""
    found = parse(typed, country)
    if found is None:
        raise click.BadParameter(f"{typed!r} is no phone number; write it like +12015550123.", param_hint="NUMBER")
    return found


def json_object(data: str) -> dict[str, Any]:
    """Return what `--data` holds. Raises a usage error when it is no JSON object."""
    try:
        values = json.loads(data)
    except json.JSONDecodeError as trouble:
        raise click.BadParameter(f"not JSON: {trouble}", param_hint="--data") from None
    if not isinstance(values, dict):
        raise click.BadParameter("must be a JSON object, like {}", param_hint="--data")
    return values


def _first_line(trouble: Exception) -> str:
    return str(getattr(trouble, "orig", None) or trouble).strip().splitlines()[0]

"""`worker`, `scheduler` and `processes`: the roles that serve no web, and who is running."""

from __future__ import annotations

import os
import socket
from datetime import UTC

import click

from bot import telemetry
from bot.app import build_services
from bot.broker import Handler, NoBroker
from bot.cli.opened import clock_of, command_settings, database
from bot.cli.shown import as_json, say, table, when
from bot.errors import SettingsError
from bot.settings import ROLES, Role, load_settings
from bot.workers import start_ticking
from storage import processes
from storage.database import reading

_MEEK = 10  # where one host runs it all, whoever answers a customer's text goes first


@click.command()
def worker() -> None:
    """Send what is queued: any number of these, on any hosts, beside one PostgreSQL.

    With BROKER_URL they are woken at once, without it they look every second. SIGTERM ends one after what
    it has in hand; kill -9 loses nothing, what it had in hand is looked up at the carrier.

    \b
    Examples:
      python -m bot worker
      BROKER_URL=redis://queue:6379/0 python -m bot worker
    """
    _run("worker", standby=False)


@click.command()
@click.option("--standby", is_flag=True, help="Tick only while no other --standby scheduler does (PostgreSQL).")
def scheduler(standby: bool) -> None:
    """Keep the clock: timers, facts, dated starts, expiry. Any number of these may run, and any may die.

    All of them may tick at once: each row is claimed once. --standby only saves the work of looking twice.
    """
    _run("scheduler", standby=standby)


def _run(role: Role, *, standby: bool) -> None:
    os.environ["REGULARS_ROLE"] = role
    settings = load_settings()
    if settings.sqlite:
        raise SettingsError(f"A {role} of its own needs PostgreSQL: an embedded database is served by `serve` alone.")
    os.nice(_MEEK)
    shop = build_services(settings)
    ticking = start_ticking(shop, standby=standby)
    telemetry.log.info("ready", action="start", role=role)
    handle: Handler = ticking.wake
    try:
        (shop.broker if role == "worker" else NoBroker()).listen(handle)
    finally:
        telemetry.log.info("ending", action="end", role=role)
        ticking.shutdown()
        shop.broker.close()
        shop.engine.dispose()


@click.command("processes")
@click.option("--role", type=click.Choice(ROLES), help="Only those of one role.")
@click.option("--here", is_flag=True, help="Only those of this host.")
@click.option("--check", is_flag=True, help="Say nothing; exit code 1 unless one of them is alive.")
@click.option("--json", "in_json", is_flag=True, help="As JSON.")
def list_processes(role: Role | None, here: bool, check: bool, in_json: bool) -> None:
    """Show the processes that run on this database, by their heartbeats.

    \b
    Examples:
      python -m bot processes
      python -m bot processes --role worker --here --check   # the health of a container
    """
    with database(command_settings()) as (settings, engine):
        now = clock_of(engine, settings).now()
        with reading(engine) as conn:
            found = processes.known(conn)
    found = [each for each in found if role in (None, each.role) and (not here or each.host == socket.gethostname())]
    if check:
        raise SystemExit(0 if any(each.alive(now) for each in found) else 1)
    if in_json:
        as_json([each._asdict() | {"alive": each.alive(now)} for each in found])
        return
    if not found:
        say("None has been heard of.")
        return
    rows = [(p.role, p.host, p.pid, when(p.started_at, UTC), "alive" if p.alive(now) else "silent") for p in found]
    table(("role", "host", "pid", "since (UTC)", ""), rows)

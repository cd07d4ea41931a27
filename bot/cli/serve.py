"""`serve`: check everything, say where to look, and hand over to granian."""

from __future__ import annotations

import os
import socket
import time

import click
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from rich.console import Console
from rich.markup import escape

from bot import daycode, telemetry
from bot.cli.opened import Desk, demo_unless_configured, desk, given
from bot.desk import accounts
from bot.errors import SettingsError
from bot.phone import display
from bot.settings import Settings, load_settings
from bot.web.phone.network import local_address
from storage import staff
from storage.database import writing

PORT_PATIENCE = 3.0  # seconds: a server that was just killed gives its port back
KILL_AFTER = 20  # seconds a worker has to finish what it took


@click.command()
@click.option("--host", help="Address to listen on; HOST otherwise, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; PORT otherwise, or 8000.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    envvar="WEB_WORKERS",
    help="Processes; more than 1 on PostgreSQL only.",
)
@click.option("--web-only", is_flag=True, help="No reminders, no delivery: workers and schedulers do that elsewhere.")
@click.option("--demo", is_flag=True, help="The demo: its own customers, a simulated carrier and a phone page.")
@click.option("--or-demo", is_flag=True, help="The demo unless Twilio is configured or REGULARS_DEMO says otherwise.")
def serve(host: str | None, port: int | None, workers: int, web_only: bool, demo: bool, or_demo: bool) -> None:
    """Start the server: texts, pages, reminders and delivery in one process.

    The database is migrated first. A missing setting is named (exit code 2); flow files with mistakes are
    shown when there is no earlier good revision to serve (exit code 3).

    \b
    Examples:
      python -m bot serve --demo
      PORT=9000 python -m bot serve --or-demo
    """
    _say_to_worker(host, port, demo, or_demo)
    if web_only:
        os.environ["REGULARS_ROLE"] = "web"
    settings = load_settings()
    if settings.role == "web" and settings.sqlite:
        raise SettingsError("--web-only needs PostgreSQL: an embedded database is served by one process for all.")
    if workers > 1 and (settings.sqlite or settings.demo):
        raise SettingsError("WEB_WORKERS above 1 needs PostgreSQL and no demo: an embedded database has one writer.")
    _wait_for_port(settings)
    with desk(settings, quiet=False) as opened:
        if settings.demo:
            _seed(opened)
        _tell(opened)
    _run(settings, workers)


def _say_to_worker(host: str | None, port: int | None, demo: bool, or_demo: bool) -> None:
    """Put the options into the environment: the worker reads its settings there again."""
    if host:
        os.environ["HOST"] = host
    if port:
        os.environ["PORT"] = str(port)
    if demo:
        os.environ["REGULARS_DEMO"] = "1"
    elif or_demo:
        demo_unless_configured()


def _wait_for_port(settings: Settings) -> None:
    """Make sure that nobody listens on our port; granian itself would share it silently."""
    give_up = time.monotonic() + PORT_PATIENCE
    while True:
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            return
        except OSError as trouble:
            if time.monotonic() > give_up:
                where, why = f"{settings.host}:{settings.port}", trouble.strerror or trouble
                raise click.ClickException(f"Cannot listen on {where}: {why}. Choose another PORT.") from None
            time.sleep(0.1)


def _seed(opened: Desk) -> None:
    from bot.demo import seed  # only the demo needs it

    if seed(opened.engine, opened.catalog, opened.settings, opened.clock.now()):
        click.echo("The demo shop's customers, purchases and conversations of the last year are in.")


def _tell(opened: Desk) -> None:
    """Print where to look."""
    settings, shop = opened.settings, opened.catalog.book.programme.shop
    address = local_address(settings)
    base = settings.public_url or address
    rows = [("Texts", f"POST {base}/sms"), ("Status", f"POST {base}/sms/status")]
    if settings.demo:
        signed = "TWILIO_AUTH_TOKEN" if given("TWILIO_AUTH_TOKEN") else settings.auth_tokens[0]
        rows = [("Phone", f"{address}/phone"), ("About", address), *rows, ("Signed with", signed)]
    rows += [
        ("Console", _console_address(opened, base)),
        ("Till code", daycode.code_for(settings.secret_key, shop.zone, opened.clock.now()) + "  (today)"),
        ("Health", f"{address}/healthz  {address}/readyz  {address}/metrics"),
        ("Database", settings.database_url if settings.sqlite else "PostgreSQL"),
        ("Flows", f"{settings.flows_dir}  ({len(opened.catalog.book.flows)} in force)"),
    ]
    console = Console(soft_wrap=True, highlight=False)
    number = display(settings.sender, shop.country) if settings.sender else shop.phone
    console.print(f"\n[bold]{shop.programme}[/] answers {number}{', demo' if settings.demo else ''}. Ctrl-C ends it.\n")
    for name, value in rows:
        console.print(f"  [dim]{name:<12}[/]{escape(value)}")
    console.print()
    for finding in opened.catalog.findings:
        if finding.severity == "error":
            console.print(f"[red]{finding.place}: {escape(finding.message)}[/]; the last good revision keeps serving")


def _console_address(opened: Desk, base: str) -> str:
    """Return where staff sign in; while nobody can, a one-time link that makes the first administrator."""
    if opened.settings.demo:
        return f"{base or local_address(opened.settings)}/console"
    with writing(opened.engine) as conn:
        if staff.administrators(conn):
            return f"{base}/console"
        token = accounts.new_link(conn, None, opened.clock.now())
    return f"{base}/console/welcome/{token}  (once, for a day: makes the first administrator)"


def _run(settings: Settings, workers: int) -> None:
    """Serve until SIGINT or SIGTERM; a worker that dies is started again, and the exit code is then 1 at the end."""
    telemetry.log.info("serving", action="serve", host=settings.host, port=settings.port)
    Granian(
        "bot.cli.worker:create",
        factory=True,
        interface=Interfaces.ASGI,
        workers=workers,  # one loop, one writer each: docs/decisions/0002-one-loop-one-writer.md
        address=settings.host,
        port=settings.port,
        loop=Loops.uvloop,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0,
        workers_kill_timeout=KILL_AFTER,
        log_level=LogLevels.error,
    ).serve()

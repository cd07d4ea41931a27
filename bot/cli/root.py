"""The group all commands hang on. A command's file is read only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from bot.errors import FlowFilesInvalid, RegularsError, SettingsError

NEGATIVE, WRONG_USE, FLOWS_INVALID = 1, 2, 3

#: name -> (module of bot.cli, attribute, one line of help)
_COMMANDS = {
    "serve": ("serve", "serve", "Start the server: texts, pages, reminders and delivery in one process."),
    "worker": ("processes", "worker", "Send what is queued; any number, on any hosts (PostgreSQL)."),
    "scheduler": ("processes", "scheduler", "Keep the clock: timers, starts, expiry; any number (PostgreSQL)."),
    "processes": ("processes", "list_processes", "Show which processes run, by their heartbeats."),
    "chat": ("chat", "chat", "Text the running server from this terminal, as any number."),
    "route": ("route", "route", "Say what the router makes of texts, and why."),
    "flows": ("flows", "flows", "Check, list, test and document the flow files."),
    "customers": ("customers", "customers", "Show, list, import, export, merge and erase customers."),
    "points": ("points", "points", "Show, award and adjust points."),
    "vouchers": ("vouchers", "vouchers", "Show, redeem and revoke vouchers."),
    "consent": ("consent", "consent", "Export and check the evidence of consent."),
    "audit": ("audit", "audit", "Show what staff did and looked at."),
    "event": ("facts", "event", "Record a fact about a customer, such as a purchase."),
    "start": ("start", "start", "Start a flow for one customer."),
    "code": ("facts", "code", "Show today's code for the till."),
    "messages": (
        "messages",
        "messages",
        "Texts that need somebody: crashed turns, dead letters, drift, a stopped sender.",
    ),
    "stuck": ("stuck", "stuck", "See timers and facts that were given up, and try them again."),
    "staff": ("staff", "staff", "Manage who may sign in to the console."),
    "lessons": ("lessons", "lessons", "What staff taught the bot, for the router's tests."),
    "fake-carrier": ("fake_carrier", "fake_carrier", "Run a carrier that speaks Twilio's API, for tests and trials."),
    "migrate": ("database", "migrate", "Bring the database to this release's schema."),
    "backup": ("database", "backup", "Write a copy of the database to a file, while the server runs."),
    "restore": ("database", "restore", "Put a backup in the database's place."),
    "seed": ("database", "seed", "Fill the database with the demo shop's customers."),
}


class _Commands(click.Group):
    """Looks a command up in its own file, and gives each of our errors its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"bot.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, _, words) in _COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:  # type: ignore[override]
        try:
            return super().main(args, **extra)
        except FlowFilesInvalid as trouble:
            click.echo(str(trouble), err=True)
            raise SystemExit(FLOWS_INVALID) from None
        except SettingsError as trouble:
            click.echo(str(trouble), err=True)
            raise SystemExit(WRONG_USE) from None
        except RegularsError as trouble:
            click.echo(str(trouble), err=True)
            raise SystemExit(NEGATIVE) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", prog_name="Regulars")
def main() -> None:
    """Regulars: a shop's loyalty programme by text message.

    \b
    Exit codes: 0 done, 1 the answer is no, 2 wrong use or settings, 3 flow files with mistakes.
    Settings come from the environment or .env; .env.example explains each one.
    """

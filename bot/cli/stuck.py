"""`stuck`: timers and facts whose turn broke until they were given up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Table

from bot.cli.opened import desk
from bot.cli.shown import as_json, picked, say, table, when
from bot.phone import mask
from storage.database import reading, writing
from storage.due import given_up, try_again
from storage.facts import facts
from storage.timers import timers

_KINDS: Mapping[str, Table] = {"timer": timers, "fact": facts}
_MOST = 10_000


@click.group()
def stuck() -> None:
    """See timers and facts that were given up, and try them again."""


@stuck.command("list")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def list_(as_data: bool) -> None:
    """List timers and facts that broke ten times, over three days or so, the oldest first."""
    with desk() as opened, reading(opened.engine) as conn:
        rows = [{**row, "what": kind} for kind, each in _KINDS.items() for row in given_up(conn, each, _MOST)]
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
    if as_data:
        as_json([picked(row, ("id", "what", "phone", "due_at", "troubles", "trouble")) for row in rows])
        return
    if not rows:
        say("None: nothing was given up.")
        return
    shown = [(r["id"], r["what"], _name(r), mask(r["phone"]), when(r["due_at"], zone), r["trouble"]) for r in rows]
    table(("id", "what", "name", "customer", "tried until", "why"), shown)


def _name(row: Mapping[str, object]) -> str:
    return str(row["name"] if row["what"] == "fact" else row["flow"] or row["kind"])


@stuck.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that were given up.")
def retry(ids: tuple[int, ...], every: bool) -> None:
    """Let them be due now, after what broke was mended. Exit code 1 when one was not given up."""
    if not ids and not every:
        raise click.UsageError("Name the timers and facts, or say --all.")
    with desk() as opened, writing(opened.engine) as conn:
        now = opened.clock.now()
        chosen = [row["id"] for each in _KINDS.values() for row in given_up(conn, each, _MOST)] if every else ids
        done = 0
        for number, identifier in enumerate(chosen):  # no two to one moment: it is part of a timer's key
            at = now + number * timedelta(milliseconds=1)
            done += any(try_again(conn, each, identifier, at) for each in _KINDS.values())
    say(f"{done} will be tried again.")
    if not every and done < len(ids):
        click.echo(f"{len(ids) - done} were not given up.", err=True)
        raise SystemExit(1)

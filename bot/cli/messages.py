"""`messages`: texts whose turn crashed. They were answered politely, kept, and can be taken again."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from bot.cli.opened import desk
from bot.cli.shown import as_json, picked, say, table, when
from bot.phone import mask
from storage import messages as stored
from storage.database import reading


@click.group()
def messages() -> None:
    """See texts whose turn crashed, and take them again."""


@messages.command()
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def failed(limit: int, as_data: bool) -> None:
    """List the texts that wait to be taken again, the oldest first."""
    with desk() as opened, reading(opened.engine) as conn:
        rows = stored.failed(conn, limit)
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
    if as_data:
        as_json([picked(row, ("id", "sid", "sender", "body", "created_at", "explanation")) for row in rows])
        return
    if not rows:
        say("None: every text was handled.")
        return
    shown = [(r["id"], when(r["created_at"], zone), mask(r["sender"]), r["body"]) for r in rows]
    table(("id", "at", "from", "text"), shown)


@messages.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that wait.")
def replay(ids: tuple[int, ...], every: bool) -> None:
    """Take texts again, after the flow that broke was mended. Replies go out by the running server.

    Exit code 1 when one broke again or was not waiting.
    """
    with desk() as opened:
        if every:
            with reading(opened.engine) as conn:
                ids = tuple(row["id"] for row in stored.failed(conn, 10_000))
        elif not ids:
            raise click.UsageError("Name the texts to take again, or say --all.")
        kept = [message_id for message_id in ids if not opened.turns.replay(message_id, opened.clock.now())]
    for message_id in kept:
        click.echo(f"{message_id} broke again, or was not waiting.", err=True)
    say(f"{len(ids) - len(kept)} taken again.")
    if kept:
        raise SystemExit(1)

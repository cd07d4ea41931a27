"""`messages`: texts that need somebody: crashed turns, dead letters, drift beside the carrier, a stopped sender."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import click

from bot.carrier.chosen import carrier_of
from bot.carrier.port import Traceable
from bot.cli.opened import desk
from bot.cli.shown import as_json, picked, say, table, when
from bot.delivery import resume as resume_sending
from bot.delivery import stopped
from bot.delivery.nightly import UNDER_WAY, last_result
from bot.delivery.reconcile import reconcile
from bot.phone import mask
from storage import inbound, outbox
from storage.database import reading, writing


@click.group()
def messages() -> None:
    """See texts that need somebody, and do something about them."""


@messages.command()
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def failed(limit: int, as_data: bool) -> None:
    """List the texts that wait to be taken again, the oldest first."""
    with desk() as opened, reading(opened.engine) as conn:
        rows = inbound.failed(conn, limit)
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
                ids = tuple(row["id"] for row in inbound.failed(conn, 10_000))
        elif not ids:
            raise click.UsageError("Name the texts to take again, or say --all.")
        kept = [message_id for message_id in ids if not opened.turns.replay(message_id, opened.clock.now())]
    for message_id in kept:
        click.echo(f"{message_id} broke again, or was not waiting.", err=True)
    say(f"{len(ids) - len(kept)} taken again.")
    if kept:
        raise SystemExit(1)


@messages.command()
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def dead(limit: int, as_data: bool) -> None:
    """List the dead letters: texts we gave up sending, the oldest first."""
    with desk() as opened, reading(opened.engine) as conn:
        rows = outbox.dead(conn, limit)
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
    if as_data:
        names = ("id", "recipient", "body", "created_at", "attempts", "error_code", "reason")
        as_json([picked(row, names) for row in rows])
        return
    if not rows:
        say("None: nothing was given up.")
        return
    shown = [(r["id"], when(r["created_at"], zone), mask(r["recipient"]), r["reason"] or "", r["body"]) for r in rows]
    table(("id", "at", "to", "why", "text"), shown)


@messages.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All dead letters.")
def retry(ids: tuple[int, ...], every: bool) -> None:
    """Queue dead letters again; the gate decides anew. Exit code 1 when one was no dead letter."""
    with desk() as opened, writing(opened.engine) as conn:
        rows = outbox.dead(conn, 10_000)
        chosen = [row for row in rows if every or row["id"] in ids]
        _need_choice(ids, every)
        done = sum(outbox.retry(conn, row, opened.clock.now()) for row in chosen)
    _report(done, ids, every, "queued again")


@messages.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All dead letters.")
def discard(ids: tuple[int, ...], every: bool) -> None:
    """Give dead letters up for good. Exit code 1 when one was no dead letter."""
    with desk() as opened, writing(opened.engine) as conn:
        _need_choice(ids, every)
        chosen = [row["id"] for row in outbox.dead(conn, 10_000)] if every else ids
        done = sum(outbox.discard(conn, identifier) for identifier in chosen)
    _report(done, ids, every, "discarded")


def _need_choice(ids: tuple[int, ...], every: bool) -> None:
    if not ids and not every:
        raise click.UsageError("Name the texts, or say --all.")


def _report(done: int, ids: tuple[int, ...], every: bool, what: str) -> None:
    say(f"{done} {what}.")
    if not every and done < len(ids):
        click.echo(f"{len(ids) - done} were no dead letters.", err=True)
        raise SystemExit(1)


@messages.command()
def sender() -> None:
    """Say whether sending is stopped, and why. Exit code 1 when it is."""
    with desk() as opened, reading(opened.engine) as conn:
        silent = stopped(conn)
    if not silent:
        say("Sending.")
        return
    table(("sender", "code", "why", "since"), [(n, w["code"], w["reason"], w["at"]) for n, w in sorted(silent.items())])
    raise SystemExit(1)


@messages.command()
@click.argument("sender", required=False)
def resume(sender: str | None) -> None:
    """Let a stopped SENDER send again; without one, everything."""
    with desk() as opened, writing(opened.engine) as conn:
        changed = resume_sending(conn, sender)
    say("Sending again." if changed else "Nothing was stopped.")


@messages.command("reconcile")
@click.option("--since", type=click.IntRange(1), default=24, show_default=True, help="Hours to look back.")
@click.option("--repair", is_flag=True, help="Let our books follow the carrier's; otherwise only show the drift.")
@click.option("--json", "as_data", is_flag=True, help="A JSON object.")
def reconcile_(since: int, repair: bool, as_data: bool) -> None:
    """Compare our messages with the carrier's: delivery, opt-outs, texts the webhook missed.

    A missed text that asks to leave is taken at once; others wait in `messages failed`. Exit code 1 when
    there was drift and it was not repaired.
    """
    with desk() as opened:
        carrier = carrier_of(opened.settings)
        if not isinstance(carrier, Traceable):
            raise click.ClickException("The simulated carrier keeps no books to compare with.")
        now: datetime = opened.clock.now()
        since_then = now - timedelta(hours=since)
        drift = reconcile(
            opened.engine, carrier, since_then, now, repair=repair, catalog=opened.catalog, until=now - UNDER_WAY
        )
        taken = sum(opened.turns.replay(message_id, opened.clock.now()) for message_id in drift.left)
    found = drift.counts(taken)
    if as_data:
        as_json(found)
    else:
        _show_counts(found)
    if not repair and drift.found:
        raise SystemExit(1)


def _show_counts(found: Mapping[str, int]) -> None:
    table(("what", "count"), [(name.replace("_", " "), count) for name, count in found.items()])


@messages.command()
@click.option("--json", "as_data", is_flag=True, help="A JSON object.")
def reconciled(as_data: bool) -> None:
    """Show what the last nightly comparison with the carrier's books found; it was repaired then.

    Exit code 1 when there was drift, or no comparison yet.
    """
    with desk() as opened, reading(opened.engine) as conn:
        last = last_result(conn)
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
    if as_data:
        as_json(last)
    elif last is None:
        say("Not compared yet: that happens every night, with a carrier that keeps books.")
    else:
        say(f"Compared at {when(datetime.fromisoformat(last['at']), zone)} (UTC).")
        _show_counts(last["found"])
    if last is None or last["drift"]:
        raise SystemExit(1)

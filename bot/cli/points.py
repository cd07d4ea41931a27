"""`points`: what a customer has, and changes by the staff. Everything goes through the ledger."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

import click

from bot.apply import Context, Rows, apply_all
from bot.cli.opened import Desk, desk, number
from bot.cli.shown import as_json, picked, say, table, when
from bot.desk.actor import Actor, note
from bot.engine.effects import AddEntry
from bot.errors import Conflict
from bot.loading import load_customers
from storage import customers, loyalty
from storage.database import reading, writing
from storage.errors import NotEnoughPoints
from storage.ids import next_id

_MOST = 1_000_000
_OPERATOR = Actor(None, "command line", "admin")


@click.group()
def points() -> None:
    """Show, award and adjust points."""


@points.command()
@click.argument("phone", metavar="NUMBER")
@click.option("--json", "as_data", is_flag=True, help="One JSON object.")
def show(phone: str, as_data: bool) -> None:
    """Show a customer's points, what expires when, and the ledger."""
    with desk() as opened, reading(opened.engine) as conn:
        row = customers.by_phone(conn, number(phone))
        if row is None:
            raise click.ClickException(f"Nobody has the number {phone}.")
        lots = loyalty.lots_of(conn, [row["id"]]).get(row["id"], [])
        entries = loyalty.entries_of(conn, row["id"])
        zone = opened.catalog.book.programme.shop.zone
    if as_data:
        as_json(
            {
                "phone": row["phone"],
                "balance": row["points"],
                "lots": [{"points": lot.remaining, "expires_at": lot.expires_at} for lot in lots],
                "ledger": [picked(e, ("kind", "points", "key", "reason", "at")) for e in entries],
            }
        )
        return
    local = ZoneInfo(zone)
    say(f"[bold]{row['points']} points[/]")
    table(("points", "until"), [(lot.remaining, when(lot.expires_at, local)) for lot in lots], right=("points",))
    rows = [(when(e["at"], local), e["kind"], f"{e['points']:+}", e["reason"], e["key"]) for e in entries]
    table(("at", "kind", "points", "reason", "key"), rows, right=("points",))


@points.command(context_settings={"ignore_unknown_options": True})
@click.argument("phone", metavar="NUMBER")
@click.argument("count", metavar="N", type=click.IntRange(-_MOST, _MOST))
@click.option("--reason", required=True, help="Why; it stands in the ledger.")
@click.option("--key", help="Makes it happen once: the same key again changes nothing.")
def award(phone: str, count: int, reason: str, key: str | None) -> None:
    """Give a customer N points. With the same --key again nothing changes.

    Points given by the staff expire like earned ones and do not count towards a tier.

    \b
    Example:
      python -m bot points award +12015550123 50 --reason "Spilled latte" --key till-4711
    """
    if count <= 0:
        raise click.BadParameter("must be above 0; `points adjust` takes points away.", param_hint="N")
    _change(phone, count, "earn", reason, key)


@points.command(context_settings={"ignore_unknown_options": True})
@click.argument("phone", metavar="NUMBER")
@click.argument("count", metavar="N", type=click.IntRange(-_MOST, _MOST))
@click.option("--reason", required=True, help="Why; it stands in the ledger.")
@click.option("--key", help="Makes it happen once: the same key again changes nothing.")
def adjust(phone: str, count: int, reason: str, key: str | None) -> None:
    """Correct a customer's points by N, which may be negative. Exit code 1 when there are too few.

    \b
    Example:
      python -m bot points adjust +12015550123 -20 --reason "Counted twice" --key fix-4711
    """
    if count == 0:
        raise click.BadParameter("0 changes nothing.", param_hint="N")
    _change(phone, count, "adjust", reason, key)


def _change(phone: str, count: int, kind: Literal["earn", "adjust"], reason: str, key: str | None) -> None:
    key = key or f"staff:{next_id()}"
    with desk() as opened:
        try:
            words = _write(opened, number(phone), count, kind, reason, key)
        except (Conflict, NotEnoughPoints):
            raise click.ClickException(f"{phone} has fewer than {-count} points.") from None
    say(words)


def _write(opened: Desk, phone: str, count: int, kind: Literal["earn", "adjust"], reason: str, key: str) -> str:
    """Add the entry under the customer's lock and return what to say."""
    programme, now = opened.catalog.book.programme, opened.clock.now()
    with writing(opened.engine) as conn:
        found = customers.lock_by_phone(conn, [phone])
        if phone not in found:
            raise click.ClickException(f"Nobody has the number {phone}.")
        record = found[phone]
        done = loyalty.by_key(conn, key)
        if done is not None and done["customer_id"] != record["id"]:
            raise click.ClickException(f"The key {key} was used for another customer.")
        if done is not None:
            said = f"The key {key} was used already ({done['points']:+} points); nothing changed"
            return f"{said}: {record['points']} points now."
        people = load_customers(conn, {record["id"]: record}, programme.shop.languages[0], now)
        customer, rows = people[record["id"]], Rows()
        context = Context(conn, rows, customer, programme, now, sender="", lots=list(customer.lots))
        expires_at = now + programme.points_expire_after if count > 0 and programme.points_expire_after else None
        apply_all([AddEntry(kind, count, key, reason, expires_at=expires_at)], context)
        rows.flush(conn, now)
        note(conn, _OPERATOR, "points.adjusted", now, record["id"], points=count)
    return f"{count:+} points for {phone}: {record['points'] + count} points now. Key: {key}"

"""`audit`: what staff did and whose data they looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from bot.cli.opened import desk, number
from bot.cli.shown import as_json, table, when
from bot.desk import auditing
from bot.phone import mask
from storage import customers
from storage.database import reading
from storage.rows import Row

_Day = click.DateTime(["%Y-%m-%d"])


@click.group()
def audit() -> None:
    """Show what staff did and looked at."""


@audit.command("list")
@click.option("--who", help="Only this person: part of the name or e-mail address.")
@click.option("--action", help="Only this action, such as points.adjusted, or this kind, such as points.")
@click.option("--customer", "phone", metavar="NUMBER", help="Only about this customer.")
@click.option("--since", type=_Day, help="From this day on, by the shop's clock.")
@click.option("--until", type=_Day, help="Up to and with this day.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--json", "as_data", is_flag=True, help="One JSON object for each line.")
def list_(
    who: str | None,
    action: str | None,
    phone: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_data: bool,
) -> None:
    """List entries of the audit log, the newest first.

    \b
    Examples:
      python -m bot audit list --action points --since 2026-11-01
      python -m bot audit list --customer +12015550123 --json
    """
    with desk() as opened, reading(opened.engine) as conn:
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
        customer = customers.by_phone(conn, number(phone)) if phone else None
        if phone and customer is None:
            raise click.ClickException(f"Nobody has the number {phone}.")
        wanted = auditing.Wanted(
            person=who or "",
            action=action or "",
            customer_id=customer["id"] if customer else None,
            first_day=since.date() if since else None,
            last_day=until.date() if until else None,
        )
        rows = auditing.find(conn, wanted, zone, limit=limit)
        phones = auditing.numbers(conn, rows)
    for row in rows if as_data else ():
        as_json({**row, "customer": phones.get(row["customer_id"])}, indent=None)
    if not as_data:
        heads = ("at", "who", "action", "customer", "detail", "address")
        table(heads, [_cells(row, phones, zone) for row in rows])


def _cells(row: Row, phones: Mapping[int, str], zone: ZoneInfo) -> tuple[object, ...]:
    customer_id = row["customer_id"]
    customer = mask(phones[customer_id]) if customer_id in phones else customer_id
    told = auditing.told(row["detail"])
    return (when(row["at"], zone), row["who"], row["action"], customer, told, row["address"])

"""`vouchers`: look codes up, use them at the till, take them back."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from bot.cli.opened import Desk, desk
from bot.cli.shown import as_json, picked, say, table, when
from bot.desk import vouchers as at_the_desk
from bot.desk.actor import Actor, NotPossible
from bot.desk.vouchers import normal
from bot.engine.programme import Programme
from bot.phone import parse
from storage import customers
from storage import vouchers as codes
from storage.database import reading

_SHOWN = ("code", "name", "reward", "cost", "status", "issued_at", "ends_at", "redeemed_at", "redeemed_by", "reason")
_OPERATOR = Actor(None, "command line", "admin")


@click.group()
def vouchers() -> None:
    """Show, redeem and revoke vouchers."""


@vouchers.command()
@click.argument("what", metavar="CODE|NUMBER")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def show(what: str, as_data: bool) -> None:
    """Show one voucher, or all vouchers of a customer. Exit code 1 when there is none."""
    with desk() as opened, reading(opened.engine) as conn:
        shop = opened.catalog.book.programme.shop
        found = [row for row in [codes.by_code(conn, normal(what))] if row is not None]
        phone = parse(what, shop.country)
        if not found and phone is not None and (person := customers.by_phone(conn, phone)):
            found = codes.of(conn, [person["id"]]).get(person["id"], [])
    zone = ZoneInfo(shop.zone)
    if as_data:
        as_json([picked(row, _SHOWN) for row in found])
    elif found:
        rows = [(r["code"], r["name"], r["status"], when(r["ends_at"], zone), r["redeemed_by"]) for r in found]
        table(("code", "for", "status", "until", "used by"), rows)
    if not found:
        raise click.ClickException(f"There is no voucher {what}.")


@vouchers.command()
@click.argument("code")
@click.option("--by", required=True, help="Who takes it, such as the till or a name.")
def redeem(code: str, by: str) -> None:
    """Use a voucher, once. Exit code 1, with the reason, when it cannot be used.

    \b
    Example:
      python -m bot vouchers redeem k7mr2xwd --by Kim
    """
    with desk() as opened:
        try:
            actor = Actor(None, by, "admin")
            used = at_the_desk.redeem(opened.engine, _programme(opened), actor, code, "", opened.clock.now())
        except NotPossible as trouble:
            raise click.ClickException(str(trouble)) from None
    say(f"[bold green]{used.code}[/] is good: [bold]{used.name}[/]. It is used now.")


@vouchers.command()
@click.argument("code")
@click.option("--reason", required=True, help="Why; it stays with the voucher.")
@click.option("--points-back", is_flag=True, help="Give the points back that it cost.")
def revoke(code: str, reason: str, points_back: bool) -> None:
    """Take an unused voucher back. Exit code 1, with the reason, when it is none."""
    with desk() as opened:
        try:
            now = opened.clock.now()
            gone = at_the_desk.revoke(
                opened.engine, _programme(opened), _OPERATOR, code, reason, points_back=points_back, now=now
            )
        except NotPossible as trouble:
            raise click.ClickException(str(trouble)) from None
    say(f"{gone.code} is void.")


def _programme(opened: Desk) -> Programme:
    return opened.catalog.book.programme

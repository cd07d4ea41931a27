"""`vouchers`: look codes up, use them at the till, take them back."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from bot.cli.opened import desk
from bot.cli.shown import as_json, picked, say, table, when
from bot.phone import parse
from storage import customers
from storage import vouchers as codes
from storage.database import reading, writing

_SHOWN = ("code", "name", "reward", "cost", "status", "issued_at", "ends_at", "redeemed_at", "redeemed_by", "reason")
_WHY = {
    "unknown": "There is no voucher {code}.",
    "redeemed": "{code} was used already{when}{by}.",
    "revoked": "{code} was taken back{reason}.",
    "expired": "{code} was good until {ends}.",
}


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
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
        with writing(opened.engine) as conn:
            used = codes.redeem(conn, normal(code), by, opened.clock.now())
            if isinstance(used, str):
                row = codes.by_code(conn, normal(code)) or {"redeemed_at": None, "redeemed_by": None, "reason": None}
                words = _WHY[used].format(
                    code=normal(code),
                    when=f" on {when(row['redeemed_at'], zone)}" if row["redeemed_at"] else "",
                    by=f" by {row['redeemed_by']}" if row["redeemed_by"] else "",
                    reason=f": {row['reason']}" if row["reason"] else "",
                    ends=when(row.get("ends_at"), zone),
                )
                raise click.ClickException(words)
    say(f"[bold green]{used['code']}[/] is good: [bold]{used['name']}[/]. It is used now.")


@vouchers.command()
@click.argument("code")
@click.option("--reason", required=True, help="Why; it stays with the voucher.")
def revoke(code: str, reason: str) -> None:
    """Take an unused voucher back. Its points are not given back; `points adjust` does that."""
    with desk() as opened, writing(opened.engine) as conn:
        if not codes.revoke(conn, normal(code), reason):
            raise click.ClickException(f"{normal(code)} is no unused voucher.")
    say(f"{normal(code)} is void.")


def normal(code: str) -> str:
    """Return a code as it is kept, however it was typed: `k7mr 2xwd` is `K7MR-2XWD`."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum())
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == 8 else code.strip().upper()

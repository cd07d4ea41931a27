"""`staff`: accounts of the console: add, invite, list, change, close."""

from __future__ import annotations

from typing import cast
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Connection

from bot.cli.opened import Desk, desk
from bot.cli.shown import as_json, picked, say, table, when
from bot.desk import accounts
from bot.desk.actor import Actor, NotPossible, Role
from bot.web.phone.network import local_address
from storage import staff as stored
from storage.database import reading, writing
from storage.rows import Row

_SHOWN = ("id", "email", "name", "role", "language", "created_at", "seen_at", "disabled_at")
_OPERATOR = Actor(None, "command line", "admin")


@click.group()
def staff() -> None:
    """Manage who may sign in to the console."""


@staff.command("list")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def list_staff(as_data: bool) -> None:
    """List all accounts."""
    with desk() as opened, reading(opened.engine) as conn:
        rows = stored.everybody(conn)
        zone = ZoneInfo(opened.catalog.book.programme.shop.zone)
    if as_data:
        as_json([picked(row, _SHOWN) for row in rows])
        return
    if not rows:
        say("None yet. `python -m bot staff add EMAIL --role admin` makes the first.")
        return
    shown = [(r["email"], r["name"], r["role"], when(r["seen_at"], zone), _state(r)) for r in rows]
    table(("e-mail", "name", "role", "last seen", ""), shown)


@staff.command()
@click.argument("email")
@click.option("--name", default="", help="What colleagues read; the part before the @ otherwise.")
@click.option("--role", type=click.Choice(stored.ROLES), default="support", show_default=True, help="What they may do.")
def add(email: str, name: str, role: str) -> None:
    """Make an account and print a link with which they choose a password; it works once, for a day."""
    with desk() as opened, writing(opened.engine) as conn:
        try:
            staff_id = accounts.add(conn, _OPERATOR, email, name, cast(Role, role), opened.clock.now())
        except NotPossible as trouble:
            raise click.ClickException(str(trouble)) from None
        _print_link(opened, accounts.new_link(conn, staff_id, opened.clock.now()))


@staff.command()
@click.argument("email")
def link(email: str) -> None:
    """Print a new one-time link for somebody who lost the password."""
    with desk() as opened, writing(opened.engine) as conn:
        row = _of(conn, email)
        _print_link(opened, accounts.new_link(conn, row["id"], opened.clock.now()))


@staff.command()
@click.argument("email")
@click.argument("new", metavar="ROLE", type=click.Choice(stored.ROLES))
def role(email: str, new: str) -> None:
    """Give somebody another role; they have to sign in again."""
    with desk() as opened, writing(opened.engine) as conn:
        try:
            accounts.change_role(conn, _OPERATOR, _of(conn, email), cast(Role, new), opened.clock.now())
        except NotPossible as trouble:
            raise click.ClickException(str(trouble)) from None
    say(f"{email} is {new} now.")


@staff.command()
@click.argument("email")
def disable(email: str) -> None:
    """Close an account and end its sessions; what they did stays in the audit log."""
    with desk() as opened, writing(opened.engine) as conn:
        try:
            accounts.disable(conn, _OPERATOR, _of(conn, email), opened.clock.now())
        except NotPossible as trouble:
            raise click.ClickException(str(trouble)) from None
    say(f"{email} cannot sign in any more.")


@staff.command()
@click.argument("email")
def enable(email: str) -> None:
    """Open an account again."""
    with desk() as opened, writing(opened.engine) as conn:
        accounts.enable(conn, _OPERATOR, _of(conn, email), opened.clock.now())
    say(f"{email} can sign in again.")


@staff.command("reset-second-factor")
@click.argument("email")
def reset_second_factor(email: str) -> None:
    """Turn somebody's second factor off, for a lost phone."""
    with desk() as opened, writing(opened.engine) as conn:
        row = _of(conn, email)
        accounts.set_second_factor(conn, _OPERATOR, row, None, "", opened.clock.now())
        stored.end_sessions(conn, row["id"])
    say(f"{email} signs in without a second factor until they set one up again.")


def _of(conn: Connection, email: str) -> Row:
    row = stored.by_email(conn, email)
    if row is None:
        raise click.ClickException(f"There is no account for {email}. `python -m bot staff list` shows all.")
    return row


def _print_link(opened: Desk, token: str) -> None:
    base = opened.settings.public_url or local_address(opened.settings)
    say("Works once, for a day; give it to them yourself:")
    click.echo(f"{base}/console/welcome/{token}")


def _state(row: Row) -> str:
    words = ["closed"] if row["disabled_at"] else [] if row["password"] or row["subject"] else ["no password yet"]
    return ", ".join([*words, *(["second factor"] if row["totp"] else [])])

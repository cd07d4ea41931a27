"""`customers export`, `merge`, `erase`, `certificate`, `scrub`: what people may ask of the data about them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bot.cli.opened import Desk, desk, number
from bot.cli.shown import as_json, say, table
from bot.desk import erasing, exporting, merging
from bot.desk.actor import Actor
from bot.desk.proving import certificate as proof_of
from bot.phone import display
from storage import customers, erasures, holdings
from storage.database import reading
from storage.rows import Row

_OPERATOR = Actor(None, "command line", "admin")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("phone", metavar="NUMBER")
@click.option("-o", "--output", type=_FILE, help="Write the JSON to this file instead of the terminal.")
@click.option("--page", type=_FILE, help="Write one HTML page to read or to print.")
def export(phone: str, output: Path | None, page: Path | None) -> None:
    """Write everything known of a customer: JSON for programs, a page for people.

    The export is noted in the audit log. docs/privacy.md describes the JSON. Exit code 1 when nobody has this
    number.

    \b
    Examples:
      python -m bot customers export +12015550123 -o export.json
      python -m bot customers export +12015550123 --page export.html
    """
    with desk() as opened:
        customer_id, now = _one(opened, phone)["id"], opened.clock.now()
        shop = opened.catalog.book.programme.shop
        for form, target, make in (("page", page, exporting.as_page), ("json", output, exporting.as_json)):
            if target is None and (form == "page" or page is not None):
                continue
            exporting.noted(opened.engine, _OPERATOR, customer_id, now, form)
            with target.open("w", encoding="utf-8") if target is not None else click.open_file("-", "w") as file:
                file.writelines(make(opened.engine, shop, customer_id, now))
            if target is not None:
                click.echo(f"Wrote {target}.", err=True)


@click.command()
@click.argument("phone", metavar="NUMBER")
@click.option("--confirm", metavar="DIGITS", help="The last four digits of the number, instead of being asked.")
@click.option("--certificate", "target", type=_FILE, help="Write the certificate to this file as JSON.")
def erase(phone: str, confirm: str | None, target: Path | None) -> None:
    """Delete everything known of a customer, for good, and leave proof.

    What stays is a digest of the number on the suppression list and ledger entries without a person. Nothing can
    be undone. docs/privacy.md says what it means for backups. Exit code 1 when nobody has this number.

    \b
    Example:
      python -m bot customers erase +12015550123 --certificate erased.json
    """
    with desk() as opened:
        customer_id = _one(opened, phone)["id"]
        with reading(opened.engine) as conn:
            seen = erasing.preview(conn, customer_id)
        goes = [(name, _counted(*count)) for name, count in sorted(seen.counts.items()) if name in holdings.EMPTIED]
        table(("what goes", "rows"), goes, right=("rows",))
        for left in seen.left_out:
            say(f"{display(left)} is in use again since it was merged; it stays, as a customer of its own.")
        if confirm is None:
            confirm = click.prompt("Type the last four digits of the number to erase all of this")
        key = opened.settings.secret_key
        for erased in erasing.erase(opened.engine, key, _OPERATOR, customer_id, confirm, opened.clock.now()):
            _prove(opened, erased, target if erased == customer_id else None)


@click.command()
@click.argument("customer", metavar="ID", type=int, required=False)
@click.option("-o", "--output", type=_FILE, help="Write the certificate to this file as JSON.")
def certificate(customer: int | None, output: Path | None) -> None:
    """Show the proof of an erasure by the customer's id; without one, list the erasures."""
    with desk() as opened:
        if customer is not None:
            _prove(opened, customer, output)
            return
        with reading(opened.engine) as conn:
            rows = erasures.newest(conn, 100)
        shown = [(str(r["customer_id"]), r["at"].isoformat(), r["by"], r["scrubbed_at"] is not None) for r in rows]
        table(("customer", "erased (UTC)", "by", "files scrubbed"), shown)


@click.command()
@click.argument("old", metavar="OLD_NUMBER")
@click.argument("new", metavar="NEW_NUMBER")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--key", help="Makes it happen once: the same key again changes nothing.")
def merge(old: str, new: str, yes: bool, key: str | None) -> None:
    """Give everything of OLD_NUMBER to NEW_NUMBER: points, vouchers, name and history.

    Consent belongs to a number and stays: the new one keeps its own, the old one is opted out. Exit code 1 when
    one of them is nobody's.

    \b
    Example:
      python -m bot customers merge +12015550123 +12015550199
    """
    with desk() as opened:
        programme = opened.catalog.book.programme
        old_id, new_id = (_one(opened, each)["id"] for each in (old, new))
        if not yes:
            with reading(opened.engine) as conn:
                _show(merging.preview(conn, programme, old_id, new_id))
            click.confirm(f"Merge {old} into {new}? It cannot be undone", abort=True)
        done = merging.merge(opened.engine, programme, _OPERATOR, old_id, new_id, opened.clock.now(), key)
    say(f"Everything of {old} is with {new} now." if done else "They were merged before; nothing changed.")


@click.command()
def scrub() -> None:
    """Rewrite the database's files so that nothing erased lies in them any more. Exit code 1 when it has to wait.

    SQLite: texts wait while it lasts, some seconds for each GB. PostgreSQL: each table is locked while it is
    rewritten, and transactions older than the erasure have to end first.
    """
    with desk() as opened:
        done = erasing.scrub(opened.engine, opened.clock.now())
    if not done:
        raise click.ClickException("Somebody still reads the old rows or holds a lock. Try again at a quiet moment.")
    say("Nothing erased lies in the database's files.")


def _one(opened: Desk, phone: str) -> Row:
    with reading(opened.engine) as conn:
        row = customers.by_phone(conn, number(phone, opened.catalog.book.programme.shop.country))
    if row is None:
        click.echo(f"Nobody has the number {phone}.", err=True)
        raise SystemExit(1)
    return row


def _prove(opened: Desk, customer_id: int, target: Path | None) -> None:
    with reading(opened.engine) as conn:
        proof = proof_of(conn, opened.catalog.book.programme.shop, customer_id, opened.clock.now())
    if target is None:
        as_json(proof)
        return
    target.write_text(json.dumps(proof, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    click.echo(f"Wrote {target}.", err=True)


def _show(seen: merging.Preview) -> None:
    rows = [("points", f"{seen.points:+}"), *((name, str(count)) for name, count in seen.counts.items())]
    table(("what moves", ""), rows)
    for name, value in seen.given_up.items():
        say(f"{name}: the new number's stays, {value} goes.")
    if seen.opts_out:
        say("The old number is opted out; the new one keeps its own consent.")


def _counted(rows: int, more: bool) -> str:
    """Return how many rows there are; a customer with very many is not counted to the last."""
    return f"at least {rows:,}" if more else str(rows)


COMMANDS = (export, erase, certificate, merge, scrub)

"""`customers`: show one, list many, import a file; what people may ask of their data is in `privacy`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy import Connection, select

from bot.cli import privacy
from bot.cli.importing import Importer, Report
from bot.cli.opened import database, desk, number
from bot.cli.shown import as_json, picked, say, table, when
from bot.desk import numbers
from bot.desk.actor import Actor, NotPossible
from bot.phone import display
from storage import conversations, loyalty, messages, vouchers
from storage.customers import by_phone
from storage.customers import customers as people
from storage.database import reading
from storage.rows import Row, all_rows

_OPERATOR = Actor(None, "command line", "admin")
_ENTRY = ("kind", "points", "key", "reason", "at", "expires_at", "reverses")
_VOUCHER = ("code", "name", "reward", "cost", "status", "issued_at", "ends_at", "redeemed_at", "redeemed_by")
_REFUSED_SHOWN = 20


@click.group()
def customers() -> None:
    """Show, list, import, export, merge and erase customers."""


@customers.command()
@click.argument("phone", metavar="NUMBER")
@click.option("--json", "as_data", is_flag=True, help="One JSON object; its keys stay the same between releases.")
def show(phone: str, as_data: bool) -> None:
    """Show everything known of one customer. Exit code 1 when nobody has this number.

    \b
    Examples:
      python -m bot customers show +12015550123
      python -m bot customers show "(201) 555-0123" --json
    """
    with database() as (_, engine), reading(engine) as conn:
        row = by_phone(conn, number(phone))
        if row is None:
            click.echo(f"Nobody has the number {phone}.", err=True)
            raise SystemExit(1)
        facts = facts_of(conn, row)
    as_json(facts) if as_data else _print(row, facts)


def facts_of(conn: Connection, row: Row) -> dict[str, Any]:
    """Return a customer as `show --json` prints it."""
    place = conversations.current_of(conn, row["id"])
    return {
        "phone": row["phone"],
        "consent": row["consent"],
        "balance": row["points"],
        "tier": row["tier"],
        "conversation": None
        if place is None
        else {"flow": place["flow"], "state": place["state"], "revision": place["revision_id"]},
        "vouchers": [picked(held, _VOUCHER) for held in vouchers.of(conn, [row["id"]]).get(row["id"], [])],
        "messages": messages.count_of(conn, row["id"]),
        "ledger": [picked(entry, _ENTRY) for entry in loyalty.entries_of(conn, row["id"])],
        "name": row["name"],
        "language": row["language"],
    }


def _print(row: Row, facts: dict[str, Any]) -> None:
    place, zone = facts["conversation"], ZoneInfo(row["zone"] or "UTC")
    say(f"[bold]{row['name'] or 'Unknown'}[/]  {display(row['phone'])}  ({row['phone']})")
    about = [
        ("Consent", row["consent"]),
        ("Balance", f"{row['points']} points, {row['qualifying']} towards the tier"),
        ("Tier", row["tier"]),
        ("Language", row["language"]),
        ("Bought", f"{row['purchases']} times, {row['spent_minor'] / 100:,.2f} in all" if row["purchases"] else None),
        ("Is in", f"{place['flow']}.{place['state']}" if place else None),
        ("Messages", facts["messages"]),
        ("Texts", None if row["sendable"] else "none: the carrier says this number takes no texts"),
    ]
    table(("", ""), [line for line in about if line[1] is not None])
    if facts["vouchers"]:
        rows = ((v["code"], v["name"], v["status"], when(v["ends_at"], zone)) for v in facts["vouchers"])
        table(("voucher", "for", "status", "until (UTC)"), rows)
    if facts["ledger"]:
        rows = ((when(e["at"], zone), e["kind"], f"{e['points']:+}", e["reason"]) for e in facts["ledger"])
        table(("at (UTC)", "kind", "points", "reason"), rows, right=("points",))


@customers.command("list")
@click.option("--consent", type=click.Choice(["none", "pending", "subscribed", "unsubscribed"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@click.option("--json", "as_data", is_flag=True, help="One JSON object for each line.")
def list_(consent: str | None, limit: int, as_data: bool) -> None:
    """List customers, the newest first."""
    query = select(people).order_by(people.c.id.desc()).limit(limit)
    if consent:
        query = query.where(people.c.consent == consent)
    with database() as (_, engine), reading(engine) as conn:
        rows = all_rows(conn.execute(query))
    if as_data:
        for row in rows:
            as_json(
                {**picked(row, ("phone", "name", "consent", "tier", "language")), "balance": row["points"]}, indent=None
            )
        return
    table(
        ("number", "name", "consent", "points", "tier", "language", "purchases"),
        [[r["phone"], r["name"], r["consent"], r["points"], r["tier"], r["language"], r["purchases"]] for r in rows],
        right=("points", "purchases"),
    )


@customers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Only say what would be refused; write nothing.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write every remark to this file as CSV."
)
def import_(file: Path, check: bool, report: Path | None) -> None:
    """Import customers from a CSV file with a header line.

    Columns: phone (needed), name, language, points, birthday, email, consent, consent_wording, consent_at,
    consent_basis, consent_expires. Consent counts only with the wording that was agreed to and the date; without
    them the customer comes in as `none`, which is remarked. For Canadian numbers consent_basis may be purchase
    or inquiry: consent_at is its date, and the consent ends two years or six months later. consent_expires ends
    any consent earlier. `unsubscribed` is always kept. Numbers that are known already stay as they
    are, so that a file may be imported again. Exit code 1 when a line was refused.

    \b
    Examples:
      python -m bot customers import old-shop.csv --check
      python -m bot customers import old-shop.csv --report remarks.csv
    """
    console = Console(stderr=True)
    with desk() as opened, file.open(encoding="utf-8-sig", newline="") as lines:
        programme, now = opened.catalog.book.programme, opened.clock.now()
        key = opened.settings.secret_key
        importer = Importer(opened.engine, programme, now, secret_key=key, source=file.name, check=check)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("Importing", total=None)
            for done in importer.run(lines):
                progress.update(task, completed=done)
    _tell(importer.report, check, report)
    if importer.report.refused:
        raise SystemExit(1)


def _tell(result: Report, check: bool, file: Path | None) -> None:
    for line, remark in result.remarks[:_REFUSED_SHOWN]:
        click.echo(f"line {line}: {remark}", err=True)
    if len(result.remarks) > _REFUSED_SHOWN and file is None:
        more = len(result.remarks) - _REFUSED_SHOWN
        click.echo(f"... and {more} more; --report FILE writes all of them.", err=True)
    if file is not None:
        file.write_text("line,remark\n" + "".join(f'{line},"{remark}"\n' for line, remark in result.remarks))
    verb = "would be imported" if check else "imported"
    say(f"{result.imported} {verb}, {result.known} known already, {result.refused} refused.")


@customers.command("text-again")
@click.argument("phone", metavar="NUMBER")
def text_again(phone: str) -> None:
    """Let texts go to a number that was marked as taking none, because somebody knows that it works.

    A text from the number, or one that was delivered, takes the mark away by itself. Consent stays as it is; the
    audit log notes it. Exit code 1 when nobody has this number, or it is not marked.

    \b
    Example:
      python -m bot customers text-again +12015550123
    """
    with desk() as opened:
        with reading(opened.engine) as conn:
            row = by_phone(conn, number(phone))
        if row is None:
            click.echo(f"Nobody has the number {phone}.", err=True)
            raise SystemExit(1)
        try:
            numbers.text_again(opened.engine, _OPERATOR, row["id"], opened.clock.now())
        except NotPossible as trouble:
            raise click.ClickException(str(trouble)) from None
    say(f"{display(row['phone'])} gets texts again.")


for _command in privacy.COMMANDS:
    customers.add_command(_command)

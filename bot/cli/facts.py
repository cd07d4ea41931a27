"""`event` and `code`: what the till tells us, and what we tell the till."""

from __future__ import annotations

import difflib
from typing import Any

import click
from sqlalchemy import select

from bot import daycode
from bot.cli.opened import desk, json_object, number
from bot.cli.shown import as_json, say
from bot.engine.proactive import PURCHASE
from storage import customers, facts
from storage.database import writing
from storage.ids import next_id


@click.command()
@click.argument("phone", metavar="NUMBER")
@click.argument("name")
@click.option("--data", default="{}", help='A JSON object, like {"amount_minor": 450}.')
@click.option("--key", help="Makes it happen once: the same key again changes nothing.")
def event(phone: str, name: str, data: str, key: str | None) -> None:
    """Record a fact NAME about a customer; the running server takes it up within a second.

    A purchase earns points by the rules of programme.yaml and may start flows.

    \b
    Example:
      python -m bot event +12015550123 purchase_recorded --data '{"amount_minor": 450}' --key receipt-4711
    """
    values = _values(name, data)
    key = key or f"command:{next_id()}"
    with desk() as opened, writing(opened.engine) as conn:
        awaited = {t.event for flow in opened.catalog.book.flows.values() for t in flow.triggers if t.event} | {
            PURCHASE
        }
        person = customers.by_phone(conn, number(phone))
        if person is None:
            raise click.ClickException(f"Nobody has the number {phone}.")
        if conn.execute(select(facts.facts.c.id).where(facts.facts.c.key == key)).first():
            say(f"The key {key} was used already; nothing changed.")
            return
        row = {"id": next_id(), "customer_id": person["id"], "name": name, "key": key, "data": values}
        facts.insert(conn, [{**row, "recorded_at": opened.clock.now()}])
    if name not in awaited:
        near = difflib.get_close_matches(name, sorted(awaited), 1)
        click.echo(f"No flow waits for {name}." + (f" Did you mean {near[0]}?" if near else ""), err=True)
    say(f"Recorded {name} for {phone}. Key: {key}")


def _values(name: str, data: str) -> dict[str, Any]:
    values = json_object(data)
    amount = values.get("amount_minor")
    if name == PURCHASE and not (isinstance(amount, int) and not isinstance(amount, bool) and amount >= 0):
        raise click.BadParameter('a purchase needs whole cents: {"amount_minor": 450}', param_hint="--data")
    return values


@click.command()
@click.option("--json", "as_data", is_flag=True, help="One JSON object.")
def code(as_data: bool) -> None:
    """Show today's code for the till, with which customers check in (CHECKIN 1234)."""
    with desk() as opened:
        zone = opened.catalog.book.programme.shop.zone
        today = daycode.code_for(opened.settings.secret_key, zone, opened.clock.now())
    as_json({"code": today}) if as_data else click.echo(today)

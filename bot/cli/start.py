"""`start`: begin a flow for one customer, as its event or schedule would."""

from __future__ import annotations

import click

from bot.cli.opened import desk, json_object, number
from bot.cli.shown import say
from bot.desk.actor import Actor
from bot.desk.starting import start as start_flow
from bot.gate import in_words
from storage import customers
from storage.database import reading

_OPERATOR = Actor(None, "command line", "admin")


@click.command()
@click.argument("flow")
@click.argument("phone", metavar="NUMBER")
@click.option("--data", default="{}", help='What an event would bring, like {"item": "Guatemala beans"}.')
@click.option("--key", help="Makes it happen once: the same key again changes nothing.")
def start(flow: str, phone: str, data: str, key: str | None) -> None:
    """Start FLOW for the customer with NUMBER; the running server sends what it says.

    It enters through the first of the flow's triggers whose condition holds. Consent, hours, caps and open questions
    count as always. The audit log notes it. Exit code 1 when nothing was said, and why.

    \b
    Examples:
      python -m bot start winback +12015550123
      python -m bot start back_in_stock +12015550123 --data '{"item": "Guatemala beans"}' --key restock-17
    """
    slots = json_object(data)
    with desk() as opened:
        with reading(opened.engine) as conn:
            person = customers.by_phone(conn, number(phone))
        if person is None:
            raise click.ClickException(f"Nobody has the number {phone}.")
        started = start_flow(opened.turns, _OPERATOR, person["id"], flow, slots, key, opened.clock.now())
    if started.again:
        say(f"The key {key} was used already; nothing changed.")
        return
    for text in started.said:
        why = f": {in_words(text['reason'])}" if text["reason"] else ""
        click.echo(f"{text['state']}{why}  {text['body']}")
    if not any(text["state"] == "queued" for text in started.said):
        raise click.ClickException(
            "Nothing is sent: no trigger's condition holds, there is no consent, a question is open, or see above."
        )

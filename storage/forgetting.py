"""Erasing rows: one customer's, in the transaction that notes the erasure."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    bindparam,
    cast,
    delete,
    func,
    literal,
    literal_column,
    null,
    select,
    update,
)

from storage.customers import customers
from storage.erasures import SHELL
from storage.holdings import HOLDINGS
from storage.loyalty import ledger, lots
from storage.messages import SENDING, messages
from storage.rows import Row, blank
from storage.vouchers import ISSUED, vouchers

_WHO: ColumnElement[int] = bindparam("the_customer")
# In the order of ids, as everybody locks messages: a status report that is being written waits, and waits for nobody.
_LOCK_MESSAGES = select(messages.c.id).where(messages.c.customer_id == _WHO).order_by(messages.c.id).with_for_update()
_BEING_SENT = select(func.count()).where(  # `+ 0`: among the few that are claimed, not among all a customer's texts
    messages.c.customer_id + 0 == _WHO, messages.c.state == SENDING, messages.c.claimed_until.is_not(None)
)
_EMPTY_LOTS = update(lots).where(lots.c.customer_id == _WHO, lots.c.remaining > literal_column("0")).values(remaining=0)
_STOCK_HELD = (
    select(vouchers.c.reward, func.count().label("held"))
    .where(vouchers.c.customer_id == _WHO, vouchers.c.status == ISSUED, vouchers.c.reward.is_not(None))
    .group_by(vouchers.c.reward)
)
_reversed = ledger.alias()
_NAME: str = "erased:"
#: What took back which entry stays visible; the keys, which may hold a number, do not.
_BLANK_REVERSES = (
    update(ledger)
    .where(ledger.c.customer_id == _WHO, ledger.c.reverses.is_not(None))
    .values(
        reverses=literal(_NAME).concat(
            func.coalesce(
                select(cast(_reversed.c.id, String)).where(_reversed.c.key == ledger.c.reverses).scalar_subquery(), ""
            )
        )
    )
)
_BLANK_WORDS = (
    update(ledger)
    .where(ledger.c.customer_id == _WHO)
    .values(key=literal(_NAME).concat(cast(ledger.c.id, String)), reason="", message_id=null())
)


def lock_messages(connection: Connection, customer_id: int) -> None:
    """Wait until nobody is writing into a customer's messages, and let nobody begin. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_MESSAGES, {"the_customer": customer_id})


def being_sent(connection: Connection, customer_id: int) -> int:
    """Return how many texts a worker or a webhook's answer is handing to the carrier at this moment."""
    return connection.execute(_BEING_SENT, {"the_customer": customer_id}).scalar_one()


def unused_rewards(connection: Connection, customer_id: int) -> dict[str, int]:
    """Return how many unused vouchers for each reward a customer holds."""
    return {row.reward: row.held for row in connection.execute(_STOCK_HELD, {"the_customer": customer_id})}


def empty_lots(connection: Connection, customer_id: int) -> None:
    """Leave nothing to spend and nothing to expire."""
    connection.execute(_EMPTY_LOTS, {"the_customer": customer_id})


def delete_rows(connection: Connection, customer_id: int) -> None:
    """Delete everything that is to be deleted.

    The erasure must have been noted before: the triggers of append-only tables look for it.
    """
    for holding in HOLDINGS:
        if holding.erasing == "delete":
            connection.execute(delete(holding.table).where(holding.whose), {"customer_id": customer_id})


def blank_ledger(connection: Connection, customer_id: int) -> int:
    """Take the words and keys from a customer's entries; amounts and moments stay. Return how many entries."""
    connection.execute(_BLANK_REVERSES, {"the_customer": customer_id})
    return connection.execute(_BLANK_WORDS, {"the_customer": customer_id}).rowcount


def make_shell(connection: Connection, row: Row, pseudonym: str) -> None:
    """Empty a customer's own row: a pseudonym for the number, the day's bookkeeping, and nothing about anybody.

    Whatever column is added later is emptied too. The status is `unsubscribed`, so that every gate stays shut.
    """
    kept = {"id", "phone", "created_at", "points"}
    values = {name: value for name, value in blank(customers).items() if name not in kept}
    values |= {"phone": SHELL + pseudonym, "consent": "unsubscribed", "sendable": False}
    connection.execute(update(customers).where(customers.c.id == row["id"]).values(values))

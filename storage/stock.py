"""The stock of rewards: how many of each are out."""

from __future__ import annotations

from typing import cast

from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Integer, Table, bindparam, select, update

from storage.columns import Words, metadata
from storage.rows import for_both
from storage.together import Query, ask

stock = Table(
    "stock",
    metadata,
    Column("reward", Words, primary_key=True),
    Column("taken", Integer, nullable=False),
    CheckConstraint("taken >= 0", name="taken"),
)

_NO_LIMIT = 1 << 62
_wanted = bindparam("wanted", type_=BigInteger)
_TAKE_STOCK = for_both(
    lambda insert: (
        insert(stock)
        .values(reward=bindparam("the_reward"), taken=_wanted)
        .on_conflict_do_update(
            index_elements=["reward"],
            set_={"taken": stock.c.taken + _wanted},
            where=stock.c.taken + _wanted <= bindparam("most", type_=BigInteger),
        )
        .execution_options(preserve_rowcount=True)
    )
)
_GIVE_STOCK = (
    update(stock)
    .where(stock.c.reward == bindparam("the_reward"), stock.c.taken + _wanted >= 0)
    .values(taken=stock.c.taken + _wanted)
)
_STOCK = select(stock.c.reward, stock.c.taken)


def take_stock(connection: Connection, reward: str, count: int, limit: int | None) -> bool:
    """Take `count` of a reward's stock (negative: give back) in one statement; False when there is too little.

    `limit` is the whole stock, None when it has no end. Never more than `limit` are out, never fewer than none.
    """
    if count < 0:
        return connection.execute(_GIVE_STOCK, {"the_reward": reward, "wanted": count}).rowcount == 1
    most = _NO_LIMIT if limit is None else limit
    if count > most:
        return False
    values = {"the_reward": reward, "wanted": count, "most": most}
    return connection.execute(_TAKE_STOCK[connection.dialect.name], values).rowcount == 1


def stock_taken(connection: Connection) -> dict[str, int]:
    """Return how many of each reward are out."""
    return cast("dict[str, int]", ask(connection, stock_query())[0])


def stock_query() -> Query[dict[str, int]]:
    """Ask what `stock_taken` returns."""
    return Query(_STOCK, {}, lambda rows: {row["reward"]: row["taken"] for row in rows})

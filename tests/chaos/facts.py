"""What must be true of a database whatever happened to the server."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

_LAWS = {
    "every balance is the sum of its ledger": """
        select c.phone from customers c left join (select customer_id, sum(points) as total from ledger
        group by customer_id) l on l.customer_id = c.id where c.points <> coalesce(l.total, 0)""",
    "what is left in the lots is the balance": """
        select c.phone from customers c left join (select customer_id, sum(remaining) as total from lots
        group by customer_id) l on l.customer_id = c.id where c.points <> coalesce(l.total, 0)""",
    "no balance is negative": "select phone from customers where points < 0",
    "every status of consent is the latest record": """
        select c.phone from customers c where c.consent <> coalesce((select r.status from consent_records r
        where r.customer_id = c.id order by r.id desc limit 1), 'none')""",
    "every voucher that cost points was paid for": """
        select v.code from vouchers v where v.cost > 0 and not exists (select 1 from ledger l where
        l.key = v.entry_key and l.points = -v.cost)""",
    "every burn has its voucher": """
        select l.key from ledger l where l.kind = 'burn' and not exists
        (select 1 from vouchers v where v.entry_key = l.key)""",
    "nobody gets the welcome points twice": """
        select customer_id from ledger where reason = 'Welcome' group by customer_id having count(*) > 1""",
    "a customer has at most one bottom of the stack": """
        select customer_id from conversations where ended_at is null and parent_id is null
        group by customer_id having count(*) > 1""",
    "nothing waits for somebody who left": """
        select m.id from messages m join customers c on c.id = m.customer_id
        where m.state = 'queued' and c.consent = 'unsubscribed'""",
    "every answered text has its answer": """
        select m.sid from messages m where m.direction = 'in' and m.state = 'received'
        and m.explanation is null and m.customer_id is not null""",
}


def broken_laws(conn: Connection) -> Iterator[str]:
    """Yield each law that does not hold, with the first rows that break it."""
    for law, query in _LAWS.items():
        rows = conn.execute(text(query)).fetchmany(3)
        if rows:
            yield f"{law}: {[tuple(row) for row in rows]}"

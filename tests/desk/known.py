"""A customer of whom the shop knows all it can know: a row in every table, with words that can be searched for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert

from bot.desk.actor import Actor, note
from storage import indexing
from storage.answers import staff_answers
from storage.approvals import approvals
from storage.customers import change
from storage.database import reading, writing
from storage.desk import desk, leases, presence, reads
from storage.facts import facts
from storage.handoffs import handoffs
from storage.holdings import HOLDINGS, counts
from storage.ids import next_id
from storage.lessons import lessons
from storage.loyalty import insert_entries
from storage.messages import messages
from storage.notes import mentions, notes
from storage.profile_changes import profile_changes
from storage.rows import complete
from storage.seals import seals
from storage.starts import starts
from storage.statuses import move_forward
from storage.timers import timers
from storage.vouchers import vouchers
from tests.desk.people import employ
from tests.shop import Shop

PHONE = "+12015557788"
NAME = "Zyxomma Quillfeather"
#: What must be nowhere after an erasure, in lower case; each stands in at least one row before.
MARKS = (
    "12015557788",
    "zyxomma",
    "quillfeather",
    "zyx@quill.example",
    "oatmilkish",
    "grumblewort",
    "noteworthington",
    "marzipanda",
    "factotumly",
    "becausewise",
    "voucherella",
    "slottery",
    "tagliatello",
    "enormously",
)
_SHOP = "+12015550100"
OLDER = 40  # messages of a long history


def known_customer(shop: Shop, phone: str = PHONE, name: str = NAME) -> int:
    """Make somebody known through the shop's own doors, then fill every table there is."""
    shop.joined(phone)
    shop.says(phone, f"my grumblewort coffee never came, {name}")
    shop.says(phone, "BALANCE")
    customer_id = int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=phone))
    nora = employ(shop, f"Nora {customer_id % 1000}")
    with writing(shop.services.engine) as conn:
        _fill(conn, shop, nora, customer_id, phone, name)
        change(conn, [(customer_id, _profile(name, customer_id))])
    index(shop)
    with reading(shop.services.engine) as conn:
        found = counts(conn, customer_id)
    missing = {holding.table.name for holding in HOLDINGS} - found.keys() - {"erasures"}
    assert not missing, f"known_customer() puts nothing into {missing}"
    return customer_id


def index(shop: Shop) -> None:
    """Bring the search index up to date."""
    while True:
        with writing(shop.services.engine) as conn:
            work = indexing.look(conn)
            if work is None:
                return
            indexing.do(conn, work)


def _profile(name: str, customer_id: int) -> dict[str, Any]:
    return {
        "name": name,
        "email": "zyx@quill.example",
        "birthday": date(2000, 3, 14),
        "attributes": {"milk": "oatmilkish"},
        "tags": ["tagliatello"],
        "marks": {"welcome": "2026-03-02"},
        "referral_code": f"ZYX{customer_id % 10_000}",
        "purchases": 3,
        "spent_minor": 1_450,
        "zone": "America/New_York",
    }


def _fill(conn: Connection, shop: Shop, nora: Actor, who: int, phone: str, name: str) -> None:
    now, later = shop.clock.now(), shop.clock.now() + timedelta(days=30)
    ids = [_message(conn, who, phone, f"I said enormously {place} {name}", now) for place in range(OLDER)]
    large = {"explanation": {"why": "enormously " * 2_000}, "body": f"{'enormously ' * 140}{name}"}
    ids.append(_message(conn, who, phone, now=now, **large))
    reply = {"direction": "out", "state": "sent", "purpose": "reply", "sid": f"SM{who}"}
    sent = _message(conn, who, phone, f"Hello {name}", now, **reply)
    queued = {"direction": "out", "state": "queued", "purpose": "service", "send_after": later, "lane": "1|shop|"}
    _message(conn, who, phone, f"Later, {name}", now, **queued)
    sent_word = {"sid": f"SM{who}", "status": "delivered", "raw": {"MessageStatus": "delivered"}, "at": now}
    move_forward(conn, [{**sent_word, "message_id": sent}])
    insert_entries(
        conn,
        [
            {"id": next_id(), "customer_id": who, "kind": "earn", "points": 7, "key": f"till:{phone}", "at": now}
            | {"reason": f"becausewise {name}"}
        ],
    )
    note_id = next_id()
    common: Mapping[str, Any] = {"customer_id": who, "id": next_id(), "at": now}
    rows: list[tuple[Table, dict[str, Any]]] = [
        (staff_answers, {"key": f"key-{who}", "message_id": sent, "staff_id": nora.staff_id, "at": now}),
        (notes, {**common, "id": note_id, "staff_id": nora.staff_id, "body": f"{name} is noteworthington"}),
        (mentions, {"note_id": note_id, "staff_id": nora.staff_id}),
        (lessons, {**common, "message_id": ids[0], "text": "marzipanda", "language": "en", "decision": "flow"}
         | {"staff_id": nora.staff_id}),
        (timers, {"id": next_id(), "customer_id": who, "kind": "reminder", "scope": "welcome", "due_at": later}
         | {"slots": {"x": "slottery"}}),
        (handoffs, {"id": next_id(), "customer_id": who, "reason": "becausewise", "requested_at": now}
         | {"closed_at": now}),
        (leases, {"id": next_id(), "customer_id": who, "staff_id": nora.staff_id, "began_at": now, "ends_at": later}),
        (presence, {"staff_id": nora.staff_id, "customer_id": who, "seen_at": now}),
        (reads, {"staff_id": nora.staff_id, "customer_id": who, "message_id": ids[0]}),
        (desk, {"customer_id": who, "assignee_id": nora.staff_id, "changed_at": now}),
        (approvals, {"id": next_id(), "customer_id": who, "points": 5, "reason": "becausewise", "key": f"a{who}"}
         | {"asked_by": nora.staff_id, "asked_at": now}),
        (profile_changes, {**common, "field": "name", "before": None, "after": name, "by": "customer"}),
        (facts, {"id": next_id(), "customer_id": who, "name": "survey_answered", "key": f"fact:{phone}"}
         | {"data": {"said": "factotumly"}, "recorded_at": now, "due_at": later}),
        (starts, {"flow": "birthday", "customer_id": who, "occasion": "2026", "at": now}),
        (vouchers, {"id": next_id(), "customer_id": who, "code": f"V{who}", "name": "voucherella", "issued_at": now}
         | {"ends_at": later}),
        (seals, {"record_id": next_id(), "number": who, "customer_id": who, "key": "k", "previous": "", "digest": "d"}
         | {"at": now}),
    ]  # fmt: skip
    for table, row in rows:
        conn.execute(insert(table), complete(table, [row]))
    note(conn, nora, "customer.viewed", now, who)
    conn.execute(
        messages.update()
        .where(messages.c.id == ids[1])
        .values(explanation={"matched": "slottery"}, media=[{"url": "x"}])
    )


def _message(conn: Connection, who: int, phone: str, body: str = "", now: Any = None, **values: Any) -> int:
    ends = (_SHOP, phone) if values.get("direction") == "out" else (phone, _SHOP)
    row = {"id": next_id(), "customer_id": who, "direction": "in", "sender": ends[0], "recipient": ends[1]}
    row |= {"body": body, "state": "received", "created_at": now, **values}
    conn.execute(insert(messages), complete(messages, [row]))
    return int(row["id"])

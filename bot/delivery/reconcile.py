"""Reconciliation: the carrier's books beside ours, and what is done about the difference.

Twilio gives no list of who opted out, so an inbound STOP that our webhook missed can only be found among the
carrier's messages. A missed text is kept as one that waits to be taken again (`messages failed`); one that asks
to leave is taken at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine

from bot.carrier.port import Found, StatusReported, Traceable
from bot.catalog import Catalog
from bot.delivery.statuses import Statuses
from bot.phone import person
from storage import customers, messages, statuses, unsettled
from storage.database import reading, writing
from storage.ids import next_id
from storage.rows import Row

PAGE = 500
#: What Twilio itself takes for leaving; ours is stricter and judges when the text is taken.
LEAVING = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"})


@dataclass(slots=True)
class Drift:
    """The differences found."""

    looked_at: int = 0
    delivery: list[tuple[str, str, str]] = field(default_factory=list)  #: sid, our state, the carrier's
    opted_out: list[str] = field(default_factory=list)  #: sids the carrier blocked (21610)
    missed: list[Found] = field(default_factory=list)  #: texts of customers our webhook never saw
    strange: list[Found] = field(default_factory=list)  #: sent in our name, but not by us
    left: list[int] = field(default_factory=list)  #: kept messages that ask to leave, to be taken at once

    @property
    def found(self) -> bool:
        """Say whether the books differ at all."""
        return bool(self.delivery or self.missed or self.strange)

    def counts(self, taken: int) -> dict[str, int]:
        """Return how many of each there are, `taken` of the missed ones as leaving."""
        return {
            "looked_at": self.looked_at,
            "delivery_behind": len(self.delivery),
            "opted_out_at_the_carrier": len(self.opted_out),
            "texts_missed": len(self.missed),
            "of_them_taken_as_leaving": taken,
            "sent_but_not_by_us": len(self.strange),
        }


def reconcile(
    engine: Engine,
    carrier: Traceable,
    since: datetime,
    now: datetime,
    *,
    repair: bool,
    catalog: Catalog | None = None,
    until: datetime | None = None,
) -> Drift:
    """Compare everything since then; with `repair` our books follow the carrier's. Raises CarrierError.

    What is younger than `until` is left alone: its callback, or its webhook, may be on the way. Without a catalog
    the limits are those of a programme that declares none.
    """
    drift = Drift()
    old = (each for each in carrier.listed(since) if until is None or each.at <= until)
    for page in _pages(old):
        drift.looked_at += len(page)
        with reading(engine) as conn:
            ours = messages.by_sids(conn, [each.sid for each in page])
        reports = []
        for each in page:
            row = ours.get(each.sid)
            if row is None:
                (drift.missed if each.inbound else drift.strange).append(each)
            elif not each.inbound and _is_behind(row, each):
                drift.delivery.append((each.sid, row["state"], each.state))
                if each.error_code == "21610":
                    drift.opted_out.append(each.sid)
                reports.append(_report(each, now))
        if repair and reports:
            Statuses(engine, catalog).take(reports)
    if repair:
        _adopt(engine, drift)
        with writing(engine) as conn:
            drift.left = _keep(conn, drift.missed, now)
    return drift


def _pages(found: Iterator[Found]) -> Iterator[list[Found]]:
    page: list[Found] = []
    for each in found:
        page.append(each)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _is_behind(row: Row, each: Found) -> bool:
    state = statuses.STATUS.get(each.state)
    rank = statuses.RANK.get(row["state"])
    return state is not None and rank is not None and statuses.RANK[state] > rank


def _report(each: Found, now: datetime) -> StatusReported:
    return StatusReported(each.sid, each.state, each.error_code, None, {"by": "reconciliation"}, now)


def _adopt(engine: Engine, drift: Drift) -> None:
    """What looks strange may be one of ours whose outcome is unknown: settling finds it by itself, soon."""
    with reading(engine) as conn:
        known = unsettled.known_sids(conn, [each.sid for each in drift.strange])
    drift.strange = [each for each in drift.strange if each.sid not in known]


def _keep(conn: Connection, missed: Sequence[Found], now: datetime) -> list[int]:
    """Keep texts our webhook missed, the oldest first; return those that ask to leave."""
    leaving = []
    for each in sorted(missed, key=lambda found: found.at):
        phone = person(each.sender)
        if phone is None:
            continue
        found = customers.lock_by_phone(conn, [phone])
        if not found:
            customers.insert_missing(conn, [{"id": next_id(), "phone": phone, "created_at": now}])
            found = customers.lock_by_phone(conn, [phone])
        row = {
            "id": next_id(),
            "customer_id": found[phone]["id"],
            "direction": "in",
            "sid": each.sid,
            "sender": phone,
            "recipient": each.to,
            "body": each.body,
            "state": "failed",
            "explanation": {"error": "the webhook never saw it", "sent_at": each.at.isoformat()},
            "created_at": now,
        }
        messages.insert(conn, [row])
        if " ".join(each.body.casefold().split()).strip(".!") in LEAVING:
            leaving.append(row["id"])
    return leaving

"""Outbox rows on their way: claim, ask the gate again, send, record.

A row is claimed and judged in one transaction under the customer's lock, so that a STOP committed before
the claim is always seen. The send itself happens outside any transaction; if its outcome is not known the
row says so and is never blindly repeated.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from bot import gate, telemetry
from bot.carrier.port import Carrier, Outgoing, StatusReported
from bot.catalog import Catalog
from bot.errors import CarrierError, CarrierUnreachable, OutcomeUnknown
from bot.phone import zones
from storage import consent, customers, messages, outbox, timers
from storage.database import writing
from storage.ids import next_id

LEASE = timedelta(minutes=2)
BATCH = 50
MOST_ATTEMPTS = 6
OPTED_OUT = "21610"  # https://www.twilio.com/docs/api/errors/21610
Ended = Literal["failed", "suppressed", "unknown", "dead"]
_FIRST_PAUSE = timedelta(seconds=5)


class Delivery:
    """Drains the outbox through one carrier."""

    def __init__(self, engine: Engine, catalog: Catalog, carrier: Carrier, callback_base: str) -> None:
        self.engine = engine
        self.catalog = catalog
        self.carrier = carrier
        self.callback_base = callback_base

    def drain(self, now: datetime, most: int = 1_000) -> int:
        """Send what may go out now, at most `most` texts; return how many were claimed."""
        done = 0
        while done < most:
            claimed, cleared = self._claim(now)
            for row in cleared:
                self._send(row, now)
            done += claimed
            if claimed < BATCH:
                break
        return done

    def _claim(self, now: datetime) -> tuple[int, list[Mapping[str, Any]]]:
        """Take the rows that are due and return those the gate lets through."""
        with writing(self.engine) as conn:
            outbox.stale(conn, now)
            rows = outbox.claim(conn, now, BATCH, LEASE)
            # Without a lock: a STOP that is being written waits for the claimed row, so it commits after us.
            people = customers.by_ids(conn, sorted({row["customer_id"] for row in rows}))
            sent = outbox.marketing_counts(conn, list(people), now - gate.MONTH)
            cleared = []
            for row in rows:
                person = people[row["customer_id"]]
                verdict = self._judge(row, person, sent.get(person["id"], ()), now)
                if isinstance(verdict, gate.Drop):
                    outbox.finish(conn, row["id"], "suppressed", verdict.reason, None)
                    telemetry.sent("suppressed")
                elif isinstance(verdict, gate.Wait):
                    outbox.put_back(conn, row["id"], verdict.until)
                else:
                    cleared.append(row)
                    if row["purpose"] == "marketing":
                        sent.setdefault(person["id"], []).append(now)
            return len(rows), cleared

    def _judge(
        self, row: Mapping[str, Any], person: Mapping[str, Any], sent: Sequence[datetime], now: datetime
    ) -> gate.Verdict:
        programme = self.catalog.book.programme
        recipient = gate.Recipient(
            consent=person["consent"],
            zones=zones(person["phone"], person["zone"], programme.shop.zone),
            sendable=person["sendable"],
            paused=person["marketing_paused"],
            held_until=person["held_until"],
            wants_less=person["frequency"] == "less",
            marketing_sent=sent,
        )
        return gate.ask(row["purpose"], recipient, programme.limits, now, row["deadline"])

    def _send(self, row: Mapping[str, Any], now: datetime) -> None:
        outgoing = Outgoing(
            message_id=row["id"],
            to=row["recipient"],
            sender=row["sender"],
            body=row["body"],
            status_callback=f"{self.callback_base}/sms/status?message={row['id']}",
            valid_for=row["deadline"] - now if row["deadline"] else None,
        )
        try:
            accepted = self.carrier.send(outgoing)
        except OutcomeUnknown as trouble:
            self._finish(row, "unknown", str(trouble), trouble.code, now)
        except CarrierError as trouble:
            final = trouble.permanent or row["attempts"] >= MOST_ATTEMPTS
            if final:
                self._finish(row, "failed" if trouble.permanent else "dead", str(trouble), trouble.code, now)
            else:
                result = "unreachable" if isinstance(trouble, CarrierUnreachable) else "put_back"
                telemetry.sent(result, message=row["id"], code=trouble.code)
                with writing(self.engine) as conn:
                    outbox.put_back(conn, row["id"], now + pause(row["attempts"]))
        else:
            telemetry.sent("sent")
            with writing(self.engine) as conn:
                outbox.sent(conn, [{"id": row["id"], "sid": accepted.sid, "at": now}])

    def _finish(self, row: Mapping[str, Any], state: Ended, reason: str, code: int | None, now: datetime) -> None:
        telemetry.sent(state, message=row["id"], code=code)
        with writing(self.engine) as conn:
            outbox.finish(conn, row["id"], state, reason, str(code) if code else None)
            if str(code) == OPTED_OUT:
                record_carrier_opt_out(conn, row["customer_id"], row["id"], now)


def pause(attempts: int) -> timedelta:
    """Return how long to wait after the n-th failed attempt: doubling, at most an hour, with jitter."""
    seconds = min(3_600.0, _FIRST_PAUSE.total_seconds() * 2 ** max(0, attempts - 1))
    return timedelta(seconds=seconds * random.uniform(0.5, 1.0))


class Statuses:
    """Takes status callbacks in groups; what the carrier says of an opt-out becomes a consent record."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def take(self, reports: Sequence[StatusReported]) -> list[None]:
        """Log callbacks and move messages forward; a lower state never replaces a higher one.

        The carrier reports once: a group that fails is tried again report by report, and so is each of them.
        Raises what the database says of the last one that could not be written.
        """
        try:
            self._take_together(reports)
        except Exception as trouble:
            self._take_each(reports, trouble)
        for report in reports:
            telemetry.status(report.state)
        return [None] * len(reports)

    def _take_each(self, reports: Sequence[StatusReported], trouble: Exception) -> None:
        failed: Exception | None = None
        for report in reports:
            telemetry.retaken(type(trouble).__name__)
            try:
                self._take_together([report])
            except Exception as again:
                telemetry.broke("status not taken", again, sid=report.sid)
                failed = again
        if failed is not None:
            raise failed

    def _take_together(self, reports: Sequence[StatusReported]) -> None:
        with writing(self.engine) as conn:
            moved = messages.move_forward(conn, [report.as_update() for report in reports])
            opted_out = [m for m in moved if m.error_code == OPTED_OUT and m.customer_id is not None]
            for each in opted_out:
                assert each.customer_id is not None
                record_carrier_opt_out(conn, each.customer_id, each.message_id, reports[-1].at)


def record_carrier_opt_out(conn: Connection, customer_id: int, message_id: int, now: datetime) -> None:
    """The carrier blocks this customer (error 21610): what it knows becomes our record, and nothing else goes out.

    Source: https://www.twilio.com/docs/api/errors/21610.
    """
    customers.lock_by_id(conn, [customer_id])
    consent.insert(
        conn,
        [
            {
                "id": next_id(),
                "customer_id": customer_id,
                "status": "unsubscribed",
                "how": "carrier",
                "reason": f"carrier error {OPTED_OUT}",
                "message_id": message_id,
                "at": now,
            }
        ],
    )
    messages.suppress_pending(conn, [customer_id], "opted_out", now)
    timers.cancel(conn, customer_id)

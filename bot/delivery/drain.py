"""The drain: claims, sends and records side by side until nothing is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from bot import telemetry
from bot.carrier.port import Carrier, Outgoing
from bot.catalog import Catalog
from bot.delivery.claiming import FRESH, Claims
from bot.delivery.crew import Clerk, Crew, Outcome
from bot.delivery.rates import Rate
from bot.delivery.recording import record
from bot.delivery.settling import settle
from bot.errors import CarrierError, CarrierUnreachable, OutcomeUnknown
from storage import processes
from storage.database import reading
from storage.rows import Row

CONCURRENCY = 16
_SENDING = frozenset({"all", "worker"})  # roles
_LONGEST_WORK = 30.0  # seconds
_MOMENT_SECONDS = 0.2
_MOST_ROUNDS = 8
_NO_TIME = timedelta(0)


class Delivery:
    """Drains the outbox through one carrier. Memory is bounded by `concurrency`, however much is queued."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        carrier: Carrier,
        callback_base: str,
        *,
        rate: Rate | None = None,
        concurrency: int = CONCURRENCY,
        account_concurrency: int | None = None,
    ) -> None:
        """`concurrency` is of this process, `account_concurrency` of all that send together; None: no limit."""
        self.engine = engine
        self.catalog = catalog
        self.carrier = carrier
        self.callback_base = callback_base
        self.concurrency = concurrency
        self.account_concurrency = account_concurrency
        self.claims = Claims(engine, catalog, rate)

    def work(self, clock: Callable[[], datetime]) -> int:
        """Drain again and again until nothing is due; return how many messages were claimed."""
        started, total = time.monotonic(), 0
        while (done := self.drain(clock)) and time.monotonic() - started < _LONGEST_WORK:
            total += done
        return total + done

    def drain(self, clock: Callable[[], datetime], most: int = 1_000) -> int:
        """Settle what is overdue and send what may go out now, at most `most` texts; return how many were claimed.

        That may take minutes: the clock is read for each claim, each attempt and each record.
        """
        settle(self.engine, self.carrier, clock(), self.catalog.book.programme.limits)
        size = self._size(clock())
        done, more, started = 0, True, time.monotonic()
        outcomes: list[Outcome] = []
        with (
            Clerk(lambda some: record(self.engine, some, clock(), self.catalog.book.programme.limits)) as clerk,
            Crew(lambda row: self._attempt(row, clock()), size) as crew,
        ):
            while True:
                # A round is claimed while the last one is still going out, so nobody waits for the database.
                ahead = self._ahead(size, done - crew.in_flight, time.monotonic() - started)
                if more and crew.in_flight <= ahead:
                    claim = self.claims.take(clock, min(ahead, most - done))
                    done += claim.count
                    more = claim.count > 0 and done < most
                    if claim.cleared:
                        crew.give(claim.cleared)
                if crew.in_flight:
                    outcomes += crew.gather()
                    if len(outcomes) < ahead // 2 and crew.in_flight > size:
                        continue
                clerk.write(outcomes, at_once=not crew.in_flight)
                outcomes = []
                if not more and not crew.in_flight:
                    return done

    def _size(self, now: datetime) -> int:
        """Return how many requests this process may have open: at most its share of what the account may.

        The share follows the heartbeats: who starts or dies is counted at the next drain after it is noticed,
        seconds later. Nobody's share is less than one.
        """
        if self.account_concurrency is None:
            return self.concurrency
        with reading(self.engine) as conn:
            sending = sum(each.role in _SENDING and each.alive(now) for each in processes.known(conn))
        return min(self.concurrency, max(1, self.account_concurrency // max(1, sending)))

    def _ahead(self, size: int, sent: int, seconds: float) -> int:
        """Return how many to claim at once: as many as go out in a moment, so that an answer never waits for long."""
        soon = int(sent / max(seconds, 0.001) * _MOMENT_SECONDS)
        return min(_MOST_ROUNDS * size, max(2 * size, soon))

    def _attempt(self, row: Row, now: datetime) -> Outcome:
        """Send one message, unless it was claimed so long ago that the gate has to be asked anew.

        So what is handed to the carrier has nearly all of its lease left. A clock that went back says nothing.
        """
        if not _NO_TIME <= now - row["attempted_at"] <= FRESH:
            return Outcome(row, "late")
        outgoing = Outgoing(
            message_id=row["id"],
            to=row["recipient"],
            sender=row["sender"],
            body=row["body"],
            status_callback=f"{self.callback_base}/sms/status?message={row['id']}",
            valid_for=row["deadline"] - now if row["deadline"] else None,
            media=tuple(part["url"] if isinstance(part, dict) else str(part) for part in row["media"] or ()),
        )
        try:
            accepted = self.carrier.send(outgoing)
        except OutcomeUnknown as trouble:
            return Outcome(row, "unknown", code=trouble.code, reason=str(trouble))
        except CarrierUnreachable as trouble:
            return Outcome(row, "unreachable", code=trouble.code, reason=str(trouble))
        except CarrierError as trouble:
            return Outcome(row, "refused" if trouble.permanent else "put_back", code=trouble.code, reason=str(trouble))
        except Exception as trouble:  # our own mistake, at an unknown moment: perhaps it went out
            telemetry.broke("sending broke", trouble, message=row["id"])
            return Outcome(row, "unknown", reason=type(trouble).__name__)
        return Outcome(row, "sent", sid=accepted.sid)

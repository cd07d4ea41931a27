"""Status callbacks: applied in groups, forward only; what their error codes mean is done with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Engine

from bot import telemetry
from bot.carrier.port import StatusReported
from bot.catalog import Catalog
from bot.delivery.recording import Told, lock_for, take_consequences
from bot.engine.programme import Limits
from bot.reachable import number_works
from storage import customers, statuses
from storage.database import writing


class Statuses:
    """Takes status callbacks in groups."""

    def __init__(self, engine: Engine, catalog: Catalog | None = None) -> None:
        """Without a catalog the limits are those of a programme that declares none."""
        self.engine = engine
        self.catalog = catalog

    def take(self, reports: Sequence[StatusReported]) -> list[None]:
        """Log callbacks and move messages forward; a lower state never replaces a higher one.

        When one of them cannot be written the others still are, each alone; then what broke is raised.
        """
        try:
            self._take(reports)
        except Exception as broken:
            if len(reports) == 1:
                raise
            trouble: Exception | None = None
            for report in reports:
                try:
                    self._take([report])
                except Exception as again:
                    trouble = again
            if trouble is not None:
                raise trouble from broken
        for state, count in Counter(report.state for report in reports).items():
            telemetry.status(state, count)
        return [None] * len(reports)

    def _take(self, reports: Sequence[StatusReported]) -> None:
        updates = [report.as_update() for report in reports]
        with writing(self.engine) as conn:
            if any(report.error_code for report in reports):
                lock_for(conn, _told_of(statuses.whose(conn, updates)))
            moved = statuses.move_forward(conn, updates)
            delivered = sorted({m.customer_id for m in moved if m.state == "delivered" and m.customer_id is not None})
            silent = customers.silent(conn, delivered) if delivered else []
            told = [Told(m.error_code, m.message_id, m.customer_id) for m in moved if m.error_code]
            take_consequences(conn, told, reports[-1].at, self._limits())
        if silent:  # afterwards, because customers are locked before their messages
            with writing(self.engine) as conn:
                number_works(conn, customers.lock_by_id(conn, silent).values())

    def _limits(self) -> Limits:
        return self.catalog.book.programme.limits if self.catalog is not None else Limits()


def _told_of(owners: Sequence[tuple[str, int, int | None]]) -> list[Told]:
    return [Told(code, message_id, customer_id) for code, message_id, customer_id in owners]

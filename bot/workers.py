"""The loops beside the web server. APScheduler holds ticks, never customers: what is due lives in rows.

Every role runs the same code on any number of processes: a tick claims rows, others skip them. Who ticks is a
question of load, never of correctness.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection

from bot import telemetry
from bot.broker import Coalesced, Kind
from bot.delivery.nightly import reconcile_nightly
from bot.desk import auditing, erasing, leases, sealing, searching
from bot.desk.tallying import tally
from bot.pace import Patience
from bot.services import Services
from bot.settings import Role
from storage import processes
from storage.database import writing

_BEAT = processes.BEATS.total_seconds()


@dataclass(frozen=True, slots=True)
class Tick:
    """Something done again and again by processes of some roles."""

    seconds: float
    roles: frozenset[Role]
    job: Callable[[Services], object]
    patient: bool = False  #: gives way while many texts come


_EVERYBODY: frozenset[Role] = frozenset({"all", "web", "worker", "scheduler"})
_SENDING: frozenset[Role] = frozenset({"all", "worker"})
_CLOCK: frozenset[Role] = frozenset({"all", "scheduler"})


def _seal(shop: Services) -> int:
    return sealing.seal(shop.engine, shop.settings.secret_key, shop.clock.now())


def _reconcile(shop: Services) -> bool:
    return reconcile_nightly(shop.engine, shop.carrier, shop.turns, shop.clock.now())


TICKS: Mapping[str, Tick] = {
    "leases": Tick(1, _CLOCK, lambda shop: leases.return_run_out(shop.turns, shop.clock.now())),
    "timers": Tick(1, _CLOCK, lambda shop: shop.schedule.fire_timers(shop.clock.now())),
    "facts": Tick(1, _CLOCK | _SENDING, lambda shop: shop.schedule.take_facts(shop.clock.now())),
    "deliver": Tick(1, _SENDING, lambda shop: shop.delivery.work(shop.clock.now)),
    "flows": Tick(2, _EVERYBODY, lambda shop: shop.catalog.refresh(shop.clock.now())),
    "expire": Tick(20, _CLOCK, lambda shop: shop.schedule.expire(shop.clock.now())),
    "starts": Tick(20, _CLOCK, lambda shop: shop.schedule.start_due(shop.clock.now())),
    "search": Tick(1, _CLOCK, lambda shop: searching.keep_up(shop.engine), patient=True),
    "seals": Tick(20, _CLOCK, _seal, patient=True),
    "audit": Tick(3600, _CLOCK, lambda shop: auditing.forget(shop.engine, shop.settings, shop.clock.now())),
    "tallies": Tick(60, _CLOCK, lambda shop: tally(shop.engine, _zone(shop), shop.clock.now()), patient=True),
    "scrub": Tick(600, _CLOCK, lambda shop: erasing.scrub_at_night(shop.engine, _zone(shop), shop.clock.now())),
    "reconcile": Tick(600, _CLOCK, _reconcile),
    "reviews": Tick(60, _CLOCK, lambda shop: shop.schedule.reviews.run(shop.clock.now())),
}
_WOKEN: Mapping[Kind, str] = {"outbox": "deliver", "facts": "facts"}


class Ticking:
    """The ticks of one process, and its heartbeat."""

    def __init__(self, shop: Services, *, standby: bool = False) -> None:
        """`standby`: tick only while no other standby scheduler does."""
        self._shop = shop
        self._leader = Leader(shop) if standby else None
        self._identity = f"{shop.settings.role}:{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
        self._started = shop.clock.now()
        ticks = {name: tick for name, tick in TICKS.items() if shop.settings.role in tick.roles}
        self._patience = Patience(shop.turns.pace)
        self._jobs = {name: Coalesced(self._guarded(name, tick)) for name, tick in ticks.items()}
        self._scheduler = BackgroundScheduler(timezone=UTC)
        for name, job in self._jobs.items():
            self._add(name, job, TICKS[name].seconds)
        self._add("heartbeat", _logged("heartbeat", self._beat), _BEAT)

    def start(self) -> None:
        """Tick in threads from now on."""
        self._scheduler.start()
        threading.Thread(target=_logged("heartbeat", self._beat), name="first-heartbeat", daemon=True).start()

    def wake(self, kind: Kind, _key: str) -> None:
        """Look at once for work of a kind, because somebody said there is some."""
        job = self._jobs.get(_WOKEN.get(kind, ""))
        if job is not None:
            job()

    def shutdown(self, wait: bool = True) -> None:
        """End; with `wait` after what is in hand is done."""
        self._scheduler.shutdown(wait=wait)
        if self._leader is not None:
            self._leader.close()
        with contextlib.suppress(Exception), writing(self._shop.engine) as conn:
            processes.gone(conn, self._identity)

    def _add(self, name: str, job: Callable[[], None], seconds: float) -> None:
        # Two: while one is busy a second only notes that another look is wanted, and is not worth a warning.
        self._scheduler.add_job(
            job, "interval", seconds=seconds, id=name, coalesce=True, max_instances=2, misfire_grace_time=None
        )

    def _guarded(self, name: str, tick: Tick) -> Callable[[], None]:
        def job() -> None:
            if tick.patient and self._patience.gives_way(name):
                return
            if self._leader is None or name == "flows" or self._leader.leads():
                tick.job(self._shop)

        return _logged(name, job)

    def _beat(self) -> None:
        role, host, pid, _ = self._identity.split(":")
        now = self._shop.clock.now()
        values = {"role": role, "host": host, "pid": int(pid), "started_at": self._started.isoformat()}
        with writing(self._shop.engine) as conn:
            processes.beat(conn, self._identity, values, now)
            if now - self._started < timedelta(seconds=_BEAT):
                processes.forget_dead(conn, now)


class Leader:
    """Elects one of several schedulers by an advisory lock, to save work: all of them ticking is as correct."""

    def __init__(self, shop: Services) -> None:
        self._engine = shop.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None
        self._asking = threading.Lock()

    def leads(self) -> bool:
        """Say whether this process ticks now. A lost connection is a lost lead; another takes it over."""
        with self._asking:
            try:
                if self._connection is not None:
                    self._connection.exec_driver_sql("SELECT 1")
                    return True
                connection = self._engine.connect()
                if processes.try_to_lead(connection):
                    self._connection = connection
                    telemetry.log.info("this scheduler leads", action="lead")
                    return True
                connection.close()
            except Exception as trouble:
                telemetry.broke("lead lost", trouble)
                self._drop()
            return False

    def close(self) -> None:
        """Let another lead."""
        with self._asking:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.invalidate()  # closes the session, and with it the lock
                self._connection.close()
            self._connection = None


def start_ticking(shop: Services, *, standby: bool = False) -> Ticking:
    """Start the ticks of one process in threads, those of its role; `shutdown()` of what comes back ends them."""
    ticking = Ticking(shop, standby=standby)
    ticking.start()
    return ticking


def _logged(name: str, job: Callable[[], object]) -> Callable[[], None]:
    """A tick that breaks is logged; the next one comes all the same."""

    def tick() -> None:
        try:
            job()
        except Exception as trouble:
            telemetry.broke("tick failed", trouble, tick=name)

    return tick


def _zone(shop: Services) -> ZoneInfo:
    return ZoneInfo(shop.catalog.book.programme.shop.zone)

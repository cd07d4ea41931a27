"""Wake-ups for other hosts: "there may be work of this kind". The rows are the truth, a wake-up is a courtesy.

Every worker also looks by itself each second, so a wake-up that is lost, late or repeated changes nothing but
the time until somebody looks. That is why nothing here waits, nothing is retried and no result is kept.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bot import telemetry
from bot.errors import SettingsError

if TYPE_CHECKING:
    from celery import Celery

Kind = Literal["outbox", "facts"]
Handler = Callable[[Kind, str], None]

QUEUE = "regulars"
TASK = "regulars.wake"
STALE_SECONDS = 60  # a wake-up nobody took by then is of no use: ticks have looked sixty times
MOST_WAITING = 1_000  # further ones are dropped while the broker is away
_CONNECT_SECONDS = 2


class Broker(Protocol):
    """Brings wake-ups from whoever committed work to whoever does it."""

    def wake(self, kind: Kind, key: str) -> None:
        """Say, after the commit, that there is work for `key` (a customer's id). Never waits, never raises."""

    def listen(self, handle: Handler) -> None:
        """Hand every wake-up to `handle` until SIGTERM or SIGINT; the broker may go and come back meanwhile.

        Only the main thread may listen: it is the one signals come to.
        """

    def close(self) -> None:
        """Let go; wake-ups not sent yet are lost, harmlessly."""


class NoBroker:
    """Nobody is woken: ticks find what is due."""

    def wake(self, kind: Kind, key: str) -> None:
        """Do nothing."""

    def listen(self, handle: Handler) -> None:
        """Wait for the end."""
        wait_for_the_end()

    def close(self) -> None:
        """Do nothing."""


class CeleryBroker:
    """Wake-ups as Celery messages over Redis or RabbitMQ.

    JSON only, acknowledged late, one prefetched, no results, no eta: docs/scaling.md says why.
    """

    def __init__(self, url: str) -> None:
        self._app = celery_app(url)
        self._waiting: dict[tuple[Kind, str], None] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._reachable = True
        self._sender: threading.Thread | None = None

    def wake(self, kind: Kind, key: str) -> None:
        """Leave the wake-up to a thread of its own; the same one is not sent twice while it waits."""
        with self._changed:
            if self._closed or len(self._waiting) >= MOST_WAITING:
                return
            self._waiting[kind, key] = None
            if self._sender is None:  # here and not before: whoever forks after us keeps no dead thread
                self._sender = threading.Thread(target=self._send_all, name="wake-ups", daemon=True)
                self._sender.start()
            self._changed.notify()

    def listen(self, handle: Handler) -> None:
        """Be a Celery worker. A handler that breaks is logged; its rows wait for the next look."""
        self._app.task(_guarded(handle), name=TASK, acks_late=True, ignore_result=True)
        options = ("--pool=threads", "--concurrency=1", "--without-gossip", "--without-mingle", "--without-heartbeat")
        with contextlib.suppress(SystemExit):
            self._app.worker_main(["--quiet", "worker", f"--queues={QUEUE}", "--loglevel=WARNING", *options])

    def close(self) -> None:
        """Stop the sending thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._sender is not None:
            self._sender.join(_CONNECT_SECONDS + 1)
        self._app.close()

    def _send_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                together = list(self._waiting)
                self._waiting.clear()
            for kind, key in together:
                try:
                    self._app.send_task(
                        TASK, args=[kind, key], queue=QUEUE, retry=False, ignore_result=True, expires=STALE_SECONDS
                    )
                    self._say(True)
                except Exception as trouble:
                    self._say(False, trouble)
                    break  # the others would wait for the same connection

    def _say(self, reachable: bool, trouble: Exception | None = None) -> None:
        """Log when the broker goes and when it comes back, not every time it is missed."""
        if reachable != self._reachable:
            self._reachable = reachable
            if trouble is not None:
                telemetry.broke("broker away; ticks go on", trouble)
            else:
                telemetry.log.info("broker back", action="broker")


def open_broker(url: str) -> Broker:
    """Return the broker BROKER_URL names, none when it is empty. Nothing connects yet. Raises SettingsError."""
    if not url:
        return NoBroker()
    if url.partition("://")[0] not in ("redis", "rediss", "amqp", "amqps"):
        raise SettingsError("BROKER_URL must look like redis://HOST:6379/0 or amqp://USER:PASSWORD@HOST:5672//")
    try:
        return CeleryBroker(url)
    except ImportError:
        raise SettingsError("BROKER_URL is set, but Celery is not installed: pip install -r requirements.txt") from None


def celery_app(url: str) -> Celery:
    """Return a Celery application that only carries wake-ups."""
    from celery import Celery  # costs a process without a broker nothing

    app = Celery(QUEUE, broker=url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_timeout=_CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_TRANSPORT if url.startswith("redis") else {},
    )
    return app


_TRANSPORT: dict[str, Any] = {
    "socket_connect_timeout": _CONNECT_SECONDS,
    "socket_timeout": 30,
    "retry_on_timeout": False,
}


def wait_for_the_end() -> None:
    """Block until SIGTERM or SIGINT."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    while not over.wait(3_600):
        pass


def _guarded(handle: Handler) -> Callable[[Kind, str], None]:
    def wake(kind: Kind, key: str) -> None:
        try:
            handle(kind, key)
        except Exception as trouble:
            telemetry.broke("wake-up failed", trouble, kind=kind)

    return wake


class Coalesced:
    """Runs a job once for all who ask while it runs: one run and one more, never one for each."""

    def __init__(self, job: Callable[[], object]) -> None:
        self._job = job
        self._busy = threading.Lock()
        self._wanted = threading.Event()

    def __call__(self) -> None:
        """Run the job, or leave it to whoever runs it already: it then starts again after this call."""
        self._wanted.set()
        while self._wanted.is_set() and self._busy.acquire(blocking=False):
            try:
                while self._wanted.is_set():
                    self._wanted.clear()
                    self._job()
            finally:
                self._busy.release()

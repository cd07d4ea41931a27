"""What happened, as named events: counted for Prometheus and written to a structured log.

Phone numbers are masked before they get here; texts of customers are never logged. What an exception says
may quote either, so of exceptions only the kind and the place are written down.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

registry = CollectorRegistry()
_received = Counter("regulars_inbound_total", "Inbound texts by what became of them", ["result"], registry=registry)
_refused = Counter("regulars_refused_total", "Requests refused at the door", ["door", "reason"], registry=registry)
_decisions = Counter("regulars_decisions_total", "Decisions of the router", ["decision", "rule"], registry=registry)
_group = Histogram(
    "regulars_group_size", "Events taken in one transaction", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
)
_group_seconds = Histogram("regulars_group_seconds", "Seconds one transaction of turns took", registry=registry)
_retaken = Counter("regulars_turns_retaken_total", "Turns taken again after a conflict", registry=registry)
_crashed = Counter("regulars_turns_crashed_total", "Turns that broke inside a flow", registry=registry)
_sent = Counter("regulars_sends_total", "Outbox messages by result", ["result"], registry=registry)
_statuses = Counter("regulars_statuses_total", "Status callbacks by state", ["state"], registry=registry)
_alarms = Counter("regulars_alarms_total", "What somebody has to look at", ["what"], registry=registry)
_marked = Counter("regulars_numbers_marked_total", "Numbers found to take no texts", ["code"], registry=registry)
_settled = Counter("regulars_settled_total", "Unknown outcomes settled", ["how"], registry=registry)
_flows = Gauge("regulars_flows", "Flows in force", registry=registry)
_flow_errors = Gauge("regulars_flow_errors", "Mistakes in the flow files now on disk", registry=registry)
_FRAMES = 8  #: of the stack, the innermost first

_fired = Counter("regulars_timers_fired_total", "Timers fired", ["kind"], registry=registry)

log = structlog.get_logger("regulars")


def configure(level: str) -> None:
    """Write logs to standard error: readable on a terminal, JSON otherwise."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_messages,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level, logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("transitions").setLevel(logging.WARNING)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def trace(error: BaseException) -> str:
    """Return what broke and where, its causes too, without what they say: `ValueError at route.py:31 < turn.py:9`."""
    parts: list[str] = []
    each: BaseException | None = error
    while each is not None and len(parts) < _FRAMES:
        frames = traceback.extract_tb(each.__traceback__)[::-1]
        ours = [frame for frame in frames if "site-packages" not in frame.filename or frame is frames[0]]
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours[:_FRAMES])
        code = getattr(each, "sqlstate", None) or getattr(each, "sqlite_errorname", None)
        parts.append(type(each).__name__ + (f" {code}" if code else "") + (f" at {where}" if where else ""))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "; from ".join(parts)


def _without_messages(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = trace(error)
    return event


def metrics() -> bytes:
    """Return all measures in Prometheus' text format."""
    return generate_latest(registry)


def refused(door: str, reason: str) -> None:
    """Count a request that was not let in."""
    _refused.labels(door, reason).inc()
    log.warning("request refused", action="refuse", door=door, reason=reason)


def received(result: str) -> None:
    """Count an inbound text by what became of it: `answered`, `repeated`, `crashed` ..., once it is committed."""
    _received.labels(result).inc()


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Count and log no turn of this thread meanwhile: it is only tried."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


def decided(decision: str, rule: str) -> None:
    """Count one decision of the router."""
    if not _quiet.get():
        _decisions.labels(decision, rule).inc()


def group_taken(size: int, seconds: float) -> None:
    """Note how many events one transaction carried and how long it took."""
    _group.observe(size)
    _group_seconds.observe(seconds)


def retaken(reason: str) -> None:
    """Count a turn that is taken again."""
    _retaken.inc()
    log.info("turn taken again", action="retake", reason=reason)


def crashed(error: str, **context: object) -> None:
    """Count and log a turn that broke; the text is kept for replay."""
    if _quiet.get():
        return
    _crashed.inc()
    log.error("turn crashed", action="crash", error=error, **context)


def broke(what: str, trouble: BaseException, **context: object) -> None:
    """Log something that could not be done at all: its kind and place, never what it says."""
    log.error(what, action="break", error=trace(trouble), **context)


def sent(result: str, **context: object) -> None:
    """Count one attempt to send an outbox message."""
    _sent.labels(result).inc()
    if result not in {"sent", "suppressed"}:
        log.warning("message not sent", action="send", result=result, **context)


def status(state: str, count: int = 1) -> None:
    """Count status callbacks."""
    _statuses.labels(state).inc(count)


def alarm(what: str, **context: object) -> None:
    """Say that somebody has to look: the carrier filters us, a setting is wrong, sending has stopped."""
    _alarms.labels(what).inc()
    log.error(what, action="alarm", **context)


def number_marked(code: str) -> None:
    """Count a customer whose number takes no texts."""
    _marked.labels(code).inc()


def settled(how: str, **context: object) -> None:
    """Count an unknown outcome that is known now: `sent`, `sent_again` or `dead`."""
    _settled.labels(how).inc()
    log.info("outcome settled", action="settle", how=how, **context)


def fired(kind: str, count: int) -> None:
    """Count timers that fired."""
    _fired.labels(kind).inc(count)


def flows_loaded(count: int, errors: Sequence[str]) -> None:
    """Note the flows in force and the mistakes that keep others out."""
    _flows.set(count)
    _flow_errors.set(len(errors))
    log.info("flows loaded", action="flows", count=count)
    for error in errors:
        log.error("flow file has a mistake; the last good revision keeps serving", action="flows", finding=error)

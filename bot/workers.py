"""The loops beside the web server. APScheduler holds ticks, never customers: what is due lives in rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from apscheduler.schedulers.background import BackgroundScheduler

from bot import telemetry
from bot.services import Services

SECONDS = {"timers": 1, "facts": 1, "deliver": 1, "flows": 2, "expire": 20, "starts": 20}


def start_ticking(shop: Services) -> BackgroundScheduler:
    """Start the ticks of one process in threads; `shutdown()` of what comes back ends them."""
    now = shop.clock.now

    jobs: dict[str, Callable[[], object]] = {
        "timers": lambda: shop.schedule.fire_timers(now()),
        "facts": lambda: shop.schedule.take_facts(now()),
        "deliver": lambda: shop.delivery.drain(now()),
        "flows": lambda: _reload(shop),
        "expire": lambda: shop.schedule.expire(now()),
        "starts": lambda: shop.schedule.start_due(now()),
    }
    scheduler = BackgroundScheduler(timezone=UTC)
    for name, job in jobs.items():
        scheduler.add_job(
            _logged(name, job),
            "interval",
            seconds=SECONDS[name],
            id=name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    return scheduler


def _reload(shop: Services) -> None:
    shop.catalog.refresh(shop.clock.now())


def _logged(name: str, job: Callable[[], object]) -> Callable[[], None]:
    """A tick that breaks is logged; the next one comes all the same."""

    def tick() -> None:
        try:
            job()
        except Exception as trouble:
            telemetry.broke("tick failed", trouble, tick=name)

    return tick

"""The composition root: settings -> database, catalog, carrier, turns, blueprints."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from bot import telemetry
from bot.broker import open_broker
from bot.carrier.chosen import carrier_of
from bot.catalog import Catalog
from bot.clock import SystemClock
from bot.console import register as register_console
from bot.delivery import Delivery, Statuses, rate_of, stopped
from bot.errors import FlowFilesInvalid
from bot.schedule import Schedule
from bot.security import protect
from bot.services import Services, services
from bot.settings import Settings, load_settings
from bot.turn import Turns
from bot.web import bird, pages, phone, webhook
from bot.web.door import LARGEST_FORM, Door
from storage import switches
from storage.database import open_engine, reading
from storage.migrate import upgrade


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application. Raises SettingsError or FlowFilesInvalid when it cannot serve."""
    settings = settings or load_settings()
    telemetry.configure(settings.log_level)
    app = _Pages("bot.web", root_path=str(Path(__file__).parent / "web"))
    app.config["MAX_CONTENT_LENGTH"] = 2 * LARGEST_FORM
    app.config["SECRET_KEY"] = settings.secret_key
    app.extensions["regulars"] = build_services(settings)
    app.register_blueprint(webhook.blueprint)
    if app.extensions["regulars"].settings.carrier == "bird":
        app.register_blueprint(bird.blueprint)
    app.add_url_rule("/healthz", view_func=_alive)
    app.add_url_rule("/readyz", view_func=_ready)
    app.add_url_rule("/metrics", view_func=_metrics)
    register_console(app, app.extensions["regulars"])
    if settings.demo:
        app.register_blueprint(pages.blueprint)
        app.register_blueprint(phone.blueprint)
    protect(app)
    return app


class _Pages(Flask):
    """Flask, but for what it writes into the log when a page breaks."""

    def log_exception(self, exc_info: Any) -> None:
        """Log the kind and the place of what broke, and neither the path nor a message: they may name a customer."""
        telemetry.broke("page broke", exc_info[1], page=request.endpoint)


def build_services(settings: Settings) -> Services:
    """Open the database (migrating it), load the flows and connect the parts."""
    if settings.sqlite:
        Path(settings.database_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    engine = open_engine(settings.database_url)
    clock = SystemClock(_kept_offset(engine) if settings.demo else timedelta(0))
    catalog = Catalog(engine, settings.flows_dir)
    try:
        catalog.refresh(clock.now())
    except FlowFilesInvalid:
        engine.dispose()
        raise
    carrier = carrier_of(settings)
    rate = rate_of(settings.sending_rate, settings.sender, settings.sending_daily_cap) if settings.live else None
    broker = open_broker(settings.broker_url)
    turns = Turns(engine, catalog, settings, broker)
    base = settings.public_url or f"http://{local_host(settings.host)}:{settings.port}"
    return Services(
        settings=settings,
        engine=engine,
        clock=clock,
        catalog=catalog,
        turns=turns,
        door=Door(settings, clock),
        statuses=Statuses(engine, catalog),
        carrier=carrier,
        delivery=Delivery(
            engine,
            catalog,
            carrier,
            base,
            rate=rate,
            concurrency=settings.sending_concurrency,
            account_concurrency=settings.account_concurrency,
        ),
        schedule=Schedule(engine, catalog, turns),
        broker=broker,
    )


def local_host(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host


def _kept_offset(engine: Engine) -> timedelta:
    with reading(engine) as conn:
        return timedelta(seconds=float(switches.get(conn, "clock_offset") or 0))


def _alive() -> Response:
    """Say that the process runs."""
    return Response("ok\n", content_type="text/plain")


def _ready() -> Response:
    """Say whether texts can be taken: the database answers and flows are in force."""
    shop = services()
    try:
        with reading(shop.engine) as conn:
            conn.execute(text("select 1"))
            silent = stopped(conn)
        count = len(shop.catalog.book.flows)
    except SQLAlchemyError as trouble:
        return Response(f"database: {type(trouble).__name__}\n", 503, content_type="text/plain")
    # Texts are taken all the same, so this is no reason to send them elsewhere.
    notes = [f"sending stopped for {name}: {why['code']} {why['reason']}\n" for name, why in sorted(silent.items())]
    return Response(f"ok, {count} flows\n" + "".join(notes), content_type="text/plain")


def _metrics() -> Response:
    """Give Prometheus its measures."""
    return Response(telemetry.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

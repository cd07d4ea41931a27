"""How Alembic reaches the database: on a connection handed over by `storage.migrate`, else by DATABASE_URL."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import context
from sqlalchemy import Connection

from storage.database import normal_url, open_engine, writing
from storage.migrate import metadata
from storage.shelves import is_declared


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        include_object=is_declared,
        transactional_ddl=True,
    )
    context.run_migrations()


def _run() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("DATABASE_URL")
    chosen = normal_url(url or context.config.get_main_option("sqlalchemy.url") or "")
    if chosen.get_backend_name() == "sqlite":
        Path(chosen.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(chosen.render_as_string(hide_password=False))
    with writing(engine) as connection:
        _migrate(connection)
    engine.dispose()


_run()

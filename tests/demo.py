"""The demo's year for tests: played once in a run for all that only look at it, as playing takes long."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bot.catalog import Catalog
from bot.demo import seed
from bot.settings import ROOT, Settings
from storage import migrate
from storage.database import open_engine


def play_year(path: Path, now: datetime) -> Engine:
    """Return a new database with the demo's year until `now`, played through the real turns."""
    url = f"sqlite:///{path}"
    migrate.upgrade(url)
    engine = open_engine(url)
    catalog = Catalog(engine, ROOT / "flows")
    catalog.load(now)
    settings = Settings(database_url=url, secret_key="test", auth_tokens=("t",), demo=True)
    assert seed(engine, catalog, settings, now)
    assert not seed(engine, catalog, settings, now), "the second time nothing happens"
    return engine


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the demo's year until today, to be copied. The first worker process of a run makes it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all worker processes
    path = folder / "demo.db"
    with (folder / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            play_year(path.with_suffix(".new"), datetime.now(UTC)).dispose()
            path.with_suffix(".new").rename(path)
    return path

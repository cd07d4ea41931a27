"""One stage for all transcripts, and what they went through together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.catalog import Catalog
from bot.settings import Settings
from bot.transcripts import Coverage, Stage
from bot.transcripts.stage import SECRET, SHOP
from storage import migrate
from storage.database import open_engine
from tests.databases import Server

from .summary import keep_report

FLOWS = Path(os.environ.get("FLOWS_DIR") or Path(__file__).parents[2] / "flows")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A database with the shipped flows, copied for each transcript."""
    stage = Stage(FLOWS, tmp_path_factory.mktemp("stage"))
    yield stage
    stage.engine.dispose()


class PostgresStage(Stage):
    """The same stage on PostgreSQL: one database, emptied for each transcript."""

    def __init__(self, flows: Path, server: Server) -> None:
        self._server = server
        self._database = server.create()
        url = server.url_of(self._database)
        self.settings = Settings(database_url=url, secret_key=SECRET, auth_tokens=("t",), sender=SHOP, flows_dir=flows)
        migrate.upgrade(url)
        self.engine = open_engine(url)
        self.catalog = Catalog(self.engine, flows)
        self.book = self.catalog.load(datetime(2026, 1, 1, tzinfo=UTC))

    def _reset(self) -> None:
        self._server.empty(self._database)

    def close(self) -> None:
        self.engine.dispose()
        self._server.drop(self._database)


@pytest.fixture(scope="session")
def postgres_stage(postgres_server: Server) -> Iterator[PostgresStage]:
    """A PostgreSQL database with the shipped flows."""
    stage = PostgresStage(FLOWS, postgres_server)
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def coverage(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Coverage]:
    """What all transcripts together went through."""
    coverage = Coverage(stage.book.flows)
    yield coverage
    some = request.config.getoption("keyword") or any("::" in name for name in request.config.args)
    if not some:  # of a few transcripts the report would only say what nobody asked
        keep_report(request.config, coverage.report())

"""What every test may use."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.databases import (
    _postgres_database,
    _sqlite_file,
    bare_database_url,
    database_url,
    engine,
    postgres_server,
)
from tests.demo import demo_file
from tests.journeys.summary import pytest_terminal_summary, pytest_testnodedown
from tests.order import pytest_collection_modifyitems, pytest_configure

__all__ = [
    "_postgres_database",
    "_sqlite_file",
    "bare_database_url",
    "database_url",
    "demo_file",
    "engine",
    "postgres_server",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

# Machines that run tests are shared: a slow example is no finding.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

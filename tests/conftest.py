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
from tests.journeys.summary import pytest_terminal_summary, pytest_testnodedown

__all__ = [
    "_postgres_database",
    "_sqlite_file",
    "bare_database_url",
    "database_url",
    "engine",
    "postgres_server",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

# Machines that run tests are shared: a slow example is no finding.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

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

__all__ = ["_postgres_database", "_sqlite_file", "bare_database_url", "database_url", "engine", "postgres_server"]

# Machines that run tests are shared: a slow example is no finding.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

"""Every test of the web runs against the whole application, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shop import Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A real shop at noon."""
    with open_shop(database_url) as opened:
        yield opened

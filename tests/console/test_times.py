"""Times and days as each language writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import g

from bot.console.conversation import exact_in
from bot.console.page import ago, day, exact
from tests.shop import Shop

_MOMENT = datetime(2026, 11, 28, 15, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "whole", "only_day", "there"),
    [
        ("en", "Sat, Nov 28, 2026, 10:02 AM", "Sat, Nov 28, 2026", "Sat, Nov 28, 10:02 AM (New York)"),
        ("es", "sáb, 28 de nov de 2026, 10:02 a.m.", "sáb, 28 de nov de 2026", "sáb, 28 de nov, 10:02 a.m. (New York)"),
    ],
)
def test_a_day_stands_as_its_language_writes_it(
    shop: Shop, language: str, whole: str, only_day: str, there: str
) -> None:
    """The order and the little words are the language's own."""
    with shop.app.test_request_context():
        g.language = language
        found = exact(_MOMENT), day(_MOMENT), exact_in(_MOMENT, ZoneInfo("America/New_York"))
        assert found == (whole, only_day, there)


@pytest.mark.parametrize(
    ("seconds", "said"), [(40, "just now"), (63, "1 minute ago"), (200, "3 minutes ago"), (7_300, "2 hours ago")]
)
def test_nobody_counts_seconds(shop: Shop, seconds: int, said: str) -> None:
    """What is longer ago than a minute is told in minutes at least."""
    with shop.app.test_request_context():
        assert f">{said}<" in f">{ago(shop.clock.now() - timedelta(seconds=seconds))}<".replace("</time>", "")

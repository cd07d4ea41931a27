"""Long files come first, so that at the end of a run no worker process is left alone with one of them."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.settings import ROOT

#: What takes longer than its number of tests lets expect: every transcript twice, browsers, whole servers, whole years.
_LONG = ("tests/journeys/test_transcripts.py", "tests/browser", "tests/cli/test_cli_serve.py", "tests/cli/test_demo.py")


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist, where it is used, keep our order."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files in front, then those with the most tests. The order inside of a file stays."""
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (_rank(item), -tests[item.path]))


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, long in enumerate(_LONG) if item.path.is_relative_to(ROOT / long)), len(_LONG))

"""Long files come first."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bot.settings import ROOT
from tests import order


@pytest.mark.parametrize("long", order._LONG)
def test_what_is_called_long_is_there(long: str) -> None:
    """A file that was renamed keeps its place."""
    assert (ROOT / long).exists()


def test_long_files_come_before_those_with_many_tests(request: pytest.FixtureRequest) -> None:
    """And the tests of one file stay together."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    again = list(reversed(items))
    order.pytest_collection_modifyitems(again)
    files = [item.path for item in again]
    assert [order._rank(item) for item in again] == sorted(order._rank(item) for item in again)
    assert sum(here != there for here, there in pairwise(files)) == len(set(files)) - 1

"""The coverage of the flows, carried from wherever the transcripts were played to the end of the run."""

from __future__ import annotations

from typing import Any

import pytest

_REPORT = pytest.StashKey[str]()
_NAME = "flow_coverage"


def keep_report(config: pytest.Config, report: str) -> None:
    """Keep the report for the end of the run; a worker process of pytest-xdist hands it to its controller."""
    output = getattr(config, "workeroutput", None)
    if output is None:
        config.stash[_REPORT] = report
    else:
        output[_NAME] = report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the report of a worker process that has ended."""
    if report := getattr(node, "workeroutput", {}).get(_NAME):
        node.config.stash[_REPORT] = report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the coverage of the flows."""
    if report := config.stash.get(_REPORT, ""):
        terminalreporter.section("flows: states and arrows the transcripts went through")
        terminalreporter.write_line(report)

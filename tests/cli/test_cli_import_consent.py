"""Consent that ends: what a purchase or an inquiry implies in Canada, and ends that are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import customers
from storage.database import reading
from storage.rows import Row
from tests.cli.conftest import Run

HEADER = "phone,consent,consent_wording,consent_at,consent_basis,consent_expires\n"
TORONTO, BOSTON = "+14165550123", "+16175550123"
TODAY = datetime.now(UTC)


def _day(days_ago: int) -> str:
    return (TODAY - timedelta(days=days_ago)).date().isoformat()


def _imported(run: Run, engine: Engine, tmp_path: Path, phone: str, rest: str) -> tuple[Row, str]:
    path = tmp_path / "customers.csv"
    path.write_text(f"{HEADER}{phone},{rest}\n", encoding="utf-8")
    done = run("customers", "import", str(path))
    assert done.exit_code == 0, done.output
    with reading(engine) as conn:
        row = customers.by_phone(conn, phone)
    assert row is not None
    return row, done.output


@pytest.mark.parametrize(("basis", "days"), [("purchase", 731), ("inquiry", 184)])
def test_what_is_implied_in_canada_ends(run: Run, engine: Engine, tmp_path: Path, basis: str, days: int) -> None:
    """Two years after a purchase, six months after an inquiry, counted from their date."""
    row, _ = _imported(run, engine, tmp_path, TORONTO, f"subscribed,,{_day(30)},{basis},")
    assert row["consent"] == "subscribed"
    ends = row["consent_expires_at"]
    assert timedelta(days=days - 35) < ends - TODAY < timedelta(days=days - 28)


def test_an_end_that_is_given_may_only_be_earlier(run: Run, engine: Engine, tmp_path: Path) -> None:
    """The law's two years cannot be stretched by the file."""
    row, _ = _imported(run, engine, tmp_path, TORONTO, f"subscribed,,{_day(30)},purchase,2099-01-01")
    assert row["consent_expires_at"] < TODAY + timedelta(days=731)


def test_an_express_consent_may_end_too(run: Run, engine: Engine, tmp_path: Path) -> None:
    """What was agreed to for a season ends with it; without an end it does not."""
    row, _ = _imported(run, engine, tmp_path, BOSTON, f"subscribed,join,{_day(30)},,{_day(-90)}")
    assert row["consent_expires_at"].date().isoformat() in (_day(-90), _day(-91))
    row, _ = _imported(run, engine, tmp_path, TORONTO, f"subscribed,join,{_day(30)},express,")
    assert (row["consent"], row["consent_expires_at"]) == ("subscribed", None)


@pytest.mark.parametrize(
    ("phone", "rest", "why"),
    [
        (BOSTON, f"subscribed,,{_day(30)},purchase,", "Canadian numbers only"),
        (TORONTO, f"subscribed,,{_day(1_000)},purchase,", "it ended on"),
        (TORONTO, "subscribed,,,inquiry,", "the date of the inquiry is missing"),
        (BOSTON, f"subscribed,join,{_day(30)},,{_day(1)}", "it ended on"),
    ],
)
def test_what_is_no_consent_is_remarked(
    run: Run, engine: Engine, tmp_path: Path, phone: str, rest: str, why: str
) -> None:
    """The customer comes in, without consent, and the reason is said."""
    row, said = _imported(run, engine, tmp_path, phone, rest)
    assert row["consent"] == "none"
    assert why in said


def test_a_basis_nobody_knows_is_refused(run: Run, tmp_path: Path) -> None:
    """A slip of the pen does not become a consent."""
    path = tmp_path / "customers.csv"
    path.write_text(f"{HEADER}{TORONTO},subscribed,,{_day(3)},purchases,\n", encoding="utf-8")
    done = run("customers", "import", str(path))
    assert done.exit_code == 1
    assert "consent_basis is express" in done.output

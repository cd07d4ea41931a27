"""Reports: one question for each chart, the answer in words above it, the table under it, CSV beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache

from babel.dates import format_date
from flask import Blueprint, abort, request
from flask import Response as Answer
from werkzeug.wrappers import Response

from bot.catalog import Book
from bot.console import charts, session
from bot.console.language import _, language
from bot.console.page import FORMS, number, page, zone
from bot.console.report_words import heading, part_in_words, sentences
from bot.desk import reports
from bot.desk.actor import note
from bot.desk.reports import Days, Report
from bot.desk.spreadsheet import lines
from bot.services import services
from storage.database import reading, writing
from storage.tallies import WAITS

blueprint = Blueprint("reports", __name__, url_prefix="/reports")
_DAILY = 92  #: a longer range has a bar for each week
_ROWS = 12  #: parts shown on the page; CSV has all


@blueprint.get("")
def show() -> Response:
    """Show all reports for a range of days."""
    shop = services()
    days, book = _days(), shop.catalog.book
    with reading(shop.engine) as conn:
        found = [_shown(each, book) for each in reports.read(conn, days, *reports.NAMES)]
        held = reports.outstanding(conn, days)
    owed = {"now": held[days.last], "before": held[days.first], "chart": _drawn(days, held, last=True)}
    return page("reports.html", reports=found, days=days, owed=owed, chosen=request.args)


@blueprint.get("/<name>.csv")
def download(name: str) -> Response:
    """Give one report as CSV: a row for each day and part."""
    if name not in reports.NAMES:
        abort(404)
    shop, days = services(), _days()
    with writing(shop.engine) as conn:
        (found,) = reports.read(conn, days, name)
        note(conn, session.actor(), "report.downloaded", shop.clock.now(), report=name)
    answer = Answer("".join(lines(_rows(found))), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}-{days.first}-{days.last}.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _rows(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("day", report.name, "count")
    for day in report.days:
        for part in report.parts:
            if value := report.by_day.get((day, part), 0):
                yield (day.isoformat(), part, value)


def _shown(report: Report, book: Book) -> dict[str, object]:
    """Return a report as the template needs it."""
    most = max((abs(value) for value in report.totals.values()), default=0)
    by_day = report.by_days
    parts = [
        {
            "words": part_in_words(report.name, part, book),
            "value": report.totals[part],
            "share": charts.share(abs(report.totals[part]), most),
        }
        for part in _in_order(report)
    ]
    return {
        "name": report.name,
        "heading": heading(report.name),
        "sentences": sentences(report),
        "chart": _drawn(report.days, by_day) if report.total else None,
        "parts": parts,
        "rest": max(0, len(report.parts) - _ROWS),
        "table": [(words, value) for _short, words, value in _steps(report.days, by_day) if value],
        "weekly": report.days.count > _DAILY,
    }


def _in_order(report: Report) -> Sequence[str]:
    """Return the parts shown, the largest first; spans of waiting from the shortest."""
    if report.name == "waited":
        spans = [*map(str, WAITS), "more", "never"]
        return sorted(report.parts, key=spans.index)
    return report.parts[:_ROWS]


def _drawn(days: Days, values: Mapping[date, int], *, last: bool = False) -> charts.Chart:
    """Return bars by day, of long ranges by week: the sum of its days, or with `last` what its last day says."""
    bars = [(label, f"{words}: {number(value)}", value) for label, words, value in _steps(days, values, last=last)]
    return charts.by_day(bars)


def _steps(days: Days, values: Mapping[date, int], *, last: bool = False) -> Iterator[tuple[str, str, int]]:
    """Give each day, of a long range each week, as a short label, in words, and with its number."""
    step = 1 if days.count <= _DAILY else 7
    order = list(days)
    for start in range(0, len(order), step):
        week = order[start : start + step]
        value = values[week[-1]] if last else sum(values[day] for day in week)
        words = _long(week[0]) if step == 1 else _("Week of {day}", day=_long(week[0]))
        yield _short(week[0]), words, value


def _days() -> Days:
    now: datetime = services().clock.now()
    today = now.astimezone(zone()).date()
    given = request.args
    return reports.days_of(given.get("days", ""), given.get("from", ""), given.get("to", ""), today)


def _short(day: date) -> str:
    return _formatted(day, {"en": "MMM d"}.get(language(), "d MMM"), language())


def _long(day: date) -> str:
    return _formatted(day, {"en": "EEE, MMM d, y"}.get(language(), "EEE, d MMM y"), language())


@lru_cache(2_000)  # each day stands in every report
def _formatted(day: date, form: str, spoken: str) -> str:
    return str(format_date(day, form, locale=FORMS[spoken]))

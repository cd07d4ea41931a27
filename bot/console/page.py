"""What every page of the console uses: the frame, messages after an action, times and numbers in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_skeleton, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal
from flask import Flask, flash, g, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import LANGUAGES, _, _n, language
from bot.desk.actor import NotPossible
from bot.phone import display
from bot.services import services

FORMS = {"en": Locale.parse("en_US"), "es": Locale.parse("es_US")}


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page from `templates/console/`, never kept by a cache."""
    answer = make_response(render_template(f"console/{template}", **values), status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def say(message: str, kind: str = "good", undo: str | None = None, place: str | None = None) -> None:
    """Show a sentence on the next page: `good`, `warn` or `bad`; `undo` is the address a button posts to.

    `place` is the card it stands in, for pages that open there and not at their top.
    """
    flash({"text": message, "undo": undo, "place": place}, kind)  # type: ignore[arg-type]


def excuse(trouble: NotPossible) -> str:
    """Return why something cannot be done, in the page's language."""
    return _(trouble.message, **trouble.values)


def back(endpoint: str, **values: Any) -> Response:
    """Go to a page after an action (303, so that going back does not repeat it)."""
    return redirect(url_for(f"console.{endpoint}", **values), 303)


def zone() -> ZoneInfo:
    """Return the shop's zone; every time on every page is told in it."""
    return ZoneInfo(services().catalog.book.programme.shop.zone)


def exact(moment: datetime) -> str:
    """Return a moment in full: "Tue, Nov 3, 2026, 10:02 AM"."""
    return f"{day(moment)}, {clock(moment)}"


def clock(moment: datetime) -> str:
    """Return the time of day: "10:02 AM"."""
    return _spaces(format_time(moment, "short", tzinfo=zone(), locale=FORMS[language()]))


def day(moment: datetime) -> str:
    """Return the day: "Tue, Nov 3, 2026"."""
    return _spaces(format_skeleton("yMMMEd", moment, tzinfo=zone(), locale=FORMS[language()]))


def ago(moment: datetime | None) -> Markup | str:
    """Return a moment as people tell it, "2 minutes ago", with the exact one on hover."""
    if moment is None:
        return "–"
    now = services().clock.now()
    if abs(moment - now) < timedelta(minutes=1):
        words = _("just now") if moment <= now else _("in a moment")
    elif abs(moment - now) < timedelta(days=7):
        form = FORMS[language()]
        words = format_timedelta(moment - now, granularity="minute", threshold=1.2, add_direction=True, locale=form)
    else:
        words = day(moment)
    iso = moment.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, exact(moment), _spaces(words))


def number(value: int | float) -> str:
    """Return a number with its separators: "1,200"."""
    return _number(value, language())


@lru_cache(10_000)  # babel takes longer for one than a query does, and a report has thousands
def _number(value: int | float, spoken: str) -> str:
    return str(format_decimal(value, locale=FORMS[spoken]))


def money(minor: int, currency: str = "USD") -> str:
    """Return an amount given in minor units: 450 → "$4.50"."""
    return _spaces(format_currency(minor / 100, currency, locale=FORMS[language()]))


def phone(e164: str) -> str:
    """Return a customer's number as people of the shop's country write it."""
    return display(e164, services().catalog.book.programme.shop.country)


def masked(e164: str) -> str:
    """Return a number that a colleague recognises and a passer-by does not: "+120 ••• 44"."""
    return f"{e164[:4]} ••• {e164[-2:]}" if len(e164) > 8 else "•••"


def _spaces(words: str) -> str:
    return words.replace("\u202f", " ").replace("\xa0", " ")


def furnish(app: Flask) -> None:
    """Give the templates their words, and errors their pages."""
    app.jinja_env.globals.update(
        _=_,
        _n=_n,
        can=session.can,
        member=lambda: g.get("member"),
        language=language,
        languages=LANGUAGES,
        shop_zone=lambda: services().catalog.book.programme.shop.zone,
        shop_name=lambda: services().catalog.book.programme.shop.name,
        demo=lambda: services().settings.demo,
    )
    app.jinja_env.filters.update(
        ago=ago, exact=exact, clock=clock, day=day, number=number, money=money, phone=phone, masked=masked
    )


def sorry(trouble: HTTPException) -> Response:
    """Show what went wrong, what was kept and what to do; a script gets the words alone."""
    code = trouble.code or 500
    title, words = _WORDS.get(code, _WORDS[500])()
    if session.wants_fragment():
        return _plain(words, code)
    return page("error.html", code, title=title, words=words, code=code)


def refuse(trouble: NotPossible) -> Response:
    """Answer an action that cannot be done: a script gets the words, a browser goes back and sees them."""
    words = excuse(trouble)
    if session.wants_fragment():
        return _plain(words, 409)
    if request.method == "GET":
        return page("error.html", 409, title=_("That cannot be done"), words=words, code=409)
    say(words, "bad")
    site = request.referrer if request.referrer and request.referrer.startswith(request.host_url) else None
    return redirect(site or url_for("console.home.home"), 303)


def _plain(words: str, code: int) -> Response:
    answer = make_response(words, code)
    answer.content_type = "text/plain; charset=utf-8"
    answer.headers["Cache-Control"] = "no-store"
    return answer


_WORDS = {
    400: lambda: (
        _("That did not work"),
        _("The page was open too long or the form was not complete. Nothing was changed. Load the page again."),
    ),
    401: lambda: (_("Please sign in"), _("You are not signed in any more. Nothing was changed.")),
    403: lambda: (_("Not for your role"), _("Your role may not do this. An administrator can change your role.")),
    404: lambda: (
        _("There is nothing here"),
        _("The page was moved or never was. Search finds customers and texts."),
    ),
    405: lambda: (_("That did not work"), _("This address does not take that. Nothing was changed.")),
    413: lambda: (_("That is too large"), _("What you sent is too large. Nothing was changed.")),
    500: lambda: (
        _("Something broke on our side"),
        _("Nothing was half done. Try again; if it stays, tell who runs the server: the log has the details."),
    ),
}

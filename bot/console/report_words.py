"""The reports in words: the question, the answer, and what each part is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.catalog import Book
from bot.console.language import _, _n
from bot.console.page import number
from bot.delivery import codes
from bot.desk.reports import Name, Report
from storage.tallies import WAITS


def heading(name: Name) -> str:
    """Return the question a report answers."""
    return {
        "joined": lambda: _("Who joined?"),
        "left": lambda: _("Who left?"),
        "left_after": lambda: _("What did they get before they left?"),
        "active": lambda: _("How many people wrote to us?"),
        "solved": lambda: _("Did the bot manage without a person?"),
        "misunderstood": lambda: _("What did the bot not understand?"),
        "delivery": lambda: _("Did our texts arrive?"),
        "errors": lambda: _("Why did texts not arrive?"),
        "redeemed": lambda: _("What did people redeem?"),
        "points": lambda: _("How did points move?"),
        "waited": lambda: _("How long did people wait for a person?"),
    }[name]()


def sentences(report: Report) -> list[str]:
    """Return the answer in words; the first sentence is the answer, the second compares."""
    said = [_ANSWERS[report.name](report)]
    change = report.change_percent
    if change is None or not report.total:
        return said
    days = number(report.days.count)
    if change > 0:
        said.append(_("That is {percent} % more than in the {days} days before.", percent=number(change), days=days))
    elif change < 0:
        said.append(_("That is {percent} % less than in the {days} days before.", percent=number(-change), days=days))
    else:
        said.append(_("That is as many as in the {days} days before.", days=days))
    return said


def _solved(report: Report) -> str:
    alone = report.totals.get("alone", 0)
    if not report.total:
        return _("Nobody wrote.")
    percent = number(round(100 * alone / report.total))
    return _("Yes, for {percent} % of the people who wrote; the others asked for a person or were answered by one.",
             percent=percent)  # fmt: skip


def _delivered(report: Report) -> str:
    settled = sum(report.totals.get(state, 0) for state in ("delivered", "undelivered", "failed", "dead"))
    if not settled:
        return _("Nothing is known of any text yet.")
    percent = number(round(1000 * report.totals.get("delivered", 0) / settled) / 10)
    return _("{percent} % of the texts whose fate is known arrived.", percent=percent)


def _errors(report: Report) -> str:
    if not report.parts:
        return _("Every text arrived, as far as carriers tell.")
    return _("Most often: {reason}", reason=_(codes.in_words(report.parts[0])))


def _points(report: Report) -> str:
    earned, spent = report.totals.get("earn", 0), -report.totals.get("burn", 0)
    return _("{earned} points were earned and {spent} spent.", earned=number(earned), spent=number(spent))


def _waited(report: Report) -> str:
    answered = {part: value for part, value in report.totals.items() if part != "never"}
    total = sum(answered.values())
    if not total:
        return _("Nobody was answered by a person.")
    seen = 0
    for most in WAITS:
        seen += answered.get(str(most), 0)
        if 2 * seen >= total:
            return _("Half of them were answered within {minutes} minutes.", minutes=number(most))
    return _("Half of them waited more than a day.")


_ANSWERS: Mapping[Name, Callable[[Report], str]] = {
    "joined": lambda r: _n("{count} person joined.", "{count} people joined.", r.total),
    "left": lambda r: _n("{count} person left.", "{count} people left.", r.total),
    "left_after": lambda r: _n(
        "{count} of them had marketing within two days before.",
        "{count} of them had marketing within two days before.",
        r.total - r.totals.get("", 0),
    ),
    "active": lambda r: _n(
        "{count} conversation, counting each person once a day.",
        "{count} conversations, counting each person once a day.",
        r.total,
    ),
    "solved": _solved,
    "misunderstood": lambda r: _n("{count} text was not understood.", "{count} texts were not understood.", r.total),
    "delivery": _delivered,
    "errors": _errors,
    "redeemed": lambda r: _n("{count} voucher was redeemed.", "{count} vouchers were redeemed.", r.total),
    "points": _points,
    "waited": _waited,
}


def part_in_words(name: Name, part: str, book: Book) -> str:
    """Return what a part of a report is called; the names of flows and rewards are the shop's own."""
    if name in ("joined", "left"):
        return _hows().get(part, part)
    if name == "left_after":
        flow = book.flows.get(part)
        return flow.title if flow is not None else part or _("Nothing from us within two days")
    if name == "errors":
        return f"{part}: {_(codes.in_words(part))}"
    if name == "redeemed":
        reward = next((each for each in book.programme.rewards if each.key == part), None)
        return reward.names.get("en", part) if reward is not None else part
    if name == "waited":
        return _wait(part)
    return _others().get(part, part)


def _wait(part: str) -> str:
    if part == "never":
        return _("Not answered by a person")
    if part == "more":
        return _("More than a day")
    return _("Within {minutes} minutes", minutes=number(int(part)))


def _hows() -> Mapping[str, str]:
    return {
        "keyword": _("By texting us"),
        "form": _("By a form"),
        "import": _("By import"),
        "staff": _("Through staff"),
        "carrier": _("Told by the carrier"),
    }


def _others() -> Mapping[str, str]:
    return {
        "": _("All"),
        "alone": _("By the bot alone"),
        "person": _("With a person"),
        "queued": _("Waiting"),
        "sending": _("With the carrier"),
        "sent": _("Sent, delivery not confirmed"),
        "delivered": _("Delivered"),
        "undelivered": _("Not delivered"),
        "failed": _("Failed"),
        "suppressed": _("Held back by the rules"),
        "unknown": _("Perhaps sent"),
        "dead": _("Given up"),
        "earn": _("Earned"),
        "burn": _("Spent"),
        "adjust": _("Adjusted"),
        "expire": _("Expired"),
        "reverse": _("Taken back"),
    }

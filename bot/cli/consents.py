"""The consent in a line of an imported file: what proves it, and when it ends."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bot.engine.programme import Programme
from bot.places import region_of
from storage.rows import Row

CONSENTS = frozenset({"", "none", "subscribed", "unsubscribed", "pending"})
#: Implied consent of Canada's anti-spam law lasts so many months from the purchase or the inquiry; an end that is
#: given may only be earlier. Source: S.C. 2010, c. 23, section 10(10)(a) and (e).
IMPLIED = {"purchase": 24, "inquiry": 6}


class Refused(Exception):
    """A line that cannot be imported; the message says why."""


class NoConsent(Exception):
    """What a line calls consent is none; the message says why."""


def consent_of(
    cells: Mapping[str, str], phone: str, language: str, programme: Programme, source: str, now: datetime
) -> Row | None:
    """Return the consent record of a line, without the customer; None when it says nothing about consent.

    An opt-out needs no proof; a consent without proof is none. Raises Refused and NoConsent.
    """
    status = cells.get("consent", "").lower()
    if status not in CONSENTS:
        raise Refused(f"consent is subscribed, unsubscribed or none, not {status!r}")
    zone = ZoneInfo(programme.shop.zone)
    at, ends = _moment("consent_at", cells, zone), _moment("consent_expires", cells, zone)
    if at is not None and at > now:
        raise Refused(f"consent_at {cells['consent_at']!r} lies in the future")
    if status in ("", "none"):
        return None
    record = {"status": status, "how": "import", "language": language, "reason": source}
    if status == "unsubscribed":
        return {**record, "at": at or now}
    if status == "pending":
        raise NoConsent("pending is asked again by JOIN")
    basis = cells.get("consent_basis", "").lower()
    if basis in IMPLIED:
        proof, ends = _implied(basis, phone, at, ends)
    elif basis in ("", "express"):
        proof = _express(cells.get("consent_wording", ""), language, programme)
    else:
        raise Refused(f"consent_basis is express, {' or '.join(IMPLIED)}, not {basis!r}")
    if at is None or not proof:
        raise NoConsent("subscribed without its wording and date is none")
    if ends is not None and ends <= now:
        raise NoConsent(f"it ended on {ends.astimezone(zone):%Y-%m-%d}")
    return {**record, **proof, "at": at, "expires_at": ends}


def _express(wording: str, language: str, programme: Programme) -> Row:
    """Return what they agreed to: one of the shop's wordings by its name, or the words themselves."""
    known = programme.wordings.get(wording)
    if known is None:
        return {"wording": None, "version": None, "text": wording} if wording else {}
    text = known.texts.get(language, known.texts["en"])
    return {"wording": known.name, "version": known.version, "text": text}


def _implied(basis: str, phone: str, at: datetime | None, ends: datetime | None) -> tuple[Row, datetime | None]:
    """Return what a purchase or an inquiry proves, and until when. Only Canada's law knows such a consent."""
    if (region_of(phone) or "").partition("-")[0] != "CA":
        raise NoConsent("consent implied by a purchase or an inquiry counts for Canadian numbers only")
    if at is None:
        raise NoConsent(f"the date of the {basis} is missing")
    latest = _months_later(at, IMPLIED[basis])
    proof = {"wording": None, "version": None, "text": f"Implied by the {basis} of {at:%Y-%m-%d} (CASL 10(10))"}
    return proof, latest if ends is None else min(ends, latest)


def _months_later(at: datetime, months: int) -> datetime:
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def _moment(name: str, cells: Mapping[str, str], zone: ZoneInfo) -> datetime | None:
    if not (text := cells.get(name, "")):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{name} must look like 2025-03-14 or 2025-03-14T10:30, not {text!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)

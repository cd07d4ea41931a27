"""What happened between texts, each thing as one sentence: points, vouchers, consent, people who took over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.desk.fates import Tone
from bot.desk.said import Money, Said
from storage.rows import Row
from storage.timeline import Found


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a timeline."""

    key: str
    kind: str
    at: datetime
    words: Said
    tone: Tone = ""
    detail: str | None = None  #: somebody's own words: a note, a reason
    by: str | None = None  #: who of the staff did it


Names = Mapping[int, str]
_ENTRIES: Mapping[str, Said] = {
    "earn": Said("{points} points earned"),
    "burn": Said("{points} points spent"),
    "adjust": Said("{points} points by hand"),
    "expire": Said("{points} points expired"),
    "reverse": Said("{points} points, an entry taken back"),
}
_CONSENT: Mapping[str, tuple[Said, Tone]] = {
    "pending": (Said("Asked to join; not confirmed yet"), "warn"),
    "subscribed": (Said("Agreed to marketing texts"), "good"),
    "unsubscribed": (Said("Opted out"), "bad"),
}
HOW: Mapping[str, Said] = {
    "keyword": Said("by text"),
    "form": Said("by a form"),
    "import": Said("by an import"),
    "staff": Said("by the staff"),
    "carrier": Said("told by the carrier"),
}
_VOUCHERS: Mapping[str, Said] = {
    "issued": Said("open"),
    "redeemed": Said("used"),
    "revoked": Said("taken back"),
    "expired": Said("run out"),
}
_BACK: Mapping[str, Said] = {
    "resume": Said("{name} handed back; the bot goes on where it was"),
    "ask_again": Said("{name} handed back; the bot asked its question again"),
    "end": Said("{name} handed back and ended the conversation"),
    "ran_out": Said("The time of {name} ran out; the bot is back"),
    "taken_over": Said("A colleague took the conversation from {name}"),
}


def happening(found: Found, names: Names) -> Happening:
    """Return something that is no text in words; `names` are those of the staff."""
    words, tone, detail, by = _SAYS[found.kind](found.row, names)
    return Happening(f"{found.kind}-{found.row['id']}", found.kind, found.at, words, tone, detail, by)


_Says = tuple[Said, Tone, str | None, str | None]


def who(label: object, names: Names) -> str | None:
    """Return the name behind a label of the books: a staff id, else the words as they stand."""
    text = str(label) if label is not None else ""
    return names.get(int(text), text) if text.isdigit() else text or None


def _fact(row: Row, names: Names) -> _Says:
    data: Mapping[str, Any] = row["data"] or {}
    if row["name"] == "purchase_recorded":
        amount = data.get("amount_minor")
        if isinstance(amount, int):
            return Said("Bought something for {amount}", {"amount": Money(amount)}), "", None, None
        return Said("Bought something"), "", None, None
    return Said("Event: {name}", {"name": str(row["name"]).replace("_", " ")}), "", None, None


def _entry(row: Row, names: Names) -> _Says:
    words = _ENTRIES[row["kind"]]
    points = f"{row['points']:+,}".replace("-", "\N{MINUS SIGN}")
    detail = str(row["reason"]).replace("_", " ") or None
    return Said(words.message, {"points": points}), "", detail, who(row.get("staff_id"), names)


def _issued(row: Row, names: Names) -> _Says:
    values = {"name": row["name"], "code": row["code"], "fate": _VOUCHERS[row["status"]]}
    words = Said("Voucher {name} ({code}), now {fate}", values)
    return words, "", row["reason"], who(row.get("staff_id"), names)


def _redeemed(row: Row, names: Names) -> _Says:
    values = {"name": row["name"], "code": row["code"]}
    return Said("Used the voucher {name} ({code})", values), "good", None, who(row["redeemed_by"], names)


def _consent(row: Row, names: Names) -> _Says:
    words, tone = _CONSENT[row["status"]]
    values = {"what": words, "how": HOW[row["how"]], "version": row["version"]}
    said = Said("{what}, {how}, wording {version}", values) if row["version"] else Said("{what}, {how}", values)
    return said, tone, row["reason"], None


def _asked(row: Row, names: Names) -> _Says:
    return Said("Waits for a person"), "warn", str(row["reason"]).replace("_", " "), None


def _answered(row: Row, names: Names) -> _Says:
    return Said("Does not wait for a person any more"), "", row.get("closed_why"), who(row["closed_by"], names)


def _taken(row: Row, names: Names) -> _Says:
    name = who(row["staff_id"], names)
    return Said("{name} took over; the bot is silent", {"name": name}), "warn", row.get("reason"), None


def _back(row: Row, names: Names) -> _Says:
    words = _BACK.get(row["how"]) or Said("{name} handed back")
    return Said(words.message, {"name": who(row["staff_id"], names)}), "", None, None


def _note(row: Row, names: Names) -> _Says:
    return Said("Note"), "", row["body"], who(row["staff_id"], names)


def _profile(row: Row, names: Names) -> _Says:
    values = {"field": str(row["field"]).rpartition(".")[2].replace("_", " ")}
    by = None if row["by"] in ("customer", "bot", "import") else who(row["by"], names)
    detail = f"{_plain(row['before'])} → {_plain(row['after'])}"
    return Said("{field} changed", values), "", detail, by


def _plain(value: Any) -> str:
    if value in (None, "", []):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


_SAYS: Mapping[str, Callable[[Row, Names], _Says]] = {
    "fact": _fact,
    "entry": _entry,
    "voucher_issued": _issued,
    "voucher_redeemed": _redeemed,
    "consent": _consent,
    "person_asked": _asked,
    "person_answered": _answered,
    "taken_over": _taken,
    "handed_back": _back,
    "note": _note,
    "profile_changed": _profile,
}

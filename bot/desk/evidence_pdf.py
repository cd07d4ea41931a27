"""The reading copy of an evidence file: the same entries and digests on paper, with the signed file attached.

Only the fonts every PDF reader has are used, so nothing depends on fonts of a machine. They cover English and
Spanish; a character they lack, and any that cannot be seen, stands as its code point, such as <U+1F600>.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos

from bot.desk.evidence_file import Entry, Verdict, attachment_name, verify

_ENCODING = "cp1252"
_LETTER = frozenset({"US", "CA", "MX"})  # where paper is 8.5 x 11 inches
_LINE, _SMALL = 5.0, 4.2  # mm
_ROOM = 0.86  # of a line is used: where a reader lacks Helvetica, the font in its place may be wider
_INK, _FAINT = (32, 28, 24), (104, 96, 88)
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\xa0\xad]")
_HOW = {
    "keyword": "by a text from this number",
    "form": "on a form",
    "import": "imported from the shop's earlier records",
    "staff": "by a member of the staff",
    "carrier": "reported by the carrier",
}
_STATUS = {
    "pending": "Consent was asked for",
    "subscribed": "Consent was given",
    "unsubscribed": "Consent was withdrawn",
}


def pdf(file_text: str) -> bytes:
    """Return the reading copy of an evidence file. The same file gives the same bytes."""
    data = json.loads(file_text)
    about, *events = data["entries"]
    paper = _Paper(about)
    paper.opening(about, attachment_name(about))
    for number, entry in enumerate(events, 1):
        paper.event(number, entry)
    paper.closing(data)
    paper.embed_file(
        bytes=file_text.encode(),
        basename=attachment_name(about),
        desc="The signed evidence file",
        mime_type="application/json",
        modification_date=datetime.fromisoformat(about["made_at"]["utc"]),
    )
    return bytes(paper.output())


def visible(text: str) -> str:
    """Return text as the paper can show it: what has no letter in its fonts, or cannot be seen, as a code point."""
    return "".join(_shown(character) for character in text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    try:
        character.encode(_ENCODING)
    except UnicodeEncodeError:
        return f"<U+{ord(character):04X}>"
    return f"<U+{ord(character):04X}>" if _UNSEEN.match(character) else character


class _Paper(FPDF):
    """Pages with a foot that says whose they are."""

    def __init__(self, about: Entry) -> None:
        super().__init__(format="letter" if about["shop"]["country"] in _LETTER else "A4")
        self.core_fonts_encoding = _ENCODING
        self._foot = visible(f"{about['shop']['programme']} - consent evidence of {about['number']}")
        self.set_creation_date(datetime.fromisoformat(about["made_at"]["utc"]))
        self.set_title(self._foot)
        self.set_author(visible(about["shop"]["name"]))
        self.set_creator("Regulars")
        self.set_lang("en")
        self.set_margin(18)
        self.set_auto_page_break(True, 20)
        self.add_page()

    def footer(self) -> None:
        """Write the foot of a page."""
        self.set_y(-14)
        self._ink(8, faint=True)
        self.cell(0, _SMALL, self._foot)
        self.set_x(self.l_margin)
        self.cell(0, _SMALL, f"Page {self.page_no()}", align="R")

    def opening(self, about: Entry, attached: str) -> None:
        """Write what this is, of whom, and how it is checked."""
        self._say("Consent evidence", size=20, bold=True, height=10)
        self._say(f"{about['shop']['programme']}, {about['shop']['name']}", size=12, height=7)
        self.ln(3)
        self._facts(
            ("Number", ", formerly ".join([about["number"], *about["merged_numbers"]])),
            ("Consent now", about["consent_now"]),
            ("Records", str(about["records"])),
            ("Made", f"{_moment(about['made_at'])}, by {about['made_by']}"),
            ("Shop", f"{about['shop']['phone']}, {about['shop']['website']}, terms: {about['shop']['terms']}"),
            ("Times", f"by the shop's clock ({about['shop']['zone']}), then in UTC"),
        )
        self.ln(2)
        self._say(
            f"This is the reading copy. What is signed is the attached file {attached}; "
            "`python -m bot consent verify FILE` checks it. A character this paper cannot show stands as its code "
            "point, such as <U+1F600>; the attached file has the character itself.",
            size=9,
            faint=True,
        )

    def event(self, number: int, entry: Entry) -> None:
        """Write one consent record."""
        self.ln(4)
        if self.will_page_break(45):
            self.add_page()
        self.set_draw_color(*_FAINT)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(2)
        how = _HOW.get(entry["how"], entry["how"])
        self._say(f"{number}. {_STATUS.get(entry['status'], entry['status'])} {how}", size=12, bold=True, height=7)
        wording = f"{entry['wording']}, version {entry['version']}" if entry["wording"] else None
        seal = entry["seal"]
        self._facts(
            ("When", _moment(entry["at"])),
            ("Written down", _moment(entry["written_at"])),
            ("Ends", _moment(entry["ends_at"])),
            ("Number", entry["number"]),
            ("Status", f"{entry['status']} (record {entry['record']})"),
            ("Wording", wording),
            ("Language", entry["language"]),
            ("Reason", entry["reason"]),
            ("Staff", f"{entry['staff']['name']} (account {entry['staff']['id']})" if entry["staff"] else None),
        )
        if entry["text"]:
            self._quote("The exact words that were shown", entry["text"])
        if entry["message"]:
            heading = "The text that caused it" if entry["message"]["direction"] == "in" else "The message it is about"
            self._message(heading, entry["message"])
        for confirmation in entry["confirmations"]:
            self._message("What was answered", confirmation)
        self._facts(
            ("Sealed", f"number {seal['number']}, {_moment(seal['at'])}" if seal else "not yet"),
            ("Seal", seal["digest"] if seal else None),
            ("Entry", entry["digest"]),
        )

    def closing(self, data: dict[str, Any]) -> None:
        """Write the digests and the signature that cover everything above."""
        head, signature = data["head"], data["signature"]
        chain = data["entries"][0]["chain_head"]
        self.ln(6)
        if self.will_page_break(50):
            self.add_page()
        self._say("Signature", size=12, bold=True, height=7)
        self._facts(
            ("Format", data["format"]),
            ("Entries", str(head["entries"])),
            ("Last digest", head["digest"]),
            ("Chain then", f"{chain['number']} seals, the last {chain['digest']}" if chain else "no seal yet"),
            ("Algorithm", signature["algorithm"]),
            ("Public key", signature["public_key"]),
            ("Fingerprint", signature["fingerprint"]),
            ("Signature", signature["value"]),
        )

    def _message(self, heading: str, message: dict[str, Any]) -> None:
        self._quote(heading, message["body"])
        state = message.get("state")
        self._facts(
            ("From, to", f"{message['sender']}, {message['recipient']}"),
            ("Carrier's id", message["sid"]),
            ("When", _moment(message["at"])),
            ("Delivery", f"{state}, error {message['error_code']}" if message.get("error_code") else state),
            ("Sent", _moment(message.get("sent_at"))),
            ("Delivered", _moment(message.get("delivered_at"))),
        )

    def _facts(self, *facts: tuple[str, str | None]) -> None:
        """Write names and values, leaving out those without a value."""
        for name, value in facts:
            if not value:
                continue
            self._ink(9, faint=True)
            self.cell(30, _LINE, name)
            self._ink(9)
            self.multi_cell(
                _ROOM * self.epw - 30, _LINE, visible(value), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT
            )

    def _quote(self, heading: str, words: str) -> None:
        self.ln(1)
        self._say(heading, size=9, faint=True)
        self.set_fill_color(246, 241, 231)
        self.set_font("courier", size=9)
        self.set_text_color(*_INK)
        text = visible(words) or "(no words)"
        self.multi_cell(
            0, _LINE, text, align="L", fill=True, padding=2, new_x=XPos.LMARGIN, new_y=YPos.NEXT, wrapmode=WrapMode.WORD
        )
        self.ln(1)

    def _say(self, words: str, *, size: int, bold: bool = False, faint: bool = False, height: float = _LINE) -> None:
        self._ink(size, bold=bold, faint=faint)
        self.multi_cell(_ROOM * self.epw, height, visible(words), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _ink(self, size: int, *, bold: bool = False, faint: bool = False) -> None:
        self.set_font("helvetica", "B" if bold else "", size)
        self.set_text_color(*(_FAINT if faint else _INK))


def _moment(at: dict[str, str] | None) -> str:
    """Return a moment by the shop's clock and in UTC, to the second."""
    if at is None:
        return ""
    local, utc = (datetime.fromisoformat(at[name]) for name in ("local", "utc"))
    return f"{local:%Y-%m-%d %H:%M:%S} ({utc:%Y-%m-%d %H:%M:%S} UTC)"


def attached(content: bytes) -> list[bytes]:
    """Return the files attached to a reading copy, which lie in it without compression."""
    _, *found = content.split(b"/Type /EmbeddedFile\n>>\nstream\n")
    return [each.partition(b"\nendstream")[0] for each in found]


def verify_pdf(content: bytes, key: str | None = None) -> Verdict:
    """Check the file attached to a reading copy, and that the pages say what it says."""
    files = attached(content)
    if len(files) != 1:
        return Verdict(["This PDF is no reading copy: it holds no signed file, or more than one."])
    verdict = verify(files[0], key)
    if not verdict.good:
        return Verdict([f"The attached file: {problem}" for problem in verdict.problems], verdict.entries)
    try:
        same = pdf(files[0].decode()) == content
    except (KeyError, TypeError, ValueError, AttributeError):  # signed, but by somebody who writes other files
        same = False
    if same:
        return verdict
    words = (
        "The attached file is as it was signed, but the pages are not what this release prints of it: they were "
        "changed, or another release printed them. Rely on the attached file."
    )
    return Verdict([words], verdict.entries, verdict.fingerprint)

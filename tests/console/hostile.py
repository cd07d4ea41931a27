"""Words that would do harm if a page believed them, how they get into the books, and how to see that one does not."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from tests.console.people import Person, hire
from tests.shop import ALICE, BOB, CHARLIE, Shop

SHORT = '"><pwn onerror=pwn()>\u202e{{7*7777}}'  #: fits wherever a name does
EVIL = f"=cmd|' /C calc'!A0 <script>pwn()</script>{SHORT} <img src=x onerror=pwn()> ${{7*7777}} \0"
ANSWERED = "54439"  #: what a template that runs in words would say
FORMULA = re.compile(r"[=+@\t\r-](?!\d+(\.\d+)?$)")
FETCH = {"X-Requested-With": "fetch"}
_NO_BRACES = str.maketrans("{}", "()")  # a reply's placeholders
_VOID = frozenset({"input", "img", "br", "hr", "meta", "link", "path", "rect", "line", "use", "circle", "stop", "wbr"})
_LOADING = frozenset({"iframe", "object", "embed", "base", "frame", "applet", "portal"})
_ADDRESSES = frozenset({"href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcset"})
_HARMLESS = ("/", "#", "?", "https://", "tel:")


class Page(HTMLParser):
    """Reads a page as a browser does and keeps what in it would run, load or turn the words around it."""

    def __init__(self, html: str, *, own_style: bool = False) -> None:
        super().__init__()
        self.harm: list[str] = []
        self.names: set[str] = set()  #: of fields
        self._open: list[tuple[str, bool]] = []
        self._own_style = own_style
        self.feed(html)
        if ANSWERED in html:
            self.harm.append("a template in somebody's words was run")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given["name"]} if "name" in given else set()
        bad = [name for name in given if name.startswith("on") or name == "srcdoc"]
        bad += [name for name in _ADDRESSES & given.keys() if not given[name].startswith(_HARMLESS)]
        if not self._own_style:
            bad += [name for name in given if name == "style"] + (["style"] if tag == "style" else [])
        if bad or tag in _LOADING or tag == "pwn" or (tag == "script" and "src" not in given):
            self.harm.append(f"<{tag} {given}>")
        if tag not in _VOID:
            apart = tag in ("bdi", "textarea", "title", "option") or given.get("dir") == "auto"
            self._open.append((tag, apart))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self._open and self._open[-1][0] == tag and tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self._open and tag in {each for each, _ in self._open} and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "\u202e" in data and not any(apart for _, apart in self._open):
            self.harm.append(f"turns its surroundings: {data.strip()[:60]!r} in {[tag for tag, _ in self._open[-3:]]}")


class Books:
    """A shop whose books are full of such words, put there as anybody could, and the staff who look at it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.admin = hire(shop, "admin", "Ada")
        self.manager = hire(shop, "manager", "Mia")
        self.sam = hire(shop, "support", "Sam")
        self.marketer = hire(shop, "marketer", "Max")
        self._customers()
        self._staff()
        self._desk()

    def id_of(self, phone: str) -> int:
        return int(self.shop.one("SELECT id FROM customers WHERE phone = :phone", phone=phone))

    def ids(self) -> dict[str, Any]:
        """Return something that is there for each place of an address."""
        one = self.shop.one
        return {
            "customer_id": self.id_of(ALICE),
            "message_id": one("SELECT id FROM messages WHERE media IS NOT NULL AND direction = 'in' ORDER BY id DESC"),
            "number": 1,
            "view_id": one("SELECT max(id) FROM saved_views"),
            "handoff_id": one("SELECT max(id) FROM handoffs"),
            "reply_id": one("SELECT max(id) FROM saved_replies"),
            "entry_id": one("SELECT max(id) FROM ledger"),
            "approval_id": one("SELECT max(id) FROM approvals"),
            "staff_id": one("SELECT max(id) FROM staff"),
            "code": one("SELECT code FROM vouchers ORDER BY id DESC"),
            "token": "x",
            "name": "joins",
            "filename": "console.js",
        }

    def _customers(self) -> None:
        picture = {"NumMedia": "2", "MediaUrl0": "javascript:pwn()", "MediaContentType0": SHORT}
        more = {**picture, "MediaUrl1": f"https://api.twilio.com/{SHORT}", "MediaContentType1": "image/svg+xml"}
        for phone in (ALICE, CHARLIE):
            self.shop.joined(phone)
        for phone in (ALICE, BOB, CHARLIE):
            self.shop.says(phone, EVIL)
            self.shop.says(phone, "\ud800 lone".encode("utf-8", "surrogatepass").decode("latin-1"))
            self.shop.says(phone, EVIL, **more, ProfileName=SHORT, FromCity=SHORT, FromState=SHORT)
        self.shop.says(ALICE, "HUMAN")
        self.shop.says(ALICE, f"HUMAN {EVIL}")

    def _staff(self) -> None:
        for email in ("=pwn@example.com", '"><pwn>@example.com'):
            done = self.admin.post("/console/staff", {"email": email, "name": SHORT, "role": "support"})
            assert done.status_code == 200, done.status
        self.admin.client.get("/console/account", headers={"User-Agent": EVIL.replace("\0", "").replace("\u202e", "")})

    def _desk(self) -> None:
        alice = self.id_of(ALICE)
        customer = f"/console/customers/{alice}"
        sam, mia = self.sam, self.manager
        profile = {"name": SHORT, "tags": "vip", "new_attribute": "milk", "new_value": EVIL}
        seen = str(self.shop.one("SELECT coalesce(max(id), 0) FROM profile_changes WHERE customer_id = :c", c=alice))
        self.did(mia, f"{customer}/profile", **profile, seen=seen)
        self.did(sam, f"{customer}/notes", body=f"@Mia {EVIL}")
        self.did(sam, "/console/replies", title=SHORT, body=EVIL.translate(_NO_BRACES), language="en")
        self.did(sam, f"{customer}/points", points="5", reason=EVIL[:200], key="hostile-1")
        self.did(sam, f"{customer}/points", points="999999", reason=EVIL[:200], key="hostile-2")
        self.did(sam, f"{customer}/vouchers", name=SHORT, days="9", reason=EVIL[:200], key="hostile-3")
        self.did(sam, "/console/inbox/views", name=SHORT, view="recent", tag=SHORT)
        self.did(sam, f"{customer}/take-over", reason=EVIL)
        self.did(mia, f"{customer}/take-over", reason=EVIL[:150])
        self.did(mia, f"{customer}/answer", body=EVIL.replace("\0", ""), key="hostile-answer")
        self.did(sam, f"/console/customers/{self.id_of(CHARLIE)}/opt-out", reason=EVIL[:200])
        text = self.shop.one("SELECT max(id) FROM messages WHERE direction = 'in' AND body LIKE '=cmd%'")
        self.did(sam, f"/console/messages/{text}/lesson", meaning="help")
        self.shop.wait(timedelta(minutes=1))

    def did(self, person: Person, path: str, **form: str) -> None:
        """Post a form as a script, and see that it was taken."""
        answer = person.post(path, form, headers=FETCH)
        assert answer.status_code < 400, f"{path}: {answer.status} {answer.get_data(as_text=True)[:300]}"

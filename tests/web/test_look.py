"""What every page promises: strict headers, nothing inline, files that exist, colours one can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import product

import pytest

from bot.settings import ROOT
from tests.shop import Shop, open_shop

PAGES = ("/", "/phone")
STATIC = ROOT / "bot" / "web" / "static"


@pytest.fixture
def demo(database_url: str) -> Iterator[Shop]:
    """A demo shop."""
    with open_shop(database_url, demo=True) as shop:
        yield shop


class Inspector(HTMLParser):
    """Collects what a strict policy forbids, and every file a page asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.files: list[str] = []
        self.unnamed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)
        self.inline += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        self.files += [value for name, value in attrs if name in ("src", "href") and value and value.startswith("/")]
        if tag == "img" and "alt" not in names:
            self.unnamed.append(str(names.get("src")))


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_inline_and_every_file_exists(demo: Shop, path: str) -> None:
    """No inline script, style or handler; every link and file answers; every picture has words."""
    answer = demo.client.get(path)
    assert answer.status_code == 200
    found = Inspector()
    found.feed(answer.text)
    assert not found.inline
    assert not found.unnamed
    for file in set(found.files):
        with demo.client.get(file) as answer:
            assert answer.status_code == 200, file


def test_modules_only_ask_for_modules_that_exist() -> None:
    """A misspelt import would leave a dead page."""
    for module in STATIC.glob("*.js"):
        for wanted in re.findall(r'from "\./([\w.-]+)"', module.read_text()):
            assert (STATIC / wanted).is_file(), f"{module.name} imports {wanted}"


def test_no_script_makes_markup_from_text() -> None:
    """Customers' words become text nodes: nothing here knows how to parse them as HTML."""
    for module in STATIC.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", module.read_text())


@pytest.mark.parametrize("path", [*PAGES, "/static/phone.js", "/phone/number", "/nowhere"])
def test_every_answer_to_a_browser_is_guarded(demo: Shop, path: str) -> None:
    """Our own files only, no framing, no sniffing, no address given away; HTTPS kept where it is used."""
    with demo.client.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert len(headers.getlist("Content-Security-Policy")) == 1


def test_an_address_without_https_is_not_told_to_keep_it(database_url: str) -> None:
    """Strict-Transport-Security on a plain address would lock people out."""
    with open_shop(database_url, demo=True, public_url="") as shop:
        assert "Strict-Transport-Security" not in shop.client.get("/").headers


def _tokens(scheme: str) -> dict[str, str]:
    """Return the colour tokens of one scheme, the phone's own ones included."""
    found: dict[str, str] = {}
    for sheet in ("regulars.css", "handset.css"):
        text = (STATIC / sheet).read_text()
        light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
        parts = (light,) if scheme == "light" else (light, dark.partition("\n}\n")[0])
        for part in parts:
            found.update(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part))
    return found


def _brightness(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_brightness(one), _brightness(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(scheme: str) -> None:
    """Text has a contrast of 4.5 or more on every ground it stands on, edges of controls 3 (WCAG 2.2 AA)."""
    tokens = _tokens(scheme)
    grounds = ("paper", "sheet", "sunk")
    pairs = [
        *product(("ink", "ink-soft", "accent", "accent-strong", "brick", "amber"), grounds),
        ("on-accent", "accent"),
        ("on-accent", "accent-strong"),
        ("on-mine", "mine"),
        ("accent-strong", "accent-wash"),
        ("ink", "accent-wash"),
        ("ink-soft", "accent-wash"),
        ("amber", "amber-wash"),
        ("brick", "brick-wash"),
        ("paper", "ink"),
    ]
    poor = [
        (a, b, round(_contrast(tokens[a], tokens[b]), 2)) for a, b in pairs if _contrast(tokens[a], tokens[b]) < 4.5
    ]
    assert not poor
    edges = [("line-strong", "paper"), ("line-strong", "sheet"), ("focus", "paper"), ("focus", "sheet")]
    assert not [pair for pair in edges if _contrast(tokens[pair[0]], tokens[pair[1]]) < 3]

"""Pictures from a stand-in of the carrier: what is shown, what is a download, and what is never asked for."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot.desk import pictures
from bot.desk.actor import NotPossible
from bot.settings import ROOT, Settings
from tests.shop import shop_settings

ACCOUNT = "AC" + "1" * 32
PNG = (ROOT / "bot/web/static/pictures/latte.png").read_bytes()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class Carrier(ThreadingHTTPServer):
    """Serves what a test puts there, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.drip = threading.Event()  #: set: a slow page may end

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def media(self, number: int = 1) -> str:
        return f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'2' * 32}/Media/ME{number:032x}"

    def put(self, content: bytes, path: str | None = None, status: int = 200, **headers: str) -> str:
        """Put something at a path, and return its URL."""
        path = path or self.media()
        self.pages[path] = status, {"Content-Length": str(len(content)), **headers}, content
        return self.base + path


class Handler(BaseHTTPRequestHandler):
    """Answers with what lies at a path."""

    server: Carrier

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        status, headers, content = self.server.pages.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if headers.get("X_Slow"):
            self.wfile.write(content[:10])
            self.wfile.flush()
            self.server.drip.wait(20)
            return
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    server = Carrier()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.drip.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(carrier: Carrier) -> Settings:
    return shop_settings("sqlite:///none.db", account_sid=ACCOUNT, api_base_url=carrier.base)


def test_a_picture_is_fetched_with_the_accounts_credentials(carrier: Carrier, settings: Settings) -> None:
    """It is what its first bytes say, whatever the carrier calls it."""
    found = pictures.fetch(settings, carrier.put(PNG, Content_Type="text/html"))
    assert (found.type, found.ending, found.content, found.shown) == ("image/png", "png", PNG, True)
    [(path, credentials)] = carrier.asked
    assert path == carrier.media()
    assert credentials is not None
    assert b64decode(credentials.removeprefix("Basic ")).decode() == f"{ACCOUNT}:{settings.auth_tokens[0]}"


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a rest", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (SVG, "application/octet-stream"),
        (b"<!doctype html><script>alert(1)</script>", "application/octet-stream"),
        (b"GIF8<script>", "application/octet-stream"),
        (b"RIFF\x10\x00\x00\x00WAVE", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_only_four_kinds_are_pictures(content: bytes, type_: str, carrier: Carrier, settings: Settings) -> None:
    """Anything else is a download without a type, even when the carrier says it is a picture."""
    found = pictures.fetch(settings, carrier.put(content, Content_Type="image/png"))
    assert (found.type, found.shown) == (type_, type_.startswith("image/"))


def test_a_redirect_within_the_carrier_is_followed_without_credentials(carrier: Carrier, settings: Settings) -> None:
    """The store gets no password."""
    store = carrier.put(PNG, "/store/1?signed=yes")
    found = pictures.fetch(settings, carrier.put(b"", status=307, Location=store))
    assert found.content == PNG
    assert carrier.asked[1] == ("/store/1?signed=yes", None)


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "http://10.0.0.1/x.png",
        "http://[::1]/x.png",
        "https://mms.twiliocdn.com.evil.example/x",
        "https://evil.example/media.twiliocdn.com/x",
        "https://user@mms.twiliocdn.com/x",
        "https://s3-external-1.amazonaws.com/another-bucket/x",
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/../other/x",
        "https://mms.twiliocdn.com:8443/x",
        "http://mms.twiliocdn.com/x",
        "file:///etc/passwd",
        "//evil.example/x",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(place: str, carrier: Carrier, settings: Settings) -> None:
    """Only the carrier's stores, by their exact names, over HTTPS."""
    with pytest.raises(NotPossible, match="do not know"):
        pictures.fetch(settings, carrier.put(b"", status=307, Location=place))
    assert len(carrier.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://mms.twiliocdn.com/account/picture",
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/account/picture",
    ],
)
def test_the_carriers_stores_are_known(url: str, settings: Settings) -> None:
    """Where Twilio's redirects lead is on the list."""
    assert pictures._is_store(settings, url)


def test_only_this_accounts_media_is_asked_for(carrier: Carrier, settings: Settings) -> None:
    """Another host, another account, another part of the API: nothing is asked, nobody gets the credentials."""
    own = carrier.base + carrier.media()
    wrong = [
        own.replace("127.0.0.1", "localhost"),
        own.replace(ACCOUNT, "AC" + "9" * 32),
        own + "/../../../Messages.json",
        own + "?x=1",
        own.replace("/Media/", "/Other/"),
        f"{carrier.base}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        "http://127.0.0.1:1/static/pictures/latte.png",
        "file:///etc/passwd",
        "not a url",
        "",
    ]
    for url in wrong:
        with pytest.raises(NotPossible, match="not at the carrier"):
            pictures.fetch(settings, url)
    assert carrier.asked == []


def test_what_is_too_large_is_left(carrier: Carrier, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading ends at the limit."""
    monkeypatch.setattr(pictures, "LARGEST", 100_000)
    with pytest.raises(NotPossible, match="larger than"):
        pictures.fetch(settings, carrier.put(PNG[:8] + b"x" * 200_000))


def test_what_is_too_slow_is_left(carrier: Carrier, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier that hangs holds nobody."""
    monkeypatch.setattr(pictures, "SECONDS", 0.3)
    with pytest.raises(NotPossible, match="too long"):
        pictures.fetch(settings, carrier.put(PNG, X_Slow="1"))


def test_a_circle_of_redirects_ends(carrier: Carrier, settings: Settings) -> None:
    """After a few hops it counts as gone."""
    url = carrier.base + carrier.media()
    carrier.put(b"", status=302, Location=url)
    with pytest.raises(NotPossible, match="does not have"):
        pictures.fetch(settings, url)
    assert len(carrier.asked) == pictures.MOST_REDIRECTS + 1


def test_what_is_gone_says_so(carrier: Carrier, settings: Settings) -> None:
    """404 from the carrier, or no carrier at all, is a sentence."""
    url = carrier.base + carrier.media()
    with pytest.raises(NotPossible, match="does not have"):
        pictures.fetch(settings, url)
    carrier.shutdown()
    carrier.server_close()
    with pytest.raises(NotPossible, match="does not have"):
        pictures.fetch(settings, url)


def test_the_demos_pictures_are_files_of_its_own(settings: Settings) -> None:
    """They are read here; no other file can be named, and outside the demo none is read at all."""
    demo = shop_settings("sqlite:///none.db", demo=True)
    assert pictures.fetch(demo, "http://shop.example/static/pictures/latte.png").content == PNG
    for path in ("/static/pictures/../regulars.css", "/static/pictures/none.png", "/static/regulars.css"):
        with pytest.raises(NotPossible):
            pictures.fetch(demo, "http://shop.example" + path)
    with pytest.raises(NotPossible):
        pictures.fetch(settings, "http://shop.example/static/pictures/latte.png")

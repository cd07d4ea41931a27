"""Pictures customers sent, fetched from the carrier with the account's credentials, and from nowhere else.

A media URL is only believed when it is one of this account at the carrier's own host; it leads by redirect to
the carrier's stores, which never see the credentials. What comes back is taken for what its first bytes say.

Sources: https://www.twilio.com/docs/messaging/api/media-resource and
https://help.twilio.com/articles/223183748 (hosts); RFC 9110, 15.4 (redirects).
"""

from __future__ import annotations

import re
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from bot.desk.actor import NotPossible
from bot.settings import ROOT, TWILIO_API, Settings

LARGEST = 5 * 1024 * 1024  #: bytes: Twilio takes no more for a whole message
SECONDS = 8.0  #: for everything, redirects included
MOST_REDIRECTS = 3
AT_ONCE = 4  #: of this process, so that slow pictures leave threads for everything else
_CHUNK = 64 * 1024
_MEDIA = re.compile(r"/2010-04-01/Accounts/AC[0-9a-f]{32}/Messages/(?:SM|MM)[0-9a-f]{32}/Media/ME[0-9a-f]{32}", re.I)
#: Where the carrier's redirects lead: host -> how the path must begin.
STORES: Mapping[str, str] = {
    "mms.twiliocdn.com": "/",
    "media.twiliocdn.com": "/",
    "s3-external-1.amazonaws.com": "/media.twiliocdn.com/",
}
_LOCAL = re.compile(r"/static/pictures/([a-z0-9_-]{1,40}\.png)")
_LOCAL_FOLDER = ROOT / "bot" / "web" / "static" / "pictures"
_SLOW = "The carrier took too long to give us the picture. Try again."
_GONE = "The carrier does not have this picture any more, or did not give it to us."
_turns = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Picture:
    """What was fetched. Only `shown` may be displayed; anything else is a download without a type."""

    content: bytes
    type: str
    ending: str

    @property
    def shown(self) -> bool:
        """Say whether it is a picture a browser may draw."""
        return self.type != "application/octet-stream"


def sniffed(content: bytes) -> Picture:
    """Return content with the type its first bytes show; what is none of four kinds of pictures has none."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Picture(content, "image/png", "png")
    if content.startswith(b"\xff\xd8\xff"):
        return Picture(content, "image/jpeg", "jpg")
    if content.startswith((b"GIF87a", b"GIF89a")):
        return Picture(content, "image/gif", "gif")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Picture(content, "image/webp", "webp")
    return Picture(content, "application/octet-stream", "bin")


def fetch(settings: Settings, url: str) -> Picture:
    """Return what stands at the media URL of a message.

    Raises NotPossible when the URL is not the carrier's, or it is too large, too slow or gone.
    """
    if settings.demo and (local := _local(url)) is not None:
        return sniffed(local.read_bytes())
    if not _is_media(settings, url):
        raise NotPossible("This attachment is not at the carrier, so it is not fetched.")
    if not _turns.acquire(timeout=SECONDS / 2):
        raise NotPossible("Too many pictures are being fetched. Try again in a moment.")
    try:
        return sniffed(_follow(settings, url, time.monotonic() + SECONDS))
    except NewConnectionError as trouble:
        raise NotPossible(_GONE) from trouble
    except TimeoutError as trouble:
        raise NotPossible(_SLOW) from trouble
    except HTTPError as trouble:
        raise NotPossible(_GONE) from trouble
    finally:
        _turns.release()


def _local(url: str) -> Path | None:
    """Return the file of one of the demo's own pictures."""
    found = _LOCAL.fullmatch(urlsplit(url).path)
    path = _LOCAL_FOLDER / found[1] if found else None
    return path if path is not None and path.is_file() else None


def _is_media(settings: Settings, url: str) -> bool:
    """Say whether a URL is a picture of this account at the carrier's own host."""
    base, asked = urlsplit(settings.api_base_url), urlsplit(url)
    if (asked.scheme, asked.netloc) != (base.scheme, base.netloc) or _MEDIA.fullmatch(asked.path) is None:
        return False
    return asked.path.split("/")[3] == settings.account_sid and not asked.query and not asked.fragment


def _is_store(settings: Settings, url: str) -> bool:
    """Say whether a redirect leads to one of the carrier's stores, or to where a stand-in of its API lies."""
    asked = urlsplit(url)
    if settings.api_base_url != TWILIO_API and url.startswith(settings.api_base_url + "/"):
        return True
    begins = STORES.get(asked.netloc)
    return asked.scheme == "https" and begins is not None and asked.path.startswith(begins) and ".." not in asked.path


def _follow(settings: Settings, url: str, until: float) -> bytes:
    headers = {"Authorization": _credentials(settings)}
    with urllib3.PoolManager(retries=False) as pool:
        for _ in range(MOST_REDIRECTS + 1):
            left = max(0.1, until - time.monotonic())
            timeout = urllib3.Timeout(connect=left, read=left, total=left)
            answer = pool.request("GET", url, headers=headers, timeout=timeout, redirect=False, preload_content=False)
            try:
                if answer.status == 200:
                    return _body(answer, until)
                place = answer.headers.get("Location")
            finally:
                answer.close()
            if answer.status not in (301, 302, 303, 307, 308) or not place:
                raise NotPossible(_GONE)
            url, headers = urljoin(url, place), {}  # the credentials are for the carrier's API alone
            if not _is_store(settings, url):
                raise NotPossible("The carrier sent us to a place we do not know, so nothing was fetched.")
    raise NotPossible(_GONE)


def _body(answer: urllib3.BaseHTTPResponse, until: float) -> bytes:
    content = bytearray()
    while chunk := answer.read1(_CHUNK, decode_content=False):
        content += chunk
        if len(content) > LARGEST:
            raise NotPossible("The picture is larger than 5 MB, so it is not shown.")
        if time.monotonic() > until:
            raise NotPossible(_SLOW)
    return bytes(content)


def _credentials(settings: Settings) -> str:
    user = settings.api_key or settings.account_sid
    password = settings.api_secret if settings.api_key else settings.auth_tokens[0]
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()

"""Twilio's request signature: HMAC-SHA1 over the public URL and the sorted form.

Source: https://www.twilio.com/docs/usage/security#validating-requests. The library's RequestValidator does
the same at ten times the cost; `tests/web/test_signature.py` holds the two together.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1

from flask import Request

from bot.settings import Settings


def sign(url: str, form: Iterable[tuple[str, str]], token: str) -> str:
    """Return the signature of a form post: every distinct name-value pair, sorted, appended to the URL."""
    text = url + "".join([name + value for name, value in sorted(set(form))])
    return b64encode(hmac.digest(token.encode(), text.encode("utf-8", "surrogatepass"), sha1)).decode()


def authentic(
    urls: Sequence[str], form: Iterable[tuple[str, str]], signature: str, tokens: Sequence[str]
) -> bool:
    """Say whether one of the tokens signed this form for one of the URLs it may have been sent to."""
    pairs = list(form)
    given = signature.encode("utf-8", "replace")
    return any(
        hmac.compare_digest(sign(url, pairs, token).encode(), given) for url in urls for token in tokens
    )


def public_urls(request: Request, settings: Settings) -> tuple[str, ...]:
    """Return the URLs Twilio may have signed: the public one, with and without its default port.

    The path is taken as it came over the wire: decoding and encoding it again would change the signature.
    Without PUBLIC_URL (demo) it is whatever address the request came to.
    """
    environ = request.environ
    path = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not path or not path.startswith("/"):
        query = environ.get("QUERY_STRING", "")
        path = request.path + (f"?{query}" if query else "")
    base = settings.public_url or _address_asked(request, settings)
    scheme, _, host = base.partition("://")
    default = {"https": ":443", "http": ":80"}.get(scheme, "")
    if default and host.endswith(default):
        return (base + path, base[: -len(default)] + path)
    if ":" in host.rpartition("]")[2] or not default:
        return (base + path,)
    return (base + path, base + default + path)


def _address_asked(request: Request, settings: Settings) -> str:
    scheme, host = request.environ.get("wsgi.url_scheme", "http"), request.host
    if settings.trust_proxy:
        scheme = request.headers.get("X-Forwarded-Proto", scheme).split(",")[0].strip()
        host = request.headers.get("X-Forwarded-Host", host).split(",")[0].strip()
    return f"{scheme}://{host}"

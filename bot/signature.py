"""Twilio's request signature: HMAC-SHA1 over the public URL and the sorted form.

Source: https://www.twilio.com/docs/usage/security#validating-requests. The library's RequestValidator does
the same at ten times the cost; `tests/web/test_signature.py` holds the two together.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1


def sign(url: str, form: Iterable[tuple[str, str]], token: str) -> str:
    """Return the signature of a form post: every distinct name-value pair, sorted, appended to the URL."""
    text = url + "".join([name + value for name, value in sorted(set(form))])
    return b64encode(hmac.digest(token.encode(), text.encode("utf-8", "surrogatepass"), sha1)).decode()


def authentic(urls: Sequence[str], form: Iterable[tuple[str, str]], signature: str, tokens: Sequence[str]) -> bool:
    """Say whether one of the tokens signed this form for one of the URLs it may have been sent to."""
    pairs = sorted(set(form))
    tail = "".join([name + value for name, value in pairs]).encode("utf-8", "surrogatepass")
    given = signature.encode("utf-8", "replace")
    for url in urls:
        text = url.encode("utf-8", "surrogatepass") + tail
        for token in tokens:
            if hmac.compare_digest(b64encode(hmac.digest(token.encode(), text, sha1)), given):
                return True
    return False


def signed_urls(base: str, path: str) -> tuple[str, ...]:
    """Return the URLs Twilio may have signed for a path: with and without the scheme's default port."""
    scheme, _, host = base.partition("://")
    default = {"https": ":443", "http": ":80"}.get(scheme, "")
    if default and host.endswith(default):
        return (base + path, base.removesuffix(default) + path)
    if ":" in host.rpartition("]")[2] or not default or "/" in host:
        return (base + path,)
    return (base + path, base + default + path)

"""Security headers on every answer: nothing runs or loads but our own files, nobody frames us.

Sources: https://www.w3.org/TR/CSP3/, https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
"""

from __future__ import annotations

from flask import Flask, Response, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
HSTS = ("Strict-Transport-Security", "max-age=31536000")
_MACHINES = frozenset({"/sms", "/sms/status"})  # read by Twilio, not by a browser


def protect(app: Flask) -> None:
    """Add the headers to every answer of the application."""
    public_url = getattr(getattr(app.extensions.get("regulars"), "settings", None), "public_url", "")
    headers = (*HEADERS, HSTS) if public_url.startswith("https://") else HEADERS

    @app.after_request
    def add_headers(response: Response) -> Response:
        if request.path in _MACHINES:
            response.headers["X-Content-Type-Options"] = "nosniff"
        else:
            response.headers.extend(headers)
        return response

"""What a browser calls itself, in plain words: enough to know one's own again, and no more is promised."""

from __future__ import annotations

from bot.console.language import _

_BROWSERS = (  # nearly all call themselves Mozilla and Safari, too: the first that fits is meant
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


def agent_words(agent: str | None) -> str:
    """Return a browser and its system: "Chrome on Windows"."""
    said = agent or ""
    name, system = (next((word for mark, word in marks if mark in said), None) for marks in (_BROWSERS, _SYSTEMS))
    if name is None:
        return _("An unknown browser")
    return _("{browser} on {system}", browser=name, system=system) if system else name

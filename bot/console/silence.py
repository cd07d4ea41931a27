"""The notice that sending is stopped, above every page of who can have it mended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask import g
from sqlalchemy.exc import SQLAlchemyError

from bot.console import permissions
from bot.console.language import _
from bot.console.page import ago, phone
from bot.delivery import codes, stopped
from bot.delivery.sender import EVERYTHING
from bot.services import services
from storage.database import reading


def silences() -> list[Mapping[str, object]]:
    """Return what is stopped, why, since when and how it goes on; nothing to who could do nothing about it."""
    member = g.get("member")
    if member is None or member.role not in permissions.MANAGERS:
        return []
    try:
        with reading(services().engine) as conn:
            found = stopped(conn)
    except SQLAlchemyError:  # the page of an error is told by this frame, too
        return []
    return [
        {
            "title": _("No text goes out.")
            if name == EVERYTHING
            else _("{sender} sends no texts.", sender=phone(name)),
            "why": _(codes.in_words(why["code"])),
            "code": why["code"],
            "since": ago(datetime.fromisoformat(why["at"])),
            "command": "python -m bot messages resume" + ("" if name == EVERYTHING else f" {name}"),
        }
        for name, why in sorted(found.items())
    ]

"""Saved replies: texts for questions that come again, with the same placeholders as the flows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from bot.catalog import Book
from bot.desk.actor import Actor, NotPossible, note
from bot.engine.language.variables import FAMILIES, VARIABLES
from bot.engine.message import Formats, Template, TemplateError, compile_template, render
from bot.engine.values import Values
from bot.engine.working import Turn
from bot.loading import load_customers
from storage import customers, saved, stock
from storage.database import writing
from storage.ids import next_id

MAX_TITLE = 60
MAX_BODY = 1600
#: Short for what staff write most.
SHORT = {"name": "customer.name", "voucher": "voucher.code", "phone": "shop.phone"}
#: Only a turn of the bot knows these.
_IN_TURNS = frozenset({"awarded", "options", "question"})


@dataclass(frozen=True, slots=True)
class Filled:
    """A saved reply in words for one customer."""

    body: str
    missing: tuple[str, ...] = ()  #: placeholders this customer has nothing for; a person looks over the text


def save(
    engine: Engine,
    book: Book,
    actor: Actor,
    title: str,
    body: str,
    language: str,
    now: datetime,
    identifier: int | None = None,
) -> int:
    """Save a reply, or change one; return its id. Raises NotPossible for a placeholder that cannot be filled."""
    title, body = " ".join(title.split()), body.replace("\r\n", "\n").strip()
    if not title or not body:
        raise NotPossible("A saved reply needs a title and a text.")
    if len(title) > MAX_TITLE or len(body) > MAX_BODY:
        raise NotPossible(
            "A title has {title} characters at most, a text {body}.", title=MAX_TITLE, body=f"{MAX_BODY:,}"
        )
    if language not in book.programme.shop.languages:
        raise NotPossible("The shop does not speak {language}.", language=language)
    _compiled(book, body)
    reply_id = identifier or next_id()
    words = {"title": title, "body": body, "language": language}
    row = {"id": reply_id, **words, "staff_id": actor.staff_id, "changed_at": now}
    with writing(engine) as conn:
        if identifier is None:
            saved.add_reply(conn, row)
        elif not saved.change_reply(conn, row):
            raise NotPossible("This saved reply is gone; somebody removed it.")
        note(conn, actor, "reply.saved" if identifier is None else "reply.changed", now, reply=reply_id)
    return reply_id


def remove(engine: Engine, actor: Actor, identifier: int, now: datetime) -> None:
    """Remove a saved reply."""
    with writing(engine) as conn:
        if not saved.remove_reply(conn, identifier, now):
            raise NotPossible("This saved reply is gone; somebody removed it.")
        note(conn, actor, "reply.removed", now, reply=identifier)


def restore(engine: Engine, actor: Actor, identifier: int, now: datetime) -> None:
    """Bring a removed reply back."""
    with writing(engine) as conn:
        if not saved.restore_reply(conn, identifier):
            raise NotPossible("This saved reply is there; nobody removed it.")
        note(conn, actor, "reply.restored", now, reply=identifier)


def fill(conn: Connection, book: Book, identifier: int, customer_id: int, now: datetime) -> Filled:
    """Return a saved reply in the words for one customer. Nothing is written down."""
    reply, row = saved.reply(conn, identifier), customers.by_id(conn, customer_id)
    if reply is None or row is None:
        raise NotPossible("This saved reply is gone; somebody removed it.")
    template = _compiled(book, reply["body"])
    shop = book.programme.shop
    customer = load_customers(conn, {customer_id: row}, shop.languages[0], now)[customer_id]
    turn = Turn(book, customer, None, stock=stock.stock_taken(conn), now=now)
    values = Values(turn, None, {short: Values(turn, None).get(name) for short, name in SHORT.items()})
    missing = sorted(name for name in template.variables if values.get(name) in (None, "", []))
    return Filled(render(template, values, reply["language"], Formats(shop.currency, shop.zone)), tuple(missing))


def placeholders(book: Book) -> list[str]:
    """Return the names a saved reply may use, the short ones first."""
    names = [name for name in VARIABLES if name not in _IN_TURNS and not name.startswith(("referral.", "invitation"))]
    families = [f"{family}.{member}" for family, members in FAMILIES.items() for member in members]
    return [*SHORT, *names, *families]


def _compiled(book: Book, body: str) -> Template:
    """Compile a reply. Raises NotPossible with the mistake in plain words."""
    try:
        template = compile_template(body)
    except TemplateError as error:
        place = error.position + 1
        raise NotPossible(
            "The text has a mistake at character {place}: {mistake}.", place=place, mistake=error.message
        ) from None
    known = {*placeholders(book), *(f"wording.{name}" for name in book.programme.wordings)}
    for use in sorted(template.uses, key=lambda use: use.position):
        if use.name not in known:
            raise NotPossible("There is no placeholder {name}; there are {known}.", **_unknown(use.name, known))
    return template


def _unknown(name: str, known: set[str]) -> dict[str, str]:
    return {"name": f"{{{name}}}", "known": ", ".join(f"{{{each}}}" for each in sorted(known))}

"""A text taken again whose turn broke."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from bot.apply import apply_all, apply_conversations
from bot.catalog import Book
from bot.engine.events import Media, MessageReceived
from bot.loading import load_customers
from bot.settings import Settings
from bot.turn.loaded import Loaded
from bot.turn.understanding import decide_event, fresh_entropy
from bot.turn.wave import Wave, hear
from storage import customers, inbound, messages, stock
from storage.rows import Row


def replay(conn: Connection, message_id: int, book: Book, settings: Settings, code: str, now: datetime) -> bool:
    """Take a text again in the caller's transaction; False when it does not wait for that or breaks again.

    `code` is the day's. The replies go through the outbox.
    """
    row = messages.by_id(conn, message_id)
    if row is None or not _waits(row):
        return False
    record = customers.lock_by_id(conn, [row["customer_id"]])
    row = messages.by_id(conn, message_id)  # again: somebody may have replayed it before we had the lock
    if row is None or not _waits(row):
        return False
    known = load_customers(conn, record, book.programme.shop.languages[0], now)
    customer = known[row["customer_id"]]
    loaded = Loaded(known, {}, {customer.id: record[customer.id]["sendable"]}, {}, stock.stock_taken(conn))
    wave = Wave(conn, book, settings, loaded, now, code)
    decision = decide_event(book, customer, _text_of(row), loaded.stock, now, code, fresh_entropy())
    if decision.error:
        return False
    context = wave.context(customer, None, message_id)
    hear(context)
    apply_conversations(decision.conversations, context)
    apply_all(decision.effects, context)
    wave.flush()
    return inbound.replayed(conn, message_id, decision.explanation())


def _waits(row: Row) -> bool:
    return row["direction"] == "in" and row["state"] == "failed" and row["customer_id"] is not None


def _text_of(row: Row) -> MessageReceived:
    media = tuple(Media(item["url"], item["content_type"]) for item in row["media"] or ())
    return MessageReceived(row["sid"], row["sender"], row["recipient"], row["body"], row["created_at"], media)

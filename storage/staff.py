"""Staff: who may sign in, their sessions, and the one-time links that let somebody in for the first time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from storage.columns import Document, Id, Moment, Words, metadata
from storage.rows import Row, all_rows, first_row, for_both, insert_rows

ROLES = ("support", "marketer", "manager", "admin")

staff = Table(
    "staff",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("email", Words, nullable=False, unique=True),  #: lower case
    Column("name", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("language", Words, nullable=False, default=""),  #: of the console; empty: what the browser asks for
    Column("password", Words),  #: argon2; None: none chosen yet, or signs in elsewhere
    Column("totp", Words),  #: the shared secret, base 32; None: no second factor
    Column("totp_step", BigInteger),  #: the time step last used, so that a code works once
    Column("subject", Words, unique=True),  #: `issuer subject` of OpenID Connect
    Column("preferences", Document, nullable=False, default={}),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment),
    Column("disabled_at", Moment),
    CheckConstraint("role IN ('support', 'marketer', 'manager', 'admin')", name="role"),
)

sessions = Table(
    "staff_sessions",
    metadata,
    Column("digest", Words, primary_key=True),  #: SHA-256 of the cookie; the cookie itself is kept nowhere
    Column("staff_id", Id, ForeignKey("staff.id"), nullable=False),
    Column("second_factor_due", Boolean, nullable=False, default=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("address", Words),
    Column("agent", Words),
)
Index("ix_staff_sessions_staff_id", sessions.c.staff_id)
Index("ix_staff_sessions_ends_at", sessions.c.ends_at)

links = Table(
    "staff_links",
    metadata,
    Column("digest", Words, primary_key=True),
    Column("staff_id", Id, ForeignKey("staff.id")),  #: None: makes the first administrator
    Column("ends_at", Moment, nullable=False),
)

attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("key", Words, primary_key=True),  #: keyed hash of an e-mail address or of a network address
    Column("failed", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("locked_until", Moment),
)

_BY_ID = select(staff).where(staff.c.id == bindparam("id"))
_LOCK = select(staff.c.id).where(staff.c.id == bindparam("id")).with_for_update(key_share=True)
_BY_EMAIL = select(staff).where(staff.c.email == bindparam("email"))
_BY_SUBJECT = select(staff).where(staff.c.subject == bindparam("subject"))
_ALL = select(staff).order_by(staff.c.name, staff.c.id)
_SESSION = (
    select(
        staff,
        sessions.c.second_factor_due,
        sessions.c.created_at.label("session_created_at"),
        sessions.c.seen_at.label("session_seen_at"),
        sessions.c.ends_at.label("session_ends_at"),
    )
    .join_from(sessions, staff, sessions.c.staff_id == staff.c.id)
    .where(sessions.c.digest == bindparam("digest"))
)
_COUNT = for_both(
    lambda insert: (
        (new := insert(attempts).values({name: bindparam(name) for name in ("key", "failed", "last_at")}))
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "failed": case(
                    (attempts.c.last_at > bindparam("forgotten", type_=Moment), attempts.c.failed + 1), else_=1
                ),
                "last_at": new.excluded.last_at,
                "locked_until": None,
            },
        )
        .returning(attempts.c.failed)
    )
)


def add(connection: Connection, row: Row) -> None:
    """Add somebody. An e-mail address that is there already raises sqlalchemy's IntegrityError."""
    insert_rows(connection, staff, [row])


def change(connection: Connection, identifier: int, **values: Any) -> bool:
    """Set columns of one person; False when there is no such person."""
    return connection.execute(update(staff).where(staff.c.id == identifier).values(**values)).rowcount == 1


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one person."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def lock(connection: Connection, identifier: int) -> None:
    """Lock one person's row until the transaction ends, after the customer's; in SQLite `writing` is the lock."""
    connection.execute(_LOCK, {"id": identifier})


def by_email(connection: Connection, email: str) -> Row | None:
    """Return the person with this e-mail address, however it is capitalised."""
    return first_row(connection.execute(_BY_EMAIL, {"email": email.strip().lower()}))


def by_subject(connection: Connection, subject: str) -> Row | None:
    """Return the person an identity provider knows as `issuer subject`."""
    return first_row(connection.execute(_BY_SUBJECT, {"subject": subject}))


def everybody(connection: Connection) -> list[Row]:
    """Return all staff by name, the disabled ones too."""
    return all_rows(connection.execute(_ALL))


def names(connection: Connection) -> Mapping[int, str]:
    """Return what everybody is called: `{id: name}`."""
    return {row.id: row.name for row in connection.execute(select(staff.c.id, staff.c.name))}


def count(connection: Connection) -> int:
    """Return how many accounts there are."""
    return connection.execute(select(func.count()).select_from(staff)).scalar_one()


def administrators(connection: Connection) -> int:
    """Return how many administrators can sign in."""
    query = select(func.count()).where(staff.c.role == "admin", staff.c.disabled_at.is_(None))
    return connection.execute(query).scalar_one()


def open_session(connection: Connection, row: Row) -> None:
    """Begin a session: digest, staff_id, created_at, seen_at, ends_at, address, agent, second_factor_due."""
    insert_rows(connection, sessions, [row])


def session(connection: Connection, digest: str) -> Row | None:
    """Return the person of a session with `second_factor_due`, `session_seen_at` and `session_ends_at`."""
    return first_row(connection.execute(_SESSION, {"digest": digest}))


def touch_session(connection: Connection, digest: str, now: datetime) -> None:
    """Note that a session was used."""
    connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))


def sessions_of(connection: Connection, staff_id: int) -> list[Row]:
    """Return somebody's sessions, the last used first."""
    query = select(sessions).where(sessions.c.staff_id == staff_id).order_by(sessions.c.seen_at.desc())
    return all_rows(connection.execute(query))


def end_session(connection: Connection, digest: str) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.digest == digest))


def end_sessions(connection: Connection, staff_id: int, but: str | None = None) -> None:
    """End all sessions of somebody, except the one with the digest `but`."""
    query = delete(sessions).where(sessions.c.staff_id == staff_id)
    connection.execute(query if but is None else query.where(sessions.c.digest != but))


def forget_ended(connection: Connection, now: datetime) -> None:
    """Delete sessions and links whose time is over."""
    connection.execute(delete(sessions).where(sessions.c.ends_at <= now))
    connection.execute(delete(links).where(links.c.ends_at <= now))


def add_link(connection: Connection, digest: str, staff_id: int | None, ends_at: datetime) -> None:
    """Keep a one-time link; an older one for the same person, or for the first administrator, no longer works."""
    older = links.c.staff_id.is_(None) if staff_id is None else links.c.staff_id == staff_id
    connection.execute(delete(links).where(older))
    connection.execute(insert(links).values(digest=digest, staff_id=staff_id, ends_at=ends_at))


def link(connection: Connection, digest: str, now: datetime) -> Row | None:
    """Return a link that still works."""
    return first_row(connection.execute(select(links).where(links.c.digest == digest, links.c.ends_at > now)))


def use_link(connection: Connection, digest: str, now: datetime) -> bool:
    """Use a link up; False when somebody was faster or its time is over."""
    return connection.execute(delete(links).where(links.c.digest == digest, links.c.ends_at > now)).rowcount == 1


def attempt(connection: Connection, key: str) -> Row | None:
    """Return the failed attempts counted under a key."""
    return first_row(connection.execute(select(attempts).where(attempts.c.key == key)))


def count_attempt(connection: Connection, key: str, forgotten: datetime, now: datetime) -> int:
    """Count that somebody failed under a key, and return how often since the last pause that goes back to `forgotten`.

    Nobody else counts under this key until the transaction ends.
    """
    row = {"key": key, "failed": 1, "last_at": now, "forgotten": forgotten}
    return int(connection.execute(_COUNT[connection.dialect.name], row).scalar_one())


def lock_attempts(connection: Connection, key: str, until: datetime) -> None:
    """Let nobody try under a key for a while."""
    connection.execute(update(attempts).where(attempts.c.key == key).values(locked_until=until))


def forget_attempts(connection: Connection, key: str) -> None:
    """Start counting anew, after a right answer."""
    connection.execute(delete(attempts).where(attempts.c.key == key))

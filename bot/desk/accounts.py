"""Accounts of staff: made by invitation, opened by password and second factor, locked against guessing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection

from bot.desk.actor import Actor, NotPossible, Role, note
from storage import staff
from storage.ids import next_id
from storage.rows import Row

LINK_LASTS = timedelta(hours=24)
IDLE = timedelta(hours=12)  #: a session nobody uses ends
LONGEST = timedelta(days=14)  #: and every session ends
TOUCH = timedelta(minutes=1)  #: how exactly the last use is known
SHORTEST_PASSWORD = 10  # NIST SP 800-63B asks for at least 8, and for no rules about kinds of characters
_LONGEST_PASSWORD = 200
_TRIES = 5  #: wrong answers before an address must wait; doubled each time, an hour at most
_TRIES_OF_ADDRESS = 20
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_FORGOTTEN = timedelta(hours=24)  #: wrong answers older than this do not count
_TOTP_STEP = 30


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is signed in."""

    id: int
    email: str
    name: str
    role: Role
    language: str
    preferences: dict[str, Any]
    second_factor: bool  #: whether a second factor is set up

    def actor(self, address: str | None) -> Actor:
        """Return who acts, for the audit log."""
        return Actor(self.id, self.name, self.role, address)


def member_of(row: Row) -> Member:
    """Return a row of staff as a value."""
    return Member(
        row["id"], row["email"], row["name"], row["role"], row["language"], dict(row["preferences"]), bool(row["totp"])
    )


def digest(token: str) -> str:
    """Return what is kept of a session's or a link's token: a thief of the database cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def email_of(typed: str) -> str:
    """Return an e-mail address in the form it is kept. Raises NotPossible when it is none."""
    email = typed.strip().lower()
    name, at, host = email.partition("@")
    if not (name and at and "." in host.strip(".")) or len(email) > 254 or any(map(str.isspace, email)):
        raise NotPossible("{email} is no e-mail address.", email=typed.strip() or "Nothing")
    return email


def add(conn: Connection, actor: Actor, email: str, name: str, role: Role, now: datetime, language: str = "") -> int:
    """Make an account without a password and return its id. Raises NotPossible when the address has one.

    Until somebody chooses a `language`, the console speaks what their browser asks for.
    """
    email, name = email_of(email), name.strip()
    if role not in staff.ROLES:
        raise NotPossible("There is no role {role}.", role=role)
    if staff.by_email(conn, email) is not None:
        raise NotPossible("There is an account for {email} already.", email=email)
    identifier = next_id()
    row = {"id": identifier, "email": email, "name": name or email.partition("@")[0], "role": role}
    staff.add(conn, {**row, "language": language, "created_at": now})
    note(conn, actor, "staff.added", now, staff=identifier, role=role)
    return identifier


def new_link(conn: Connection, staff_id: int | None, now: datetime) -> str:
    """Return the token of a link that lets somebody choose a password once; None makes the first administrator."""
    token = secrets.token_urlsafe(24)
    staff.add_link(conn, digest(token), staff_id, now + LINK_LASTS)
    return token


def begin(
    conn: Connection, token: str, email: str, name: str, password: str, now: datetime, address: str | None = None
) -> int:
    """Use a link up: choose a password, for the first administrator also e-mail and name; return the account's id.

    Raises NotPossible when the link is used or over, or the password too short.
    """
    found = staff.link(conn, digest(token), now)
    if found is None:
        raise NotPossible("This link was used or is too old. Ask for a new one.")
    hashed = hash_of(password)
    staff_id: int | None = found["staff_id"]
    if staff_id is None:
        if staff.administrators(conn):
            raise NotPossible("There is an administrator already. Ask them for an invitation.")
        first = Actor(None, "first start", "admin", address)
        staff_id = add(conn, first, email, name, "admin", now)
    if not staff.use_link(conn, digest(token), now):
        raise NotPossible("This link was used or is too old. Ask for a new one.")
    staff.change(conn, staff_id, password=hashed)
    staff.end_sessions(conn, staff_id)
    row = staff.by_id(conn, staff_id)
    assert row is not None
    note(conn, member_of(row).actor(address), "staff.password_chosen", now, staff=staff_id)
    return staff_id


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, three passes


def hash_of(password: str) -> str:
    """Return the argon2id hash of a new password. Raises NotPossible when it is too short or far too long."""
    if len(password) < SHORTEST_PASSWORD:
        raise NotPossible("A password has at least {least} characters.", least=SHORTEST_PASSWORD)
    if len(password) > _LONGEST_PASSWORD:
        raise NotPossible("A password has at most {most} characters.", most=_LONGEST_PASSWORD)
    return _hasher().hash(password)


def right(password: str, hashed: str | None) -> bool:
    """Say whether a password is the one. Costs the same when there is none to compare with."""
    try:
        return _hasher().verify(hashed or _nobodys(), password[:_LONGEST_PASSWORD]) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher().hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True)
class Locks:
    """Counts wrong answers by account and by network address, under keyed hashes."""

    secret: str

    def check(self, conn: Connection, email: str, address: str | None, now: datetime) -> None:
        """Raise NotPossible while nobody may try for this account, or from this address."""
        for key, _ in self._keys(email, address):
            found = staff.attempt(conn, key)
            if found is not None and found["locked_until"] is not None and found["locked_until"] > now:
                minutes = max(1, round((found["locked_until"] - now) / timedelta(minutes=1)))
                raise NotPossible("Too many wrong answers. Try again in {minutes} min.", minutes=minutes)

    def failed(self, conn: Connection, email: str, address: str | None, now: datetime) -> None:
        """Count a wrong answer."""
        for key, tries in self._keys(email, address):
            failed = staff.count_attempt(conn, key, now - _FORGOTTEN, now)
            if failed >= tries:
                staff.lock_attempts(conn, key, now + min(_FIRST_WAIT * 2 ** min(failed - tries, 10), _LONGEST_WAIT))

    def passed(self, conn: Connection, email: str) -> None:
        """Forget the wrong answers of an account; those of the network address stay."""
        staff.forget_attempts(conn, self._key("account", email))

    def _keys(self, email: str, address: str | None) -> list[tuple[str, int]]:
        keys = [(self._key("account", email), _TRIES)]
        return [*keys, (self._key("address", address), _TRIES_OF_ADDRESS)] if address else keys

    def _key(self, kind: str, value: str) -> str:
        said = f"sign-in {kind} {value.strip().lower()}".encode()
        return hmac.new(self.secret.encode(), said, hashlib.sha256).hexdigest()[:32]


def open_session(
    conn: Connection, row: Row, now: datetime, address: str | None, agent: str, *, second_factor_due: bool
) -> str:
    """Begin a session and return its token, which only the browser keeps."""
    token = secrets.token_urlsafe(32)
    staff.forget_ended(conn, now)
    staff.open_session(
        conn,
        {
            "digest": digest(token),
            "staff_id": row["id"],
            "second_factor_due": second_factor_due,
            "created_at": now,
            "seen_at": now,
            "ends_at": now + LONGEST,
            "address": address,
            "agent": agent[:200],
        },
    )
    if not second_factor_due:
        staff.change(conn, row["id"], seen_at=now)
        note(conn, member_of(row).actor(address), "staff.signed_in", now)
    return token


def alive(row: Row, now: datetime) -> bool:
    """Say whether a session read by `storage.staff.session` still lets somebody in."""
    used = row["session_seen_at"] > now - IDLE
    return bool(row["disabled_at"] is None and row["session_ends_at"] > now and used)


def code_is_right(conn: Connection, row: Row, code: str, now: datetime) -> bool:
    """Check a code of the authenticator app; each works once (RFC 6238, 5.2), a step early or late."""
    step = _step_of(row["totp"] or "", code, now)
    if step is None or step <= (row["totp_step"] or 0):
        return False
    staff.change(conn, row["id"], totp_step=step)
    return True


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    typed = "".join(code.split())
    current = int(now.timestamp()) // _TOTP_STEP
    totp = pyotp.TOTP(secret)
    right = (s for s in (current, current - 1, current + 1) if hmac.compare_digest(totp.at(s * _TOTP_STEP), typed))
    return next(right, None) if secret and typed.isascii() else None


def new_secret() -> str:
    """Return a secret for an authenticator app."""
    return pyotp.random_base32()


def enrolment(secret: str, email: str, issuer: str) -> str:
    """Return the address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def set_second_factor(conn: Connection, actor: Actor, row: Row, secret: str | None, code: str, now: datetime) -> None:
    """Turn the second factor on with a first code, or off (secret None). Raises NotPossible for a wrong code."""
    if secret is None:
        staff.change(conn, row["id"], totp=None, totp_step=None)
        note(conn, actor, "staff.second_factor_off", now, staff=row["id"])
        return
    step = _step_of(secret, code, now)
    if step is None:
        raise NotPossible("That code is not right. Is the clock of your phone right?")
    staff.change(conn, row["id"], totp=secret, totp_step=step)
    note(conn, actor, "staff.second_factor_on", now, staff=row["id"])


def change_password(conn: Connection, actor: Actor, row: Row, new: str, now: datetime) -> None:
    """Set a password and end every session of that person."""
    staff.change(conn, row["id"], password=hash_of(new))
    staff.end_sessions(conn, row["id"])
    note(conn, actor, "staff.password_changed", now, staff=row["id"])


def change_role(conn: Connection, actor: Actor, row: Row, role: Role, now: datetime) -> None:
    """Give somebody another role and end their sessions. Raises NotPossible for the last administrator."""
    if role not in staff.ROLES:
        raise NotPossible("There is no role {role}.", role=role)
    if row["role"] == role:
        return
    _keep_one(conn, row)
    staff.change(conn, row["id"], role=role)
    staff.end_sessions(conn, row["id"])
    note(conn, actor, "staff.role_changed", now, staff=row["id"], before=row["role"], after=role)


def disable(conn: Connection, actor: Actor, row: Row, now: datetime) -> None:
    """Let somebody in no more; what they did stays in the audit log. Raises NotPossible for the last administrator."""
    _keep_one(conn, row)
    staff.change(conn, row["id"], disabled_at=now)
    staff.end_sessions(conn, row["id"])
    note(conn, actor, "staff.disabled", now, staff=row["id"])


def enable(conn: Connection, actor: Actor, row: Row, now: datetime) -> None:
    """Let somebody in again."""
    staff.change(conn, row["id"], disabled_at=None)
    note(conn, actor, "staff.enabled", now, staff=row["id"])


def _keep_one(conn: Connection, row: Row) -> None:
    if row["role"] == "admin" and row["disabled_at"] is None and staff.administrators(conn) < 2:
        raise NotPossible("This is the last administrator. Make somebody else one first.")

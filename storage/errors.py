"""What storage may refuse. The docstring is the message."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class StorageError(Exception):
    """The database refused."""

    def __init__(self, detail: str = "") -> None:
        message = (self.__doc__ or "").strip()
        super().__init__(f"{message} {detail}".strip())


class Stale(StorageError):
    """Somebody else changed these rows since they were read."""


class KnownKey(Stale):
    """There is a ledger entry with this key already."""


class NotEnoughPoints(StorageError):
    """The customer has fewer points than this would burn."""


class AppendOnly(StorageError):
    """Rows of this table are never changed or removed."""


def passing(error: BaseException) -> bool:
    """Say whether the database was away or busy, so that the same may well succeed a moment later."""
    if isinstance(error, OperationalError):  # PostgreSQL's all are; SQLite has them for other things too
        name = getattr(error.orig, "sqlite_errorname", None) or "SQLITE_BUSY"
        return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return isinstance(error, (InterfaceError, PoolTimeoutError, TimeoutError))


def meaning_of(error: IntegrityError) -> StorageError | IntegrityError:
    """Return the refusal of one of our triggers as our own error, any other as it is."""
    text = str(error.orig)
    if "not enough points" in text:
        return NotEnoughPoints()
    if "append-only" in text:
        return AppendOnly(text.splitlines()[0])
    return error

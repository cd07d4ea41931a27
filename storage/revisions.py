"""Published revisions of the files in `flows/`, immutable, so that conversations finish on what they began with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    select,
    update,
)

from storage.columns import Id, Moment, Words, metadata
from storage.rows import Row, all_rows, first_row, insert_rows

flow_revisions = Table(
    "flow_revisions",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("name", Words, nullable=False),
    Column("kind_of_file", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("published_at", Moment, nullable=False),  #: the last time it became the one in force
    CheckConstraint("kind_of_file IN ('flow', 'programme', 'phrases')", name="kind_of_file"),
    UniqueConstraint("name", "digest"),
)

_newest = func.row_number().over(
    partition_by=flow_revisions.c.name,
    order_by=(flow_revisions.c.published_at.desc(), flow_revisions.c.id.desc()),
)
_ranked = select(flow_revisions, _newest.label("age")).subquery()
_LATEST = select(*(_ranked.c[column.name] for column in flow_revisions.columns)).where(_ranked.c.age == 1)
_BY_ID = select(flow_revisions).where(flow_revisions.c.id == bindparam("id"))
_BY_DIGEST = select(flow_revisions.c.id).where(
    flow_revisions.c.name == bindparam("name"), flow_revisions.c.digest == bindparam("digest")
)
_AGAIN = (
    update(flow_revisions)
    .where(flow_revisions.c.id == bindparam("the_id"))
    .values(published_at=bindparam("at", type_=Moment))
)


def publish(connection: Connection, rows: Sequence[Row]) -> dict[str, int]:
    """Put revisions into force and return the id in force for each name.

    A text that is in force already stays as it is; one that was in force before gets its old id back.
    """
    current = latest(connection)
    ids: dict[str, int] = {}
    for row in rows:
        name, digest = row["name"], row["digest"]
        if name in current and current[name]["digest"] == digest:
            ids[name] = current[name]["id"]
            continue
        known = connection.execute(_BY_DIGEST, {"name": name, "digest": digest}).scalar()
        if known is None:
            insert_rows(connection, flow_revisions, [row])
        else:
            connection.execute(_AGAIN, {"the_id": known, "at": row["published_at"]})
        ids[name] = row["id"] if known is None else known
    return ids


def latest(connection: Connection) -> dict[str, Row]:
    """Return the revision in force for each name."""
    return {row["name"]: row for row in all_rows(connection.execute(_LATEST))}


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one revision."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))

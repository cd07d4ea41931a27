"""The desk: what staff keep about conversations: whose they are, what was read, who is looking, what may wait."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table

from storage.database import Id, Moment, Words, metadata

desk = Table(
    "desk",
    metadata,
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True, autoincrement=False),
    Column("assignee_id", Id, ForeignKey("staff.id")),
    Column("snoozed_until", Moment),
    Column("done_message_id", BigInteger),  #: settled up to this message; a newer text opens it again
    Column("changed_at", Moment, nullable=False),
)
Index(
    "ix_desk_assignee_id",
    desk.c.assignee_id,
    sqlite_where=desk.c.assignee_id.is_not(None),
    postgresql_where=desk.c.assignee_id.is_not(None),
)
Index(
    "ix_desk_snoozed_until",
    desk.c.snoozed_until,
    sqlite_where=desk.c.snoozed_until.is_not(None),
    postgresql_where=desk.c.snoozed_until.is_not(None),
)

reads = Table(
    "desk_reads",
    metadata,
    Column("staff_id", Id, ForeignKey("staff.id"), primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, nullable=False),  #: read up to this one
)

presence = Table(
    "desk_presence",
    metadata,
    Column("staff_id", Id, ForeignKey("staff.id"), primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("writing", Boolean, nullable=False, default=False),
    Column("seen_at", Moment, nullable=False),
)
Index("ix_desk_presence_customer_id", presence.c.customer_id)

leases = Table(
    "leases",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("staff_id", Id, ForeignKey("staff.id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),  #: as last extended
    Column("ended_at", Moment),
    Column("how", Words),  #: resume, ask_again, end, ran_out, taken_over
)
Index("ix_leases_customer_id_id", leases.c.customer_id, leases.c.id)
Index(
    "ix_leases_held",
    leases.c.customer_id,
    unique=True,
    sqlite_where=leases.c.ended_at.is_(None),
    postgresql_where=leases.c.ended_at.is_(None),
)
Index(
    "ix_leases_running",
    leases.c.ends_at,
    sqlite_where=leases.c.ended_at.is_(None),
    postgresql_where=leases.c.ended_at.is_(None),
)

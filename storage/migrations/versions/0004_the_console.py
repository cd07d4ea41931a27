"""The console: staff, audit log, desk, notes, saved things, lessons, approvals, profile changes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Document, Id, Moment, Words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: The audit log only grows; retention lets go of what lies before the id in the switch `audit_kept_from`.
SQLITE = [
    "CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN"
    " SELECT RAISE(ABORT, 'audit_log is append-only'); END",
    "CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log"
    " WHEN OLD.id >= COALESCE((SELECT CAST(value AS INTEGER) FROM switches WHERE key = 'audit_kept_from'), 0)"
    " BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END",
]
POSTGRES = [
    """CREATE FUNCTION regulars_audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF OLD.id >= COALESCE((SELECT value::text::bigint FROM switches WHERE key = 'audit_kept_from'), 0) THEN
        RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN OLD;
    END $$""",
    "CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log"
    " FOR EACH ROW EXECUTE FUNCTION regulars_append_only()",
    "CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION regulars_audit_kept()",
    "CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log"
    " FOR EACH STATEMENT EXECUTE FUNCTION regulars_append_only()",
]

#: Who has a tag, kept beside `customers.tags`. A text of a customer, whose tags stay, pays nothing for it.
_TAGS_IN_SQLITE = (
    "INSERT OR IGNORE INTO customer_tags (tag, customer_id)"
    " SELECT CAST(value AS TEXT), NEW.id FROM json_each(NEW.tags);"
)
_UNTAG_IN_SQLITE = (
    "DELETE FROM customer_tags WHERE customer_id = OLD.id"
    " AND tag IN (SELECT CAST(value AS TEXT) FROM json_each(OLD.tags));"
)
TAGS_SQLITE = [
    "INSERT OR IGNORE INTO customer_tags (tag, customer_id)"
    " SELECT CAST(value AS TEXT), customers.id FROM customers, json_each(customers.tags) WHERE tags <> '[]'",
    f"CREATE TRIGGER customers_tagged AFTER INSERT ON customers WHEN NEW.tags <> '[]' BEGIN {_TAGS_IN_SQLITE} END",
    "CREATE TRIGGER customers_retagged AFTER UPDATE OF tags ON customers WHEN NEW.tags IS NOT OLD.tags"
    f" BEGIN {_UNTAG_IN_SQLITE} {_TAGS_IN_SQLITE} END",
    f"CREATE TRIGGER customers_untagged AFTER DELETE ON customers WHEN OLD.tags <> '[]' BEGIN {_UNTAG_IN_SQLITE} END",
]
TAGS_POSTGRES = [
    "INSERT INTO customer_tags (tag, customer_id) SELECT DISTINCT tag, id FROM customers,"
    " jsonb_array_elements_text(tags) AS tag WHERE tags <> '[]'::jsonb",
    """CREATE FUNCTION regulars_keep_tags() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP <> 'INSERT' THEN
        DELETE FROM customer_tags WHERE customer_id = OLD.id
          AND tag IN (SELECT jsonb_array_elements_text(OLD.tags));
      END IF;
      IF TG_OP <> 'DELETE' THEN
        INSERT INTO customer_tags (tag, customer_id)
          SELECT DISTINCT tag, NEW.id FROM jsonb_array_elements_text(NEW.tags) AS tag ON CONFLICT DO NOTHING;
      END IF;
      RETURN NULL;
    END $$""",
    "CREATE TRIGGER customers_tagged AFTER INSERT ON customers"
    " FOR EACH ROW WHEN (NEW.tags <> '[]'::jsonb) EXECUTE FUNCTION regulars_keep_tags()",
    "CREATE TRIGGER customers_retagged AFTER UPDATE OF tags ON customers"
    " FOR EACH ROW WHEN (NEW.tags IS DISTINCT FROM OLD.tags) EXECUTE FUNCTION regulars_keep_tags()",
    "CREATE TRIGGER customers_untagged AFTER DELETE ON customers"
    " FOR EACH ROW WHEN (OLD.tags <> '[]'::jsonb) EXECUTE FUNCTION regulars_keep_tags()",
]


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("who", Words(), nullable=False),
        sa.Column("action", Words(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("detail", Document(), nullable=False),
        sa.Column("address", Words(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_action_id", "audit_log", ["action", "id"], unique=False)
    op.create_index(
        "ix_audit_log_customer_id_id",
        "audit_log",
        ["customer_id", "id"],
        unique=False,
        sqlite_where=sa.text("customer_id IS NOT NULL"),
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_index("ix_audit_log_staff_id_id", "audit_log", ["staff_id", "id"], unique=False)
    op.create_table(
        "saved_replies",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("title", Words(), nullable=False),
        sa.Column("body", Words(), nullable=False),
        sa.Column("language", Words(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("removed_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_replies")),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", Words(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.Column("locked_until", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_attempts")),
    )
    op.create_table(
        "staff",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("email", Words(), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("role", Words(), nullable=False),
        sa.Column("language", Words(), nullable=False),
        sa.Column("password", Words(), nullable=True),
        sa.Column("totp", Words(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("subject", Words(), nullable=True),
        sa.Column("preferences", Document(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=True),
        sa.Column("disabled_at", Moment(), nullable=True),
        sa.CheckConstraint("role IN ('support', 'marketer', 'manager', 'admin')", name=op.f("ck_staff_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
        sa.UniqueConstraint("subject", name=op.f("uq_staff_subject")),
    )
    op.create_table(
        "approvals",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("reason", Words(), nullable=False),
        sa.Column("key", Words(), nullable=False),
        sa.Column("reverses", Words(), nullable=True),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("decision", Words(), nullable=True),
        sa.Column("answer", Words(), nullable=True),
        sa.CheckConstraint("decision IN ('allowed', 'refused')", name=op.f("ck_approvals_decision")),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> asked_by", name=op.f("ck_approvals_second_person")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_approvals_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("key", name=op.f("uq_approvals_key")),
    )
    op.create_index("ix_approvals_asked_by_id", "approvals", ["asked_by", "id"], unique=False)
    op.create_index("ix_approvals_customer_id", "approvals", ["customer_id"], unique=False)
    op.create_index(
        "ix_approvals_open",
        "approvals",
        ["id"],
        unique=False,
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_table(
        "desk",
        sa.Column("customer_id", Id, autoincrement=False, nullable=False),
        sa.Column("assignee_id", Id, nullable=True),
        sa.Column("snoozed_until", Moment(), nullable=True),
        sa.Column("done_message_id", sa.BigInteger(), nullable=True),
        sa.Column("handoff_id", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["assignee_id"], ["staff.id"], name=op.f("fk_desk_assignee_id_staff")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_desk_customer_id_customers")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_desk")),
    )
    op.create_index(
        "ix_desk_assignee_id_changed_at",
        "desk",
        ["assignee_id", "changed_at"],
        unique=False,
        sqlite_where=sa.text("assignee_id IS NOT NULL"),
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.create_index(
        "ix_desk_snoozed_until",
        "desk",
        ["snoozed_until"],
        unique=False,
        sqlite_where=sa.text("snoozed_until IS NOT NULL"),
        postgresql_where=sa.text("snoozed_until IS NOT NULL"),
    )
    op.create_table(
        "desk_presence",
        sa.Column("staff_id", Id, autoincrement=False, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("writing", sa.Boolean(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_desk_presence_customer_id_customers")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_desk_presence_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_desk_presence")),
    )
    op.create_index("ix_desk_presence_customer_id", "desk_presence", ["customer_id"], unique=False)
    op.create_table(
        "desk_reads",
        sa.Column("staff_id", Id, autoincrement=False, nullable=False),
        sa.Column("customer_id", Id, autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_desk_reads_customer_id_customers")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_desk_reads_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", "customer_id", name=op.f("pk_desk_reads")),
    )
    op.create_table(
        "leases",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("staff_id", Id, nullable=False),
        sa.Column("began_at", Moment(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("how", Words(), nullable=True),
        sa.Column("reason", Words(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_leases_customer_id_customers")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_leases_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
    )
    op.create_index("ix_leases_customer_id_id", "leases", ["customer_id", "id"], unique=False)
    op.create_index(
        "ix_leases_held",
        "leases",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_leases_running",
        "leases",
        ["ends_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "staff_answers",
        sa.Column("key", Words(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_staff_answers")),
    )
    op.create_table(
        "lessons",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", Id, nullable=True),
        sa.Column("text", Words(), nullable=False),
        sa.Column("language", Words(), nullable=False),
        sa.Column("state", Words(), nullable=True),
        sa.Column("consent", Words(), nullable=True),
        sa.Column("understood", Document(), nullable=True),
        sa.Column("decision", Words(), nullable=False),
        sa.Column("intent", Words(), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_lessons_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
        sa.UniqueConstraint("message_id", name=op.f("uq_lessons_message_id")),
    )
    op.create_index("ix_lessons_customer_id", "lessons", ["customer_id"], unique=False)
    op.create_table(
        "notes",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("body", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_notes_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_customer_id_id", "notes", ["customer_id", "id"], unique=False)
    op.create_table(
        "profile_changes",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("field", Words(), nullable=False),
        sa.Column("before", Document(), nullable=True),
        sa.Column("after", Document(), nullable=True),
        sa.Column("by", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_profile_changes_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_changes")),
    )
    op.create_index("ix_profile_changes_customer_id_id", "profile_changes", ["customer_id", "id"], unique=False)
    op.create_table(
        "saved_views",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("staff_id", Id, nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("query", Document(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_saved_views_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
    )
    op.create_table(
        "staff_links",
        sa.Column("digest", Words(), nullable=False),
        sa.Column("staff_id", Id, nullable=True),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_links_staff_id_staff")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_staff_links")),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("digest", Words(), nullable=False),
        sa.Column("staff_id", Id, nullable=False),
        sa.Column("second_factor_due", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("address", Words(), nullable=True),
        sa.Column("agent", Words(), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id_staff")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_staff_sessions")),
    )
    op.create_index("ix_staff_sessions_ends_at", "staff_sessions", ["ends_at"], unique=False)
    op.create_index("ix_staff_sessions_staff_id", "staff_sessions", ["staff_id"], unique=False)
    op.create_table(
        "mentions",
        sa.Column("note_id", Id, autoincrement=False, nullable=False),
        sa.Column("staff_id", Id, autoincrement=False, nullable=False),
        sa.Column("read_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["note_id"], ["notes.id"], name=op.f("fk_mentions_note_id_notes")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_mentions_staff_id_staff")),
        sa.PrimaryKeyConstraint("note_id", "staff_id", name=op.f("pk_mentions")),
    )
    op.create_index(
        "ix_mentions_unread",
        "mentions",
        ["staff_id"],
        unique=False,
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_index(
        "ix_consent_records_left",
        "consent_records",
        ["id"],
        unique=False,
        sqlite_where=sa.text("status = 'unsubscribed'"),
        postgresql_where=sa.text("status = 'unsubscribed'"),
    )
    op.create_index(
        "ix_conversations_open_flow",
        "conversations",
        ["flow", "id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_facts_customer_id_recorded_at", "facts", ["customer_id", "recorded_at"], unique=False)
    op.create_index("ix_handoffs_customer_id", "handoffs", ["customer_id"], unique=False)
    op.add_column("customers", sa.Column("merged_into", Id, nullable=True))
    op.add_column("handoffs", sa.Column("closed_why", Words(), nullable=True))
    op.create_index(
        "ix_handoffs_open",
        "handoffs",
        ["requested_at", "id"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.add_column("ledger", sa.Column("staff_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_ledger_staff_id_at",
        "ledger",
        ["staff_id", "at"],
        unique=False,
        sqlite_where=sa.text("staff_id IS NOT NULL"),
        postgresql_where=sa.text("staff_id IS NOT NULL"),
    )
    op.add_column("vouchers", sa.Column("staff_id", sa.BigInteger(), nullable=True))
    op.add_column("vouchers", sa.Column("given_for", Words(), nullable=True))
    op.add_column("messages", sa.Column("staff_id", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("misunderstood", sa.Boolean(), nullable=True))
    op.create_index(
        "ix_messages_inbound",
        "messages",
        ["id"],
        unique=False,
        sqlite_where=sa.text("direction = 'in' AND customer_id IS NOT NULL"),
        postgresql_where=sa.text("direction = 'in' AND customer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_misunderstood",
        "messages",
        ["id"],
        unique=False,
        sqlite_where=sa.text("misunderstood IS NOT NULL"),
        postgresql_where=sa.text("misunderstood IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_misunderstood_of",
        "messages",
        ["customer_id", "id"],
        unique=False,
        sqlite_where=sa.text("misunderstood IS NOT NULL"),
        postgresql_where=sa.text("misunderstood IS NOT NULL"),
    )
    op.add_column("messages", sa.Column("unanswered", sa.Boolean(), nullable=True))
    op.create_index(
        "ix_messages_unanswered",
        "messages",
        ["id"],
        unique=False,
        sqlite_where=sa.text("unanswered IS NOT NULL"),
        postgresql_where=sa.text("unanswered IS NOT NULL"),
    )
    op.create_table(
        "customer_tags",
        sa.Column("tag", Words(), nullable=False),
        sa.Column("customer_id", Id, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tag", "customer_id", name=op.f("pk_customer_tags")),
    )
    op.create_table(
        "tallies",
        sa.Column("measure", Words(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("part", Words(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("measure", "day", "part", name=op.f("pk_tallies")),
    )
    op.create_index("ix_messages_created_at", "messages", ["created_at"], unique=False)
    op.create_index("ix_ledger_at", "ledger", ["at"], unique=False)
    op.create_index("ix_consent_records_at", "consent_records", ["at"], unique=False)
    op.create_index("ix_handoffs_requested_at", "handoffs", ["requested_at"], unique=False)
    op.create_index(
        "ix_vouchers_redeemed_at",
        "vouchers",
        ["redeemed_at"],
        unique=False,
        sqlite_where=sa.text("redeemed_at IS NOT NULL"),
        postgresql_where=sa.text("redeemed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_undelivered_of",
        "messages",
        ["customer_id", "id"],
        unique=False,
        sqlite_where=sa.text("error_code IS NOT NULL"),
        postgresql_where=sa.text("error_code IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_undelivered",
        "messages",
        ["id"],
        unique=False,
        sqlite_where=sa.text("error_code IS NOT NULL"),
        postgresql_where=sa.text("error_code IS NOT NULL"),
    )

    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in [*SQLITE, *TAGS_SQLITE] if sqlite else [*POSTGRES, *TAGS_POSTGRES]:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in ("no_update", "no_delete", "no_truncate"):
            op.execute(f"DROP TRIGGER audit_log_{name} ON audit_log")
        op.execute("DROP FUNCTION regulars_audit_kept()")
    for name in ("tagged", "retagged", "untagged"):
        on = " ON customers" if op.get_bind().dialect.name == "postgresql" else ""
        op.execute(f"DROP TRIGGER customers_{name}{on}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION regulars_keep_tags()")
    op.drop_table("customer_tags")
    op.drop_index(
        "ix_messages_unanswered",
        table_name="messages",
        sqlite_where=sa.text("unanswered IS NOT NULL"),
        postgresql_where=sa.text("unanswered IS NOT NULL"),
    )
    op.drop_column("messages", "unanswered")
    op.drop_index(
        "ix_vouchers_redeemed_at",
        table_name="vouchers",
        sqlite_where=sa.text("redeemed_at IS NOT NULL"),
        postgresql_where=sa.text("redeemed_at IS NOT NULL"),
    )
    op.drop_index("ix_handoffs_requested_at", table_name="handoffs")
    op.drop_index("ix_consent_records_at", table_name="consent_records")
    op.drop_index("ix_ledger_at", table_name="ledger")
    op.drop_index("ix_messages_created_at", table_name="messages")
    op.drop_table("tallies")
    op.drop_index(
        "ix_messages_undelivered",
        table_name="messages",
        sqlite_where=sa.text("error_code IS NOT NULL"),
        postgresql_where=sa.text("error_code IS NOT NULL"),
    )
    op.drop_index(
        "ix_messages_undelivered_of",
        table_name="messages",
        sqlite_where=sa.text("error_code IS NOT NULL"),
        postgresql_where=sa.text("error_code IS NOT NULL"),
    )
    op.drop_index(
        "ix_messages_misunderstood",
        table_name="messages",
        sqlite_where=sa.text("misunderstood IS NOT NULL"),
        postgresql_where=sa.text("misunderstood IS NOT NULL"),
    )
    op.drop_index(
        "ix_messages_misunderstood_of",
        table_name="messages",
        sqlite_where=sa.text("misunderstood IS NOT NULL"),
        postgresql_where=sa.text("misunderstood IS NOT NULL"),
    )
    op.drop_index(
        "ix_messages_inbound",
        table_name="messages",
        sqlite_where=sa.text("direction = 'in' AND customer_id IS NOT NULL"),
        postgresql_where=sa.text("direction = 'in' AND customer_id IS NOT NULL"),
    )
    op.drop_column("messages", "misunderstood")
    op.drop_column("messages", "staff_id")
    op.drop_column("vouchers", "given_for")
    op.drop_column("vouchers", "staff_id")
    op.drop_index(
        "ix_ledger_staff_id_at",
        table_name="ledger",
        sqlite_where=sa.text("staff_id IS NOT NULL"),
        postgresql_where=sa.text("staff_id IS NOT NULL"),
    )
    op.drop_column("ledger", "staff_id")
    op.drop_index(
        "ix_handoffs_open",
        table_name="handoffs",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.drop_column("handoffs", "closed_why")
    op.drop_column("customers", "merged_into")
    op.drop_index("ix_handoffs_customer_id", table_name="handoffs")
    op.drop_index("ix_facts_customer_id_recorded_at", table_name="facts")
    op.drop_index(
        "ix_conversations_open_flow",
        table_name="conversations",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index(
        "ix_consent_records_left",
        table_name="consent_records",
        sqlite_where=sa.text("status = 'unsubscribed'"),
        postgresql_where=sa.text("status = 'unsubscribed'"),
    )
    op.drop_index(
        "ix_mentions_unread",
        table_name="mentions",
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.drop_table("mentions")
    op.drop_index("ix_staff_sessions_staff_id", table_name="staff_sessions")
    op.drop_index("ix_staff_sessions_ends_at", table_name="staff_sessions")
    op.drop_table("staff_sessions")
    op.drop_table("staff_links")
    op.drop_table("saved_views")
    op.drop_index("ix_profile_changes_customer_id_id", table_name="profile_changes")
    op.drop_table("profile_changes")
    op.drop_index("ix_notes_customer_id_id", table_name="notes")
    op.drop_table("notes")
    op.drop_index("ix_lessons_customer_id", table_name="lessons")
    op.drop_table("lessons")
    op.drop_index(
        "ix_leases_running",
        table_name="leases",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index(
        "ix_leases_held",
        table_name="leases",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index("ix_leases_customer_id_id", table_name="leases")
    op.drop_table("leases")
    op.drop_table("staff_answers")
    op.drop_table("desk_reads")
    op.drop_index("ix_desk_presence_customer_id", table_name="desk_presence")
    op.drop_table("desk_presence")
    op.drop_index(
        "ix_desk_snoozed_until",
        table_name="desk",
        sqlite_where=sa.text("snoozed_until IS NOT NULL"),
        postgresql_where=sa.text("snoozed_until IS NOT NULL"),
    )
    op.drop_index(
        "ix_desk_assignee_id_changed_at",
        table_name="desk",
        sqlite_where=sa.text("assignee_id IS NOT NULL"),
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.drop_table("desk")
    op.drop_index(
        "ix_approvals_open",
        table_name="approvals",
        sqlite_where=sa.text("decided_at IS NULL"),
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.drop_index("ix_approvals_customer_id", table_name="approvals")
    op.drop_index("ix_approvals_asked_by_id", table_name="approvals")
    op.drop_table("approvals")
    op.drop_table("staff")
    op.drop_table("sign_in_attempts")
    op.drop_table("saved_replies")
    op.drop_index("ix_audit_log_staff_id_id", table_name="audit_log")
    op.drop_index(
        "ix_audit_log_customer_id_id",
        table_name="audit_log",
        sqlite_where=sa.text("customer_id IS NOT NULL"),
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.drop_index("ix_audit_log_action_id", table_name="audit_log")
    op.drop_table("audit_log")

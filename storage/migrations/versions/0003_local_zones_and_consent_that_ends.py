"""Local zones, consent that ends, tiers kept for a while"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Moment, Words

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

SERVICE = sa.text("purpose = 'service'")
UNPLACED = sa.text("consent = 'subscribed' AND (local_zone IS NULL OR (zone IS NOT NULL AND zone <> local_zone))")

FOLLOW = """UPDATE customers SET consent = NEW.status,{ends}
        joined_at = CASE WHEN joined_at IS NULL AND NEW.status = 'subscribed' THEN NEW.at ELSE joined_at END
        WHERE id = NEW.customer_id;"""
ENDS = " consent_expires_at = NEW.expires_at,"


def follow(ends: str) -> None:
    """Let the customer's consent follow the newest record, with or without its end."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER consent_follow")
        op.execute(f"CREATE TRIGGER consent_follow AFTER INSERT ON consent_records BEGIN {FOLLOW.format(ends=ends)} END")
    else:
        op.execute(
            "CREATE OR REPLACE FUNCTION regulars_follow_consent() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN {FOLLOW.format(ends=ends)} RETURN NULL; END $$"
        )


def upgrade() -> None:
    op.add_column('customers', sa.Column('local_zone', Words(), nullable=True))
    op.add_column('customers', sa.Column('consent_expires_at', Moment(), nullable=True))
    op.add_column('customers', sa.Column('tier_until', Moment(), nullable=True))
    op.add_column('consent_records', sa.Column('expires_at', Moment(), nullable=True))
    op.create_index('ix_customers_unplaced', 'customers', ['id'], unique=False, sqlite_where=UNPLACED, postgresql_where=UNPLACED)
    op.create_index('ix_messages_service', 'messages', ['customer_id', 'sent_at'], unique=False, sqlite_where=SERVICE, postgresql_where=SERVICE)
    follow(ENDS)


def downgrade() -> None:
    follow("")
    op.drop_index('ix_messages_service', table_name='messages', sqlite_where=SERVICE, postgresql_where=SERVICE)
    op.drop_index('ix_customers_unplaced', table_name='customers', sqlite_where=UNPLACED, postgresql_where=UNPLACED)
    op.drop_column('consent_records', 'expires_at')
    op.drop_column('customers', 'tier_until')
    op.drop_column('customers', 'consent_expires_at')
    op.drop_column('customers', 'local_zone')

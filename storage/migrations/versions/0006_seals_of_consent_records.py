"""Seals of consent records"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Id, Moment, Words

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

CAUSED = sa.text("message_id IS NOT NULL")
MERGED = sa.text("merged_into IS NOT NULL")
SQLITE = [
    f"CREATE TRIGGER seals_no_{verb.lower()} BEFORE {verb} ON seals BEGIN"
    " SELECT RAISE(ABORT, 'seals is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]
POSTGRES = [
    "CREATE TRIGGER seals_append_only BEFORE UPDATE OR DELETE ON seals"
    " FOR EACH ROW EXECUTE FUNCTION regulars_append_only()",
    "CREATE TRIGGER seals_no_truncate BEFORE TRUNCATE ON seals"
    " FOR EACH STATEMENT EXECUTE FUNCTION regulars_append_only()",
]


def upgrade() -> None:
    op.create_table('seals',
    sa.Column('record_id', Id, autoincrement=False, nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('key', Words(), nullable=False),
    sa.Column('previous', Words(), nullable=False),
    sa.Column('digest', Words(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('record_id', name=op.f('pk_seals')),
    sa.UniqueConstraint('number', name=op.f('uq_seals_number'))
    )
    op.add_column('consent_records', sa.Column('staff_id', sa.BigInteger(), nullable=True))
    op.create_index('ix_consent_records_message_id', 'consent_records', ['message_id'], unique=False, sqlite_where=CAUSED, postgresql_where=CAUSED)
    op.create_index('ix_customers_merged_into', 'customers', ['merged_into'], unique=False, sqlite_where=MERGED, postgresql_where=MERGED)
    op.create_index('ix_audit_log_at', 'audit_log', ['at'], unique=False)
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index('ix_audit_log_at', table_name='audit_log')
    op.drop_index('ix_customers_merged_into', table_name='customers', sqlite_where=MERGED, postgresql_where=MERGED)
    op.drop_index('ix_consent_records_message_id', table_name='consent_records', sqlite_where=CAUSED, postgresql_where=CAUSED)
    op.drop_column('consent_records', 'staff_id')
    op.drop_table('seals')

"""Lanes, sending budgets, unknown outcomes that are looked up"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Moment, Words

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
DEAD = sa.text("state = 'dead'")
LANES = """UPDATE messages SET lane = CASE WHEN purpose IN ('reply', 'opt_out_confirmation') THEN '0'
    WHEN purpose = 'marketing' THEN '2' ELSE '1' END || '|' || sender || '|' || COALESCE(flow, '')
    WHERE state = 'queued'"""


def upgrade() -> None:
    op.create_table('sending_budgets',
    sa.Column('sender', Words(), nullable=False),
    sa.Column('tokens', sa.Float(), nullable=False),
    sa.Column('refilled_at', Moment(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.Column('paused_until', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('sender', name=op.f('pk_sending_budgets'))
    )
    op.add_column('messages', sa.Column('attempted_at', Moment(), nullable=True))
    op.add_column('messages', sa.Column('lane', Words(), nullable=True))
    op.execute(LANES)
    op.drop_index('ix_messages_queued', table_name='messages', sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.create_index('ix_messages_lanes', 'messages', ['lane', 'send_after', 'id'], unique=False, sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.create_index('ix_messages_dead', 'messages', ['id'], unique=False, sqlite_where=DEAD, postgresql_where=DEAD)


def downgrade() -> None:
    op.drop_index('ix_messages_dead', table_name='messages', sqlite_where=DEAD, postgresql_where=DEAD)
    op.drop_index('ix_messages_lanes', table_name='messages', sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.create_index('ix_messages_queued', 'messages', ['send_after', 'id'], unique=False, sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.drop_column('messages', 'lane')
    op.drop_column('messages', 'attempted_at')
    op.drop_table('sending_budgets')

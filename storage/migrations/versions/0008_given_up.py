"""Timers and facts that make trouble are given up in the end"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Words

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

TABLES = ('timers', 'facts')


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column('troubles', sa.Integer(), server_default='0', nullable=False))
        op.add_column(table, sa.Column('trouble', Words(), nullable=True))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, 'trouble')
        op.drop_column(table, 'troubles')

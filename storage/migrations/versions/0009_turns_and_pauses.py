"""Whose turn it was last, and how often in a row the carrier refused a sender"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Document

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sending_budgets', sa.Column('served', Document(), nullable=True))
    op.add_column('sending_budgets', sa.Column('refusals', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('sending_budgets', 'refusals')
    op.drop_column('sending_budgets', 'served')

"""Numbers that work again: since when failures to reach them count"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Moment

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('customers', sa.Column('failures_since', Moment(), nullable=True))


def downgrade() -> None:
    op.drop_column('customers', 'failures_since')

"""Second tries: a message that could not be delivered is sent again once, as a message of its own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('messages', sa.Column('retry_of', sa.BigInteger(), nullable=True))
    op.create_index(
        'ix_messages_retry_of',
        'messages',
        ['retry_of'],
        unique=True,
        sqlite_where=sa.text('retry_of IS NOT NULL'),
        postgresql_where=sa.text('retry_of IS NOT NULL'),
    )


def downgrade() -> None:
    op.drop_index('ix_messages_retry_of', table_name='messages')
    op.drop_column('messages', 'retry_of')

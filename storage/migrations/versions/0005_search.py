"""Search"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from storage.columns import Words

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
Wordlist = sa.Text().with_variant(TSVECTOR(), 'postgresql')
Word = Words().with_variant(sa.Text(collation='C'), 'postgresql')
USED_AGAIN = sa.text('texts > 1')
SHELVES = ('search_texts', 'search_customers')
SQLITE = [
    "CREATE VIRTUAL TABLE {0}_fts USING fts5(words, content='{0}', content_rowid='id',"
    " tokenize=\"ascii tokenchars '#'\", columnsize=0)",
    "CREATE TRIGGER {0}_added AFTER INSERT ON {0} BEGIN"
    " INSERT INTO {0}_fts(rowid, words) VALUES (NEW.id, NEW.words); END",
    "CREATE TRIGGER {0}_removed AFTER DELETE ON {0} BEGIN"
    " INSERT INTO {0}_fts({0}_fts, rowid, words) VALUES ('delete', OLD.id, OLD.words); END",
]
POSTGRES = ["CREATE INDEX ix_{0}_words ON {0} USING gin (words) WITH (gin_pending_list_limit = 512)"]


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == 'sqlite'
    for shelf in SHELVES:
        op.create_table(shelf,
        sa.Column('id', Id, autoincrement=False, nullable=False),
        sa.Column('words', Wordlist, nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{shelf}'))
        )
        for statement in SQLITE if sqlite else POSTGRES:
            op.execute(statement.format(shelf))
    op.create_table('search_vocabulary',
    sa.Column('shelf', Words(), nullable=False),
    sa.Column('word', Word, nullable=False),
    sa.Column('texts', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('shelf', 'word', name=op.f('pk_search_vocabulary'))
    )
    op.create_index('ix_search_vocabulary_used_again', 'search_vocabulary', ['shelf', 'word'], unique=False, sqlite_where=USED_AGAIN, postgresql_where=USED_AGAIN)


def downgrade() -> None:
    op.drop_table('search_vocabulary')
    for shelf in SHELVES:
        if op.get_bind().dialect.name == 'sqlite':
            op.drop_table(f'{shelf}_fts')
        op.drop_table(shelf)

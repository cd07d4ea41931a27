"""Erasure"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Document, Id, Moment, Words

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

UNSCRUBBED = sa.text('scrubbed_at IS NULL')

#: Append-only, but for the rows of somebody with a row in `erasures`: those of consent_records and status_log may be
#: deleted; those of the ledger may lose their words and keys, and keep every amount and moment.
LEDGER_FACTS = ('id', 'customer_id', 'kind', 'points', 'qualifying', 'expires_at', 'lots', 'staff_id', 'at')
WORDS_GONE = "NEW.reason = '' AND NEW.key = 'erased:' || OLD.id AND NEW.message_id IS NULL"
KEY_STAYS = "NEW.reason = OLD.reason AND NEW.key = OLD.key"
BLANKED = f"(NEW.reverses IS NULL OR NEW.reverses LIKE 'erased:%') AND (({WORDS_GONE}) OR ({KEY_STAYS}))"
SQLITE_BLANKED = ' AND '.join([*(f'NEW.{name} IS OLD.{name}' for name in LEDGER_FACTS), BLANKED])
POSTGRES_BLANKED = ' AND '.join([*(f'NEW.{name} IS NOT DISTINCT FROM OLD.{name}' for name in LEDGER_FACTS), BLANKED])
ERASED = 'EXISTS (SELECT 1 FROM erasures WHERE customer_id = OLD.customer_id)'
ERASED_MESSAGE = """(EXISTS (SELECT 1 FROM messages JOIN erasures ON erasures.customer_id = messages.customer_id
      WHERE messages.id = OLD.message_id)
    OR (OLD.message_id IS NULL AND EXISTS (SELECT 1 FROM messages
      JOIN erasures ON erasures.customer_id = messages.customer_id WHERE messages.sid = OLD.sid)))"""
#: An erasure is never taken back; what is added later is added once.
ONCE = ('scrubbed_at', 'lifted_at')
ERASURE_FACTS = ('customer_id', 'at', 'by', 'number_digest')

SQLITE = [
    'DROP TRIGGER ledger_no_update',
    f"CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger WHEN NOT ({ERASED} AND {SQLITE_BLANKED})"
    " BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END",
    'DROP TRIGGER consent_records_no_delete',
    f"CREATE TRIGGER consent_records_no_delete BEFORE DELETE ON consent_records WHEN NOT {ERASED}"
    " BEGIN SELECT RAISE(ABORT, 'consent_records is append-only'); END",
    'DROP TRIGGER status_log_no_delete',
    f"CREATE TRIGGER status_log_no_delete BEFORE DELETE ON status_log WHEN NOT {ERASED_MESSAGE}"
    " BEGIN SELECT RAISE(ABORT, 'status_log is append-only'); END",
    'CREATE TRIGGER erasures_no_update BEFORE UPDATE ON erasures WHEN '
    + ' OR '.join(
        [
            *(f'NEW."{name}" IS NOT OLD."{name}"' for name in ERASURE_FACTS),
            *(f'(OLD.{name} IS NOT NULL AND NEW.{name} IS NOT OLD.{name})' for name in ONCE),
        ]
    )
    + " BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END",
    "CREATE TRIGGER erasures_no_delete BEFORE DELETE ON erasures"
    " BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END",
]
SQLITE_BACK = [
    statement
    for table, verb in (('ledger', 'UPDATE'), ('consent_records', 'DELETE'), ('status_log', 'DELETE'))
    for statement in (
        f'DROP TRIGGER {table}_no_{verb.lower()}',
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN"
        f" SELECT RAISE(ABORT, '{table} is append-only'); END",
    )
]


def guard(name: str, allowed: str) -> str:
    """Return a PostgreSQL function that lets pass what is allowed and refuses the rest."""
    return f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      {allowed}
      RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$"""


GUARDED = {
    'ledger': ('regulars_ledger_kept', f"IF TG_OP = 'UPDATE' THEN IF {ERASED} AND {POSTGRES_BLANKED} THEN RETURN NEW; END IF; END IF;"),
    'consent_records': ('regulars_consent_kept', f"IF TG_OP = 'DELETE' AND {ERASED} THEN RETURN OLD; END IF;"),
    'status_log': ('regulars_status_log_kept', f"IF TG_OP = 'DELETE' AND {ERASED_MESSAGE} THEN RETURN OLD; END IF;"),
}
ERASURE_GROWS = ' AND '.join(
    [
        *(f'NEW."{name}" IS NOT DISTINCT FROM OLD."{name}"' for name in ERASURE_FACTS),
        *(f'(OLD.{name} IS NULL OR NEW.{name} IS NOT DISTINCT FROM OLD.{name})' for name in ONCE),
    ]
)
POSTGRES = [
    *(guard(name, allowed) for name, allowed in GUARDED.values()),
    guard('regulars_erasures_kept', f"IF TG_OP = 'UPDATE' THEN IF {ERASURE_GROWS} THEN RETURN NEW; END IF; END IF;"),
    *(
        statement
        for table, (name, _) in GUARDED.items()
        for statement in (
            f'DROP TRIGGER {table}_append_only ON {table}',
            f'CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}'
            f' FOR EACH ROW EXECUTE FUNCTION {name}()',
        )
    ),
    'CREATE TRIGGER erasures_append_only BEFORE UPDATE OR DELETE ON erasures'
    ' FOR EACH ROW EXECUTE FUNCTION regulars_erasures_kept()',
    'CREATE TRIGGER erasures_no_truncate BEFORE TRUNCATE ON erasures'
    ' FOR EACH STATEMENT EXECUTE FUNCTION regulars_append_only()',
]
POSTGRES_BACK = [
    'DROP TRIGGER erasures_append_only ON erasures',
    'DROP TRIGGER erasures_no_truncate ON erasures',
    *(
        statement
        for table in GUARDED
        for statement in (
            f'DROP TRIGGER {table}_append_only ON {table}',
            f'CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}'
            ' FOR EACH ROW EXECUTE FUNCTION regulars_append_only()',
        )
    ),
    *(f'DROP FUNCTION {name}()' for name, _ in GUARDED.values()),
    'DROP FUNCTION regulars_erasures_kept()',
]


def upgrade() -> None:
    op.create_table('erasures',
    sa.Column('customer_id', Id, autoincrement=False, nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('by', Words(), nullable=False),
    sa.Column('number_digest', Words(), nullable=False),
    sa.Column('counts', Document(), nullable=False),
    sa.Column('scrubbed_at', Moment(), nullable=True),
    sa.Column('lifted_at', Moment(), nullable=True),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_erasures_customer_id_customers')),
    sa.PrimaryKeyConstraint('customer_id', name=op.f('pk_erasures'))
    )
    op.create_index('ix_erasures_number_digest', 'erasures', ['number_digest'], unique=False)
    op.create_index('ix_erasures_unscrubbed', 'erasures', ['customer_id'], unique=False, sqlite_where=UNSCRUBBED, postgresql_where=UNSCRUBBED)
    op.create_index('ix_status_log_message_id', 'status_log', ['message_id'], unique=False)
    for statement in SQLITE if op.get_bind().dialect.name == 'sqlite' else POSTGRES:
        op.execute(statement)


def downgrade() -> None:
    back = SQLITE_BACK if op.get_bind().dialect.name == 'sqlite' else POSTGRES_BACK
    for statement in back:
        op.execute(statement)
    op.drop_index('ix_status_log_message_id', table_name='status_log')
    op.drop_index('ix_erasures_unscrubbed', table_name='erasures', sqlite_where=UNSCRUBBED, postgresql_where=UNSCRUBBED)
    op.drop_index('ix_erasures_number_digest', table_name='erasures')
    op.drop_table('erasures')

"""The first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import Document, Id, Moment, Words

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger", "consent_records", "status_log")

SQLITE = [
    """CREATE TRIGGER ledger_follow AFTER INSERT ON ledger BEGIN
      SELECT RAISE(ABORT, 'not enough points') FROM customers
        WHERE id = NEW.customer_id AND NEW.kind = 'burn' AND points + NEW.points < 0;
      UPDATE customers SET points = points + NEW.points, qualifying = qualifying + NEW.qualifying
        WHERE id = NEW.customer_id;
    END""",
    """CREATE TRIGGER consent_follow AFTER INSERT ON consent_records BEGIN
      UPDATE customers SET consent = NEW.status,
        joined_at = CASE WHEN joined_at IS NULL AND NEW.status = 'subscribed' THEN NEW.at ELSE joined_at END
        WHERE id = NEW.customer_id;
    END""",
    *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN"
        f" SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ),
]

POSTGRES = [
    """CREATE FUNCTION regulars_follow_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE customers SET points = points + NEW.points, qualifying = qualifying + NEW.qualifying
        WHERE id = NEW.customer_id AND (NEW.kind <> 'burn' OR points + NEW.points >= 0);
      IF NOT FOUND THEN
        RAISE EXCEPTION 'not enough points' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NULL;
    END $$""",
    "CREATE TRIGGER ledger_follow AFTER INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION regulars_follow_ledger()",
    """CREATE FUNCTION regulars_follow_consent() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE customers SET consent = NEW.status,
        joined_at = CASE WHEN joined_at IS NULL AND NEW.status = 'subscribed' THEN NEW.at ELSE joined_at END
        WHERE id = NEW.customer_id;
      RETURN NULL;
    END $$""",
    "CREATE TRIGGER consent_follow AFTER INSERT ON consent_records"
    " FOR EACH ROW EXECUTE FUNCTION regulars_follow_consent()",
    """CREATE FUNCTION regulars_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$""",
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION regulars_append_only()"
        for table in APPEND_ONLY
    ),
    *(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION regulars_append_only()"
        for table in APPEND_ONLY
    ),
]


def upgrade() -> None:
    op.create_table('customers',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('phone', Words(), nullable=False),
    sa.Column('language', Words(), nullable=False),
    sa.Column('language_chosen', sa.Boolean(), nullable=False),
    sa.Column('name', Words(), nullable=True),
    sa.Column('consent', Words(), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.Column('qualifying', sa.Integer(), nullable=False),
    sa.Column('tier', Words(), nullable=True),
    sa.Column('tags', Document(), nullable=False),
    sa.Column('attributes', Document(), nullable=False),
    sa.Column('marks', Document(), nullable=False),
    sa.Column('birthday', sa.Date(), nullable=True),
    sa.Column('email', Words(), nullable=True),
    sa.Column('frequency', Words(), nullable=False),
    sa.Column('purchases', sa.Integer(), nullable=False),
    sa.Column('spent_minor', Id, nullable=False),
    sa.Column('last_purchase_at', Moment(), nullable=True),
    sa.Column('joined_at', Moment(), nullable=True),
    sa.Column('referral_code', Words(), nullable=True),
    sa.Column('zone', Words(), nullable=True),
    sa.Column('held_by', Words(), nullable=True),
    sa.Column('held_until', Moment(), nullable=True),
    sa.Column('marketing_paused', sa.Boolean(), nullable=False),
    sa.Column('sendable', sa.Boolean(), nullable=False),
    sa.Column('created_at', Moment(), nullable=False),
    sa.CheckConstraint("consent IN ('none', 'pending', 'subscribed', 'unsubscribed')", name=op.f('ck_customers_consent')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_customers')),
    sa.UniqueConstraint('phone', name=op.f('uq_customers_phone')),
    sa.UniqueConstraint('referral_code', name=op.f('uq_customers_referral_code'))
    )
    op.create_index('ix_customers_subscribed_id', 'customers', ['id'], unique=False, sqlite_where=sa.text("consent = 'subscribed'"), postgresql_where=sa.text("consent = 'subscribed'"))
    op.create_index('ix_customers_subscribed_last_purchase_at', 'customers', ['last_purchase_at', 'id'], unique=False, sqlite_where=sa.text("consent = 'subscribed'"), postgresql_where=sa.text("consent = 'subscribed'"))
    op.create_table('flow_revisions',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('name', Words(), nullable=False),
    sa.Column('kind_of_file', Words(), nullable=False),
    sa.Column('digest', Words(), nullable=False),
    sa.Column('source', Words(), nullable=False),
    sa.Column('published_at', Moment(), nullable=False),
    sa.CheckConstraint("kind_of_file IN ('flow', 'programme', 'phrases')", name=op.f('ck_flow_revisions_kind_of_file')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_flow_revisions')),
    sa.UniqueConstraint('name', 'digest', name=op.f('uq_flow_revisions_name_digest'))
    )
    op.create_table('status_log',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('message_id', sa.BigInteger(), nullable=True),
    sa.Column('sid', Words(), nullable=True),
    sa.Column('status', Words(), nullable=False),
    sa.Column('error_code', Words(), nullable=True),
    sa.Column('raw', Document(), nullable=True),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_status_log'))
    )
    op.create_index('ix_status_log_early', 'status_log', ['sid'], unique=False, sqlite_where=sa.text('message_id IS NULL'), postgresql_where=sa.text('message_id IS NULL'))
    op.create_table('stock',
    sa.Column('reward', Words(), nullable=False),
    sa.Column('taken', sa.Integer(), nullable=False),
    sa.CheckConstraint('taken >= 0', name=op.f('ck_stock_taken')),
    sa.PrimaryKeyConstraint('reward', name=op.f('pk_stock'))
    )
    op.create_table('switches',
    sa.Column('key', Words(), nullable=False),
    sa.Column('value', Document(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_switches'))
    )
    op.create_table('consent_records',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('status', Words(), nullable=False),
    sa.Column('how', Words(), nullable=False),
    sa.Column('wording', Words(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=True),
    sa.Column('text', Words(), nullable=True),
    sa.Column('language', Words(), nullable=True),
    sa.Column('reason', Words(), nullable=True),
    sa.Column('message_id', sa.BigInteger(), nullable=True),
    sa.Column('at', Moment(), nullable=False),
    sa.CheckConstraint("how IN ('keyword', 'form', 'import', 'staff', 'carrier')", name=op.f('ck_consent_records_how')),
    sa.CheckConstraint("status IN ('pending', 'subscribed', 'unsubscribed')", name=op.f('ck_consent_records_status')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_consent_records_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent_records'))
    )
    op.create_index('ix_consent_records_customer_id', 'consent_records', ['customer_id'], unique=False)
    op.create_table('conversations',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('flow', Words(), nullable=False),
    sa.Column('revision_id', sa.BigInteger(), nullable=False),
    sa.Column('state', Words(), nullable=False),
    sa.Column('slots', Document(), nullable=False),
    sa.Column('turn_no', sa.Integer(), nullable=False),
    sa.Column('misses', sa.Integer(), nullable=False),
    sa.Column('parent_id', sa.BigInteger(), nullable=True),
    sa.Column('relation', Words(), nullable=True),
    sa.Column('outcome', Words(), nullable=True),
    sa.Column('opened_at', Moment(), nullable=False),
    sa.Column('updated_at', Moment(), nullable=False),
    sa.Column('ended_at', Moment(), nullable=True),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_conversations_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_conversations'))
    )
    op.create_index('ix_conversations_open', 'conversations', ['customer_id'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
    op.create_table('facts',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('name', Words(), nullable=False),
    sa.Column('key', Words(), nullable=False),
    sa.Column('data', Document(), nullable=False),
    sa.Column('recorded_at', Moment(), nullable=False),
    sa.Column('due_at', Moment(), nullable=False),
    sa.Column('handled_at', Moment(), nullable=True),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_facts_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_facts')),
    sa.UniqueConstraint('key', name=op.f('uq_facts_key'))
    )
    op.create_index('ix_facts_waiting', 'facts', ['due_at', 'id'], unique=False, sqlite_where=sa.text('handled_at IS NULL'), postgresql_where=sa.text('handled_at IS NULL'))
    op.create_table('handoffs',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('reason', Words(), nullable=False),
    sa.Column('message_id', sa.BigInteger(), nullable=True),
    sa.Column('requested_at', Moment(), nullable=False),
    sa.Column('closed_at', Moment(), nullable=True),
    sa.Column('closed_by', Words(), nullable=True),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_handoffs_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_handoffs'))
    )
    op.create_index('ix_handoffs_waiting', 'handoffs', ['customer_id'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
    op.create_table('ledger',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('kind', Words(), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.Column('key', Words(), nullable=False),
    sa.Column('reason', Words(), nullable=False),
    sa.Column('qualifying', sa.Integer(), nullable=False),
    sa.Column('expires_at', Moment(), nullable=True),
    sa.Column('reverses', Words(), nullable=True),
    sa.Column('lots', Document(), nullable=True),
    sa.Column('message_id', sa.BigInteger(), nullable=True),
    sa.Column('at', Moment(), nullable=False),
    sa.CheckConstraint("(kind = 'earn' AND points >= 0) OR (kind IN ('burn', 'expire') AND points <= 0) OR kind IN ('adjust', 'reverse')", name=op.f('ck_ledger_sign')),
    sa.CheckConstraint("kind IN ('earn', 'burn', 'adjust', 'expire', 'reverse')", name=op.f('ck_ledger_kind')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_ledger_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger')),
    sa.UniqueConstraint('key', name=op.f('uq_ledger_key'))
    )
    op.create_index('ix_ledger_customer_id_id', 'ledger', ['customer_id', 'id'], unique=False)
    op.create_table('messages',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=True),
    sa.Column('direction', Words(), nullable=False),
    sa.Column('sid', Words(), nullable=True),
    sa.Column('sender', Words(), nullable=False),
    sa.Column('recipient', Words(), nullable=False),
    sa.Column('body', Words(), nullable=False),
    sa.Column('media', Document(), nullable=True),
    sa.Column('state', Words(), nullable=False),
    sa.Column('purpose', Words(), nullable=True),
    sa.Column('in_reply_to', sa.BigInteger(), nullable=True),
    sa.Column('conversation_id', sa.BigInteger(), nullable=True),
    sa.Column('flow', Words(), nullable=True),
    sa.Column('flow_state', Words(), nullable=True),
    sa.Column('language', Words(), nullable=True),
    sa.Column('segments', sa.Integer(), nullable=True),
    sa.Column('encoding', Words(), nullable=True),
    sa.Column('explanation', Document(), nullable=True),
    sa.Column('error_code', Words(), nullable=True),
    sa.Column('reason', Words(), nullable=True),
    sa.Column('created_at', Moment(), nullable=False),
    sa.Column('send_after', Moment(), nullable=True),
    sa.Column('deadline', Moment(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('claimed_until', Moment(), nullable=True),
    sa.Column('sent_at', Moment(), nullable=True),
    sa.Column('delivered_at', Moment(), nullable=True),
    sa.CheckConstraint("(direction = 'in' AND state IN ('received', 'failed')) OR (direction = 'out' AND state IN ('queued', 'sending', 'sent', 'delivered', 'undelivered', 'failed', 'suppressed', 'unknown', 'dead'))", name=op.f('ck_messages_state')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_messages_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_messages')),
    sa.UniqueConstraint('sid', name=op.f('uq_messages_sid'))
    )
    op.create_index('ix_messages_broken', 'messages', ['id'], unique=False, sqlite_where=sa.text("direction = 'in' AND state = 'failed'"), postgresql_where=sa.text("direction = 'in' AND state = 'failed'"))
    op.create_index('ix_messages_claimed', 'messages', ['claimed_until'], unique=False, sqlite_where=sa.text('claimed_until IS NOT NULL'), postgresql_where=sa.text('claimed_until IS NOT NULL'))
    op.create_index('ix_messages_customer_id_id', 'messages', ['customer_id', 'id'], unique=False)
    op.create_index('ix_messages_in_reply_to', 'messages', ['in_reply_to'], unique=False, sqlite_where=sa.text('in_reply_to IS NOT NULL'), postgresql_where=sa.text('in_reply_to IS NOT NULL'))
    op.create_index('ix_messages_marketing', 'messages', ['customer_id', 'sent_at'], unique=False, sqlite_where=sa.text("purpose = 'marketing'"), postgresql_where=sa.text("purpose = 'marketing'"))
    op.create_index('ix_messages_queued', 'messages', ['send_after', 'id'], unique=False, sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'"))
    op.create_table('starts',
    sa.Column('flow', Words(), nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('occasion', Words(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_starts_customer_id_customers')),
    sa.PrimaryKeyConstraint('flow', 'customer_id', 'occasion', name=op.f('pk_starts'))
    )
    op.create_table('timers',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('kind', Words(), nullable=False),
    sa.Column('scope', Words(), nullable=False),
    sa.Column('due_at', Moment(), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=True),
    sa.Column('turn_no', sa.Integer(), nullable=True),
    sa.Column('step', sa.Integer(), nullable=False),
    sa.Column('flow', Words(), nullable=True),
    sa.Column('slots', Document(), nullable=False),
    sa.CheckConstraint("kind IN ('deadline', 'reminder')", name=op.f('ck_timers_kind')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_timers_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_timers')),
    sa.UniqueConstraint('customer_id', 'kind', 'scope', 'due_at', 'step', name=op.f('uq_timers_customer_id_kind_scope_due_at_step'))
    )
    op.create_index('ix_timers_due_at', 'timers', ['due_at'], unique=False)
    op.create_table('vouchers',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('code', Words(), nullable=False),
    sa.Column('name', Words(), nullable=False),
    sa.Column('reward', Words(), nullable=True),
    sa.Column('cost', sa.Integer(), nullable=False),
    sa.Column('status', Words(), nullable=False),
    sa.Column('issued_at', Moment(), nullable=False),
    sa.Column('ends_at', Moment(), nullable=False),
    sa.Column('redeemed_at', Moment(), nullable=True),
    sa.Column('redeemed_by', Words(), nullable=True),
    sa.Column('entry_key', Words(), nullable=True),
    sa.Column('reason', Words(), nullable=True),
    sa.CheckConstraint("status IN ('issued', 'redeemed', 'revoked', 'expired')", name=op.f('ck_vouchers_status')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_vouchers_customer_id_customers')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_vouchers')),
    sa.UniqueConstraint('code', name=op.f('uq_vouchers_code'))
    )
    op.create_index('ix_vouchers_customer_id', 'vouchers', ['customer_id'], unique=False)
    op.create_index('ix_vouchers_issued', 'vouchers', ['ends_at'], unique=False, sqlite_where=sa.text("status = 'issued'"), postgresql_where=sa.text("status = 'issued'"))
    op.create_table('lots',
    sa.Column('entry_id', Id, autoincrement=False, nullable=False),
    sa.Column('customer_id', Id, nullable=False),
    sa.Column('remaining', sa.Integer(), nullable=False),
    sa.Column('expires_at', Moment(), nullable=True),
    sa.CheckConstraint('remaining >= 0', name=op.f('ck_lots_remaining')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_lots_customer_id_customers')),
    sa.ForeignKeyConstraint(['entry_id'], ['ledger.id'], name=op.f('fk_lots_entry_id_ledger')),
    sa.PrimaryKeyConstraint('entry_id', name=op.f('pk_lots'))
    )
    op.create_index('ix_lots_expiring', 'lots', ['expires_at'], unique=False, sqlite_where=sa.text('remaining > 0'), postgresql_where=sa.text('remaining > 0'))
    op.create_index('ix_lots_usable', 'lots', ['customer_id'], unique=False, sqlite_where=sa.text('remaining > 0'), postgresql_where=sa.text('remaining > 0'))

    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index('ix_lots_usable', table_name='lots', sqlite_where=sa.text('remaining > 0'), postgresql_where=sa.text('remaining > 0'))
    op.drop_index('ix_lots_expiring', table_name='lots', sqlite_where=sa.text('remaining > 0'), postgresql_where=sa.text('remaining > 0'))
    op.drop_table('lots')
    op.drop_index('ix_vouchers_issued', table_name='vouchers', sqlite_where=sa.text("status = 'issued'"), postgresql_where=sa.text("status = 'issued'"))
    op.drop_index('ix_vouchers_customer_id', table_name='vouchers')
    op.drop_table('vouchers')
    op.drop_index('ix_timers_due_at', table_name='timers')
    op.drop_table('timers')
    op.drop_table('starts')
    op.drop_index('ix_messages_queued', table_name='messages', sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'"))
    op.drop_index('ix_messages_marketing', table_name='messages', sqlite_where=sa.text("purpose = 'marketing'"), postgresql_where=sa.text("purpose = 'marketing'"))
    op.drop_index('ix_messages_in_reply_to', table_name='messages', sqlite_where=sa.text('in_reply_to IS NOT NULL'), postgresql_where=sa.text('in_reply_to IS NOT NULL'))
    op.drop_index('ix_messages_customer_id_id', table_name='messages')
    op.drop_index('ix_messages_broken', table_name='messages', sqlite_where=sa.text("direction = 'in' AND state = 'failed'"), postgresql_where=sa.text("direction = 'in' AND state = 'failed'"))
    op.drop_index('ix_messages_claimed', table_name='messages', sqlite_where=sa.text('claimed_until IS NOT NULL'), postgresql_where=sa.text('claimed_until IS NOT NULL'))
    op.drop_table('messages')
    op.drop_index('ix_ledger_customer_id_id', table_name='ledger')
    op.drop_table('ledger')
    op.drop_index('ix_handoffs_waiting', table_name='handoffs', sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
    op.drop_table('handoffs')
    op.drop_index('ix_facts_waiting', table_name='facts', sqlite_where=sa.text('handled_at IS NULL'), postgresql_where=sa.text('handled_at IS NULL'))
    op.drop_table('facts')
    op.drop_index('ix_conversations_open', table_name='conversations', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
    op.drop_table('conversations')
    op.drop_index('ix_consent_records_customer_id', table_name='consent_records')
    op.drop_table('consent_records')
    op.drop_table('switches')
    op.drop_table('stock')
    op.drop_index('ix_status_log_early', table_name='status_log', sqlite_where=sa.text('message_id IS NULL'), postgresql_where=sa.text('message_id IS NULL'))
    op.drop_table('status_log')
    op.drop_table('flow_revisions')
    op.drop_index('ix_customers_subscribed_last_purchase_at', table_name='customers', sqlite_where=sa.text("consent = 'subscribed'"), postgresql_where=sa.text("consent = 'subscribed'"))
    op.drop_index('ix_customers_subscribed_id', table_name='customers', sqlite_where=sa.text("consent = 'subscribed'"), postgresql_where=sa.text("consent = 'subscribed'"))
    op.drop_table('customers')
    if op.get_bind().dialect.name == "postgresql":
        for name in ("regulars_follow_ledger", "regulars_follow_consent", "regulars_append_only"):
            op.execute(f"DROP FUNCTION {name}()")

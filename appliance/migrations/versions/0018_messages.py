"""who is told how, what each was told, and what is on its way

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('notify_station',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('mail_shown', sa.String(length=255), nullable=False),
    sa.Column('mail', sa.LargeBinary(), nullable=True),
    sa.Column('signal_shown', sa.String(length=255), nullable=False),
    sa.Column('signal', sa.LargeBinary(), nullable=True),
    sa.Column('signal_hours', NUMBER, nullable=False),
    sa.Column('signal_tried', appliance.db.UtcTime(), nullable=True),
    sa.Column('signal_arrived', appliance.db.UtcTime(), nullable=True),
    sa.Column('signal_failing', appliance.db.UtcTime(), nullable=True),
    sa.Column('signal_problem', appliance.db.MessageColumn(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notify_station'))
    )
    op.create_table('notify_channel',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('user_id', NUMBER, nullable=False),
    sa.Column('kind', sa.String(length=255), nullable=False),
    sa.Column('shown', sa.String(length=255), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('least', sa.Enum('DANGER', 'WARNING', 'NOTICE', name='severity'), nullable=False),
    sa.Column('solved', sa.Boolean(), nullable=False),
    sa.Column('letter', sa.Boolean(), nullable=False),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('arrived', appliance.db.UtcTime(), nullable=True),
    sa.Column('failing', appliance.db.UtcTime(), nullable=True),
    sa.Column('problem', appliance.db.MessageColumn(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_notify_channel_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notify_channel'))
    )
    op.create_index(op.f('ix_notify_channel_user_id'), 'notify_channel', ['user_id'], unique=False)
    op.create_table('notify_rules',
    sa.Column('user_id', NUMBER, nullable=False),
    sa.Column('quiet_from', sa.String(length=255), nullable=False),
    sa.Column('quiet_until', sa.String(length=255), nullable=False),
    sa.Column('danger_wakes', sa.Boolean(), nullable=False),
    sa.Column('remind_days', NUMBER, nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_notify_rules_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_notify_rules'))
    )
    op.create_table('notify_delivery',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('channel_id', NUMBER, nullable=False),
    sa.Column('kind', sa.Enum('NEWS', 'LETTER', 'TEST', name='deliverykind'), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('state', sa.Enum('WAITING', 'SENT', 'GIVEN_UP', 'DROPPED', name='deliverystate'), nullable=False),
    sa.Column('severity', sa.Enum('DANGER', 'WARNING', 'NOTICE', name='severity'), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('attempts', NUMBER, nullable=False),
    sa.Column('next_try', appliance.db.UtcTime(), nullable=False),
    sa.Column('problem', appliance.db.MessageColumn(), nullable=True),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('ended', appliance.db.UtcTime(), nullable=True),
    sa.CheckConstraint('attempts >= 0', name=op.f('ck_notify_delivery_attempts_positive')),
    sa.ForeignKeyConstraint(['channel_id'], ['notify_channel.id'], name=op.f('fk_notify_delivery_channel_id_notify_channel'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notify_delivery'))
    )
    op.create_index('ix_notify_delivery_state_next_try', 'notify_delivery', ['state', 'next_try'], unique=False)
    op.create_index('uq_notify_delivery_channel_id_kind_key', 'notify_delivery', ['channel_id', 'kind', 'key'], unique=True)
    op.create_table('notify_told',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('channel_id', NUMBER, nullable=False),
    sa.Column('code', sa.String(length=255), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('severity', sa.Enum('DANGER', 'WARNING', 'NOTICE', name='severity'), nullable=False),
    sa.Column('message', appliance.db.MessageColumn(), nullable=False),
    sa.Column('hint', appliance.db.MessageColumn(), nullable=False),
    sa.Column('state', sa.Enum('PENDING', 'TOLD', 'AGAIN', 'OVER', name='toldstate'), nullable=False),
    sa.Column('since', appliance.db.UtcTime(), nullable=False),
    sa.Column('told', appliance.db.UtcTime(), nullable=True),
    sa.Column('gone', appliance.db.UtcTime(), nullable=True),
    sa.ForeignKeyConstraint(['channel_id'], ['notify_channel.id'], name=op.f('fk_notify_told_channel_id_notify_channel'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notify_told'))
    )
    op.create_index('uq_notify_told_channel_id_code_subject', 'notify_told', ['channel_id', 'code', 'subject'], unique=True)

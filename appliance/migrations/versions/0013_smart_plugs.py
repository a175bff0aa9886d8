"""smart plugs: what they switch, each switching, and what their meters said

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('smart_plugs_account',
    sa.Column('kind', sa.Enum('KASA', 'SHELLY', 'TASMOTA', 'MQTT', 'WEBHOOK', name='plugkind'), nullable=False),
    sa.Column('user', sa.String(length=255), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('kind', name=op.f('pk_smart_plugs_account'))
    )
    op.create_table('smart_plugs_plug',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('kind', sa.Enum('KASA', 'SHELLY', 'TASMOTA', 'MQTT', 'WEBHOOK', name='plugkind'), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('model', sa.String(length=255), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('place', sa.JSON(), nullable=False),
    sa.Column('user', sa.String(length=255), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=True),
    sa.Column('has_meter', sa.Boolean(), nullable=False),
    sa.Column('carries_hot', NUMBER, nullable=True),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('answered', appliance.db.UtcTime(), nullable=True),
    sa.Column('is_on', sa.Boolean(), nullable=True),
    sa.Column('watts', sa.Double(), nullable=True),
    sa.Column('problem_code', sa.String(length=255), nullable=False),
    sa.Column('problem', appliance.db.MessageColumn(), nullable=True),
    sa.ForeignKeyConstraint(['carries_hot'], ['drive.id'], name=op.f('fk_smart_plugs_plug_carries_hot_drive'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_smart_plugs_plug'))
    )
    op.create_index('uq_smart_plugs_plug_kind_key', 'smart_plugs_plug', ['kind', 'key'], unique=True)
    op.create_table('smart_plugs_drive',
    sa.Column('drive_id', NUMBER, nullable=False),
    sa.Column('plug_id', NUMBER, nullable=False),
    sa.ForeignKeyConstraint(['drive_id'], ['drive.id'], name=op.f('fk_smart_plugs_drive_drive_id_drive'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['plug_id'], ['smart_plugs_plug.id'], name=op.f('fk_smart_plugs_drive_plug_id_smart_plugs_plug'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('drive_id', name=op.f('pk_smart_plugs_drive'))
    )
    op.create_index(op.f('ix_smart_plugs_drive_plug_id'), 'smart_plugs_drive', ['plug_id'], unique=False)
    op.create_table('smart_plugs_month',
    sa.Column('plug_id', NUMBER, nullable=False),
    sa.Column('month', sa.String(length=255), nullable=False),
    sa.Column('wh', sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(['plug_id'], ['smart_plugs_plug.id'], name=op.f('fk_smart_plugs_month_plug_id_smart_plugs_plug'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('plug_id', 'month', name=op.f('pk_smart_plugs_month'))
    )
    op.create_table('smart_plugs_reading',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('plug_id', NUMBER, nullable=False),
    sa.Column('at', appliance.db.UtcTime(), nullable=False),
    sa.Column('on', sa.Boolean(), nullable=True),
    sa.Column('watts', sa.Double(), nullable=True),
    sa.Column('counter_wh', sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(['plug_id'], ['smart_plugs_plug.id'], name=op.f('fk_smart_plugs_reading_plug_id_smart_plugs_plug'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_smart_plugs_reading'))
    )
    op.create_index('ix_smart_plugs_reading_plug_id_at', 'smart_plugs_reading', ['plug_id', 'at'], unique=False)
    op.create_table('smart_plugs_switching',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('plug_id', NUMBER, nullable=False),
    sa.Column('drive_id', NUMBER, nullable=True),
    sa.Column('at', appliance.db.UtcTime(), nullable=False),
    sa.Column('on', sa.Boolean(), nullable=False),
    sa.Column('was_on', sa.Boolean(), nullable=True),
    sa.Column('done', sa.Boolean(), nullable=False),
    sa.Column('watts', sa.Double(), nullable=True),
    sa.Column('proven', sa.Boolean(), nullable=True),
    sa.Column('arrived_s', sa.Double(), nullable=True),
    sa.Column('why', appliance.db.MessageColumn(), nullable=True),
    sa.ForeignKeyConstraint(['drive_id'], ['drive.id'], name=op.f('fk_smart_plugs_switching_drive_id_drive'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['plug_id'], ['smart_plugs_plug.id'], name=op.f('fk_smart_plugs_switching_plug_id_smart_plugs_plug'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_smart_plugs_switching'))
    )
    op.create_index(op.f('ix_smart_plugs_switching_drive_id'), 'smart_plugs_switching', ['drive_id'], unique=False)
    op.create_index('ix_smart_plugs_switching_plug_id_at', 'smart_plugs_switching', ['plug_id', 'at'], unique=False)

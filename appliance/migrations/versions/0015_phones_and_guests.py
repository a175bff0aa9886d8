"""what left a phone, its last audit, and what guests brought in an hour

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.add_column('phone_item', sa.Column('listing', sa.String(length=255), server_default='', nullable=False))
    op.add_column('phone_item', sa.Column('gone', appliance.db.UtcTime(), nullable=True))
    op.create_table('phone_report',
    sa.Column('phone_id', BIG, nullable=False),
    sa.Column('made', appliance.db.UtcTime(), nullable=False),
    sa.Column('items', BIG, nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['phone_id'], ['phone.id'], name=op.f('fk_phone_report_phone_id_phone'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('phone_id', name=op.f('pk_phone_report'))
    )
    op.create_table('guest_gift',
    sa.Column('id', BIG, nullable=False),
    sa.Column('link_id', BIG, nullable=False),
    sa.Column('upload_id', sa.String(length=255), nullable=True),
    sa.Column('size', BIG, nullable=False),
    sa.Column('brought', appliance.db.UtcTime(), nullable=False),
    sa.ForeignKeyConstraint(['link_id'], ['public_link.id'], name=op.f('fk_guest_gift_link_id_public_link'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_guest_gift')),
    sa.UniqueConstraint('upload_id', name=op.f('uq_guest_gift_upload_id'))
    )
    op.create_index('ix_guest_gift_link_id_brought', 'guest_gift', ['link_id', 'brought'], unique=False)

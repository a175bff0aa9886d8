"""NFS: devices, and what each may do where

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('nfs_device',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('address', sa.String(length=255), nullable=False),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_nfs_device')),
    sa.UniqueConstraint('address', name=op.f('uq_nfs_device_address')),
    sa.UniqueConstraint('name', name=op.f('uq_nfs_device_name'))
    )
    op.create_table('nfs_right',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('device_id', NUMBER, nullable=False),
    sa.Column('drive_id', NUMBER, nullable=False),
    sa.Column('folder', sa.Text(), nullable=False),
    sa.Column('change', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['nfs_device.id'], name=op.f('fk_nfs_right_device_id_nfs_device'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['drive_id'], ['drive.id'], name=op.f('fk_nfs_right_drive_id_drive'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_nfs_right'))
    )
    op.create_index(op.f('ix_nfs_right_drive_id'), 'nfs_right', ['drive_id'], unique=False)
    op.create_index('uq_nfs_right_device_drive_folder', 'nfs_right', ['device_id', 'drive_id', 'folder'], unique=True)


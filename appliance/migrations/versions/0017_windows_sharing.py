"""windows and mac sharing

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('smb_account',
    sa.Column('user_id', BIG, nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=True),
    sa.Column('time_machine_gb', BIG, nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_smb_account_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_smb_account'))
    )
    op.create_table('smb_folder',
    sa.Column('id', BIG, nullable=False),
    sa.Column('drive_id', BIG, nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['drive_id'], ['drive.id'], name=op.f('fk_smb_folder_drive_id_drive'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_smb_folder')),
    sa.UniqueConstraint('name', name=op.f('uq_smb_folder_name'))
    )
    op.create_table('smb_access',
    sa.Column('id', BIG, nullable=False),
    sa.Column('user_id', BIG, nullable=False),
    sa.Column('folder_id', BIG, nullable=True),
    sa.Column('level', sa.Enum('NOTHING', 'SEE', 'CHANGE', name='level'), nullable=False),
    sa.ForeignKeyConstraint(['folder_id'], ['smb_folder.id'], name=op.f('fk_smb_access_folder_id_smb_folder'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_smb_access_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_smb_access'))
    )
    op.create_index(op.f('ix_smb_access_user_id'), 'smb_access', ['user_id'], unique=False)

"""photos that went into the bin before anybody had read them

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        'unburied',
        sa.Column('id', WHOLE, nullable=False),
        sa.Column('binned_id', WHOLE, nullable=False),
        sa.Column('stored_as', sa.LargeBinary(), nullable=False),
        sa.Column('user_id', WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ['binned_id'], ['binned_file.id'], name=op.f('fk_unburied_binned_id_binned_file'), ondelete='CASCADE'
        ),
        sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_unburied_user_id_user'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_unburied')),
    )
    op.create_index(op.f('ix_unburied_binned_id'), 'unburied', ['binned_id'], unique=False)

"""the recovery card

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('recovery_card',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('code_hash', sa.String(length=255), nullable=False),
    sa.Column('made', appliance.db.UtcTime(), nullable=False),
    sa.Column('made_by', NUMBER, nullable=True),
    sa.ForeignKeyConstraint(['made_by'], ['user.id'], name=op.f('fk_recovery_card_made_by_user'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recovery_card'))
    )

"""since when a copy holds a file, when an older version was put away, and attempts of a job that led nowhere

Rows from before know none of it.  Nothing is invented for them: ``since`` and ``put_away`` stay NULL, which means "not
noted", so such a file counts as held on every day before, and such a version is told by its day alone.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    # plain ALTER TABLE … ADD: a table that is made anew would lose its triggers
    op.add_column('cold_file', sa.Column('since', appliance.db.UtcTime(), nullable=True))
    op.add_column('old_version', sa.Column('since', appliance.db.UtcTime(), nullable=True))
    op.add_column('old_version', sa.Column('put_away', appliance.db.UtcTime(), nullable=True))
    op.add_column(
        'job',
        sa.Column(
            'in_vain', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False, server_default=sa.text('0')
        ),
    )

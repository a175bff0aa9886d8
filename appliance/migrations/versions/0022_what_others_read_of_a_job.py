"""what others read of a job that works on somebody's own

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.add_column('job', sa.Column('told_others', appliance.db.MessageColumn(), nullable=True))

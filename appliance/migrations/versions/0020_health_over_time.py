"""what drives said of their health over time, and guides for what no button can fix

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.add_column('issue', sa.Column('guide', sa.String(length=255), nullable=True))
    op.create_table(
        'smart_sample',
        sa.Column('id', WHOLE, nullable=False),
        sa.Column('drive_id', WHOLE, nullable=False),
        sa.Column('at', appliance.db.UtcTime(), nullable=False),
        sa.Column('power_on', sa.String(length=255), nullable=False),
        sa.Column('passed', sa.Boolean(), nullable=False),
        *(
            sa.Column(name, WHOLE, nullable=True)
            for name in ('hours', 'cycles', 'reallocated', 'pending', 'uncorrectable', 'crc_errors', 'percent_used',
                         'temperature_c')
        ),
        sa.ForeignKeyConstraint(
            ['drive_id'], ['drive.id'], name=op.f('fk_smart_sample_drive_id_drive'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_smart_sample')),
    )
    op.create_index('ix_smart_sample_drive_at', 'smart_sample', ['drive_id', 'at'], unique=False)

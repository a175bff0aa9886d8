"""photos that look the same

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('likeness_bucket',
    sa.Column('bucket', BIG, nullable=False),
    sa.Column('media_id', BIG, nullable=False),
    sa.ForeignKeyConstraint(['media_id'], ['media.id'], name=op.f('fk_likeness_bucket_media_id_media'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('bucket', 'media_id', name=op.f('pk_likeness_bucket')),
    sqlite_with_rowid=False,
    )
    op.create_index(op.f('ix_likeness_bucket_media_id'), 'likeness_bucket', ['media_id'], unique=False)
    op.create_table('likeness_pair',
    sa.Column('media_id', BIG, nullable=False),
    sa.Column('other_id', BIG, nullable=False),
    sa.Column('distance', BIG, nullable=False),
    sa.Column('different', sa.Boolean(), server_default=sa.text('0'), nullable=False),
    sa.ForeignKeyConstraint(['media_id'], ['media.id'], name=op.f('fk_likeness_pair_media_id_media'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['other_id'], ['media.id'], name=op.f('fk_likeness_pair_other_id_media'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('media_id', 'other_id', name=op.f('pk_likeness_pair'))
    )
    op.create_index(op.f('ix_likeness_pair_other_id'), 'likeness_pair', ['other_id'], unique=False)

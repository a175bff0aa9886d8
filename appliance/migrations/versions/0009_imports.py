"""where imported photos came from, each file seen there, and each import

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('importer_source',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('user_id', NUMBER, nullable=False),
    sa.Column('kind', sa.Enum('DRIVE', 'FOLDER', 'SHARE', name='sourcekind'), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('title', sa.String(length=255), nullable=False),
    sa.Column('place', sa.JSON(), nullable=False),
    sa.Column('camera', sa.Boolean(), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=True),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('looked', appliance.db.UtcTime(), nullable=True),
    sa.Column('safe', appliance.db.UtcTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_importer_source_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_importer_source'))
    )
    op.create_index('uq_importer_source_user_id_key', 'importer_source', ['user_id', 'key'], unique=True)
    op.create_table('importer_file',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('source_id', NUMBER, nullable=False),
    sa.Column('path', sa.LargeBinary(), nullable=False),
    sa.Column('size', NUMBER, nullable=False),
    sa.Column('modified_ns', NUMBER, nullable=False),
    sa.Column('state', sa.Enum('NEW', 'DONE', 'KNOWN', 'DELETED', 'LEFT_OUT', 'UNREADABLE', name='filestate'), nullable=False),
    sa.Column('dated', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=True),
    sa.Column('proven', appliance.db.UtcTime(), nullable=True),
    sa.Column('brought', appliance.db.UtcTime(), nullable=True),
    sa.Column('noted', sa.Boolean(), nullable=False),
    sa.Column('why', appliance.db.MessageColumn(), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['importer_source.id'], name=op.f('fk_importer_file_source_id_importer_source'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_importer_file'))
    )
    op.create_index('uq_importer_file_source_id_path', 'importer_file', ['source_id', 'path'], unique=True)
    op.create_index('ix_importer_file_source_id_state', 'importer_file', ['source_id', 'state'], unique=False)
    op.create_table('importer_run',
    sa.Column('id', NUMBER, nullable=False),
    sa.Column('source_id', NUMBER, nullable=False),
    sa.Column('state', sa.Enum('LOOKING', 'READY', 'IMPORTING', 'DONE', 'STOPPED', name='runstate'), nullable=False),
    sa.Column('deleted_too', sa.Boolean(), nullable=False),
    sa.Column('report', sa.JSON(), nullable=False),
    sa.Column('result', sa.JSON(), nullable=False),
    sa.Column('asked_by', NUMBER, nullable=True),
    sa.Column('job_id', NUMBER, nullable=True),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('finished', appliance.db.UtcTime(), nullable=True),
    sa.ForeignKeyConstraint(['asked_by'], ['user.id'], name=op.f('fk_importer_run_asked_by_user'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['job_id'], ['job.id'], name=op.f('fk_importer_run_job_id_job'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['source_id'], ['importer_source.id'], name=op.f('fk_importer_run_source_id_importer_source'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_importer_run'))
    )
    op.create_index(op.f('ix_importer_run_source_id'), 'importer_run', ['source_id'], unique=False)

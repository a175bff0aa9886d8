"""WebDAV: locks, properties and checksums of clients; folders that tell when something below them changed

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.create_table('webdav_lock',
    sa.Column('token', sa.String(length=255), nullable=False),
    sa.Column('root', sa.Text(), nullable=False),
    sa.Column('principal', sa.String(length=255), nullable=False),
    sa.Column('scope', sa.String(length=255), nullable=False),
    sa.Column('depth', sa.String(length=255), nullable=False),
    sa.Column('owner', sa.LargeBinary(), nullable=False),
    sa.Column('timeout', sa.Double(), nullable=False),
    sa.Column('expire', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('token', name=op.f('pk_webdav_lock'))
    )
    op.create_table('webdav_property',
    sa.Column('id', WHOLE, nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('value', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webdav_property'))
    )
    op.create_index('uq_webdav_property_place_name', 'webdav_property', ['place', 'name'], unique=True)
    op.create_table('webdav_checksum',
    sa.Column('file_id', WHOLE, nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('checksum', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['stored_file.id'], name=op.f('fk_webdav_checksum_file_id_stored_file'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('file_id', name=op.f('pk_webdav_checksum'))
    )
    op.add_column('folder', sa.Column('version', WHOLE, server_default=sa.text('0'), nullable=False))
    _tell_of_changes()


def _tell_of_changes() -> None:
    """Keep folder.version different after each change of its files, whoever writes them: sync clients look there."""
    changed = "UPDATE folder SET version = random() WHERE id"
    op.execute(f"CREATE TRIGGER folder_version_insert AFTER INSERT ON stored_file BEGIN {changed} = NEW.folder_id; END")
    op.execute(f"CREATE TRIGGER folder_version_delete AFTER DELETE ON stored_file BEGIN {changed} = OLD.folder_id; END")
    op.execute(
        "CREATE TRIGGER folder_version_update AFTER UPDATE OF folder_id, name, size, modified_ns, digest ON stored_file "
        f"BEGIN {changed} IN (OLD.folder_id, NEW.folder_id); END"
    )

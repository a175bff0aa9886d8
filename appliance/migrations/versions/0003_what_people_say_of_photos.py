"""albums, tags and what people say of photos; the bin, tombstones, and passwords for devices

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    # plain ALTER TABLE … ADD: a table that is made anew would lose its triggers
    op.create_table('tag',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=255, collation='NOCASE'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tag')),
    sa.UniqueConstraint('name', name=op.f('uq_tag_name'))
    )
    op.create_table('binned_file',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('drive_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('path', sa.LargeBinary(), nullable=False),
    sa.Column('stored_as', sa.LargeBinary(), nullable=False),
    sa.Column('size', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=True),
    sa.Column('binned', appliance.db.UtcTime(), nullable=False),
    sa.Column('binned_by', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('expires', appliance.db.UtcTime(), nullable=False),
    sa.ForeignKeyConstraint(['binned_by'], ['user.id'], name=op.f('fk_binned_file_binned_by_user'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['drive_id'], ['drive.id'], name=op.f('fk_binned_file_drive_id_drive'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_binned_file_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_binned_file'))
    )
    op.create_index(op.f('ix_binned_file_expires'), 'binned_file', ['expires'], unique=False)
    op.create_index(op.f('ix_binned_file_user_id'), 'binned_file', ['user_id'], unique=False)
    op.create_table('device_password',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('secret_hash', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('last_used', appliance.db.UtcTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_device_password_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_device_password')),
    sa.UniqueConstraint('secret_hash', name=op.f('uq_device_password_secret_hash'))
    )
    op.create_index(op.f('ix_device_password_user_id'), 'device_password', ['user_id'], unique=False)
    op.create_table('keepsake',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('kept', appliance.db.UtcTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_keepsake_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'digest', name=op.f('pk_keepsake'))
    )
    op.create_table('saved_filter',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('filter', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_saved_filter_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_filter'))
    )
    op.create_index('uq_saved_filter_user_id_name', 'saved_filter', ['user_id', 'name'], unique=True)
    op.create_table('tombstone',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('deleted', appliance.db.UtcTime(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_tombstone_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'digest', name=op.f('pk_tombstone'))
    )
    op.create_table('album',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('uuid', sa.String(length=255), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('title', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('cover_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('filter', sa.JSON(), nullable=True),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('changed', appliance.db.UtcTime(), nullable=False),
    sa.Column('written', sa.Boolean(), server_default=sa.text('0'), nullable=False),
    sa.CheckConstraint('length(title) between 1 and 120', name=op.f('ck_album_title_length')),
    sa.ForeignKeyConstraint(['cover_id'], ['media.id'], name=op.f('fk_album_cover_id_media'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_album_user_id_user')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_album')),
    sa.UniqueConstraint('uuid', name=op.f('uq_album_uuid'))
    )
    op.create_index(op.f('ix_album_user_id'), 'album', ['user_id'], unique=False)
    op.create_table('media_tag',
    sa.Column('media_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tag_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['media_id'], ['media.id'], name=op.f('fk_media_tag_media_id_media'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['tag_id'], ['tag.id'], name=op.f('fk_media_tag_tag_id_tag'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('media_id', 'tag_id', name=op.f('pk_media_tag'))
    )
    op.create_index(op.f('ix_media_tag_tag_id'), 'media_tag', ['tag_id'], unique=False)
    op.create_table('album_item',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('album_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('media_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), server_default=sa.text('0'), nullable=False),
    sa.Column('added', appliance.db.UtcTime(), nullable=False),
    sa.Column('added_by', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.ForeignKeyConstraint(['added_by'], ['user.id'], name=op.f('fk_album_item_added_by_user'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['album_id'], ['album.id'], name=op.f('fk_album_item_album_id_album'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['media_id'], ['media.id'], name=op.f('fk_album_item_media_id_media'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_album_item'))
    )
    op.create_index('ix_album_item_media_id', 'album_item', ['media_id'], unique=False)
    op.create_index('uq_album_item_album_id_digest', 'album_item', ['album_id', 'digest'], unique=True)
    op.create_table('album_member',
    sa.Column('album_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('may_add', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['album_id'], ['album.id'], name=op.f('fk_album_member_album_id_album'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_album_member_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('album_id', 'user_id', name=op.f('pk_album_member'))
    )
    op.create_index(op.f('ix_album_member_user_id'), 'album_member', ['user_id'], unique=False)
    op.create_table('public_link',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('token_hash', sa.String(length=255), nullable=False),
    sa.Column('album_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=False),
    sa.Column('may_upload', sa.Boolean(), nullable=False),
    sa.Column('created', appliance.db.UtcTime(), nullable=False),
    sa.Column('expires', appliance.db.UtcTime(), nullable=True),
    sa.Column('last_used', appliance.db.UtcTime(), nullable=True),
    sa.ForeignKeyConstraint(['album_id'], ['album.id'], name=op.f('fk_public_link_album_id_album'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_public_link_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_public_link')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_public_link_token_hash'))
    )
    op.create_index(op.f('ix_public_link_album_id'), 'public_link', ['album_id'], unique=False)
    op.add_column('media', sa.Column('title', sa.String(length=255), server_default='', nullable=False))
    op.add_column('media', sa.Column('description', sa.Text(), server_default='', nullable=False))
    op.add_column('media', sa.Column('favourite', sa.Boolean(), server_default=sa.text('0'), nullable=False))
    op.add_column('media', sa.Column('rating', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), server_default=sa.text('0'), nullable=False))
    op.add_column('media', sa.Column('shared', sa.Boolean(), server_default=sa.text('0'), nullable=False))
    op.add_column('media', sa.Column('edited', appliance.db.UtcTime(), nullable=True))
    op.add_column('media', sa.Column('written', sa.Boolean(), server_default=sa.text('1'), nullable=False))
    op.create_index('ix_media_family', 'media', ['taken', 'id'], unique=False, sqlite_where=sa.text('shared = 1'))
    op.create_index('ix_media_unwritten', 'media', ['id'], unique=False, sqlite_where=sa.text('written = 0'))

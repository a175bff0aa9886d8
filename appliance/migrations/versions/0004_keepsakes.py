"""what was said of bytes comes back with them; albums can be put away

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

import appliance.db

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.add_column('album', sa.Column('deleted', appliance.db.UtcTime(), nullable=True))
    op.create_index('ix_album_item_digest', 'album_item', ['digest'], unique=False)
    op.create_index('ix_album_unwritten', 'album', ['id'], unique=False, sqlite_where=sa.text('written = 0'))
    _keep()
    _give_back()


def _keep() -> None:
    """Before a photo's row goes, or its bytes change: what was said of these bytes is kept, whoever writes."""
    keep = (
        "INSERT OR REPLACE INTO keepsake(user_id, digest, facts, kept) "
        "SELECT m.user_id, {digest}, json_object('title', m.title, 'description', m.description, "
        "'favourite', m.favourite, 'rating', m.rating, 'shared', m.shared, 'tags', "
        "(SELECT json_group_array(t.name) FROM media_tag mt JOIN tag t ON t.id = mt.tag_id WHERE mt.media_id = m.id)), "
        "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' FROM media m {source} AND {digest} IS NOT NULL AND "
        "(m.title <> '' OR m.description <> '' OR m.favourite OR m.rating OR m.shared "
        "OR EXISTS(SELECT 1 FROM media_tag mt WHERE mt.media_id = m.id));"
    )
    of_file = keep.format(digest="OLD.digest", source="WHERE m.file_id = OLD.id")
    of_media = keep.format(digest="f.digest", source="JOIN stored_file f ON f.id = m.file_id WHERE m.id = OLD.id")
    # an album knows its photo by its last bytes, and finds another one of the same person that has them
    renew = (
        "UPDATE OR IGNORE album_item SET digest = {digest} WHERE {digest} IS NOT NULL AND digest <> {digest} "
        "AND media_id = {media};"
    )
    renew_of_file = renew.format(digest="OLD.digest", media="(SELECT id FROM media WHERE file_id = OLD.id)")
    renew_of_media = renew.format(digest="(SELECT digest FROM stored_file WHERE id = OLD.file_id)", media="OLD.id")
    other = (
        "UPDATE album_item SET media_id = (SELECT m.id FROM stored_file f JOIN media m ON m.file_id = f.id "
        "WHERE f.digest = album_item.digest AND m.id <> OLD.id AND m.user_id = OLD.user_id LIMIT 1) "
        "WHERE media_id = OLD.id;"
    )
    op.execute(f"CREATE TRIGGER keepsake_file_delete BEFORE DELETE ON stored_file BEGIN {of_file} {renew_of_file} END")
    op.execute(
        "CREATE TRIGGER keepsake_file_change BEFORE UPDATE OF digest ON stored_file "
        f"WHEN OLD.digest IS NOT NULL AND NEW.digest IS NOT OLD.digest BEGIN {of_file} END"
    )
    op.execute(f"CREATE TRIGGER keepsake_media_delete BEFORE DELETE ON media BEGIN {of_media} {renew_of_media} {other} END")


def _give_back() -> None:
    """When a person's row gets these bytes: the same is said of it again, unless something newer was; albums know it."""
    give = (
        "UPDATE album_item SET media_id = {media} WHERE digest = {digest} AND NOT EXISTS(SELECT 1 FROM media m "
        "JOIN stored_file f ON f.id = m.file_id WHERE m.id = album_item.media_id AND f.digest = album_item.digest); "
        "INSERT OR IGNORE INTO media_tag(media_id, tag_id) SELECT m.id, t.id FROM media m "
        "JOIN keepsake k ON k.user_id = m.user_id AND k.digest = {digest}, json_each(k.facts, '$.tags') word "
        "JOIN tag t ON t.name = word.value WHERE m.id = {media} AND (m.edited IS NULL OR m.edited <= k.kept); "
        "UPDATE media SET title = json_extract(k.facts, '$.title'), description = json_extract(k.facts, '$.description'), "
        "favourite = json_extract(k.facts, '$.favourite'), rating = json_extract(k.facts, '$.rating'), "
        "shared = json_extract(k.facts, '$.shared'), edited = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000', written = 0 "
        "FROM keepsake k WHERE media.id = {media} AND k.user_id = media.user_id AND k.digest = {digest} "
        "AND (media.edited IS NULL OR media.edited <= k.kept); "
        "DELETE FROM keepsake WHERE user_id = {user} AND digest = {digest};"
    )
    mine = "(SELECT id FROM media WHERE file_id = NEW.id)"
    user = "(SELECT user_id FROM media WHERE file_id = NEW.id)"
    of_file = give.format(media=mine, digest="NEW.digest", user=user)
    op.execute(
        "CREATE TRIGGER keepsake_file_known AFTER UPDATE OF digest ON stored_file "
        "WHEN NEW.digest IS NOT NULL AND NEW.digest IS NOT OLD.digest "
        f"AND EXISTS(SELECT 1 FROM media WHERE file_id = NEW.id) BEGIN {of_file} "
        # the file beside the photo names these bytes
        "UPDATE media SET written = 0 WHERE file_id = NEW.id AND edited IS NOT NULL; END"
    )
    digest = "(SELECT digest FROM stored_file WHERE id = NEW.file_id)"
    of_media = give.format(media="NEW.id", digest=digest, user="NEW.user_id")
    op.execute(f"CREATE TRIGGER keepsake_media_insert AFTER INSERT ON media BEGIN {of_media} END")

"""search: the words and facts of each photo, in FTS5; places, likeness and what belongs together

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def key(row: str) -> str:
    """Where a photo is in the search; see models.MediaWords."""
    return f"((max(0, strftime('%s', {row}.taken) + 2208988800) << 28) | {row}.id)"


# A view, because an UPSERT of a trigger may not build a row from several tables as readably.  The letters are those of
# library.facets; a name's part after the last dot is what is left when all but dots is trimmed from its end.
DOCUMENT = f"""
CREATE VIEW media_document AS SELECT m.id, m.file_id, f.folder_id, {key('m')} AS key,
    words_of(m.title, m.description, f.name, d.path, m.camera, m.place, m.country, m.month / 100,
        (SELECT group_concat(t.name, ' ') FROM media_tag x JOIN tag t ON t.id = x.tag_id WHERE x.media_id = m.id))
    || ' ' || char(57345) || m.user_id
    || iif(m.shared, ' ' || char(57346) || '1', '')
    || coalesce((SELECT group_concat(' ' || char(57347) || i.album_id, '') FROM album_item i
        WHERE i.media_id = m.id AND i.added_by = m.user_id), '')
    || coalesce((SELECT group_concat(' ' || char(57348) || i.album_id, '') FROM album_item i
        JOIN album a ON a.id = i.album_id WHERE i.media_id = m.id AND a.deleted IS NULL), ' ' || char(57349) || '1')
    || coalesce((SELECT group_concat(' ' || char(57350) || x.tag_id, '') FROM media_tag x WHERE x.media_id = m.id), '')
    || ' ' || char(57351) || lower(m.kind)
    || iif(instr(' dng cr2 cr3 crw nef nrw arw sr2 srf raf orf rw2 pef srw raw rwl iiq 3fr erf mrw x3f ', ' ' ||
        lower(replace(CAST(f.name AS TEXT), rtrim(CAST(f.name AS TEXT), replace(CAST(f.name AS TEXT), '.', '')), ''))
        || ' ') > 0, ' ' || char(57351) || 'raw', '')
    || iif(m.stack = 'live', ' ' || char(57351) || 'live', '')
    || iif(instr(lower(CAST(f.name AS TEXT)), 'screenshot') > 0
        OR instr(lower(CAST(d.path AS TEXT)), 'screenshot') > 0, ' ' || char(57351) || 'screenshot', '')
    || iif(m.camera <> '', ' ' || char(57352) || one_word(m.camera), '')
    || iif(m.place <> '', ' ' || char(57353) || one_word(m.place), '')
    || iif(m.country <> '', ' ' || char(57354) || one_word(m.country), '')
    || iif(m.favourite, ' ' || char(57355) || '1', '')
    || iif(m.rating > 0, ' ' || char(57356) || m.rating, '')
    || iif(m.taken_from IN ('client', 'file'), ' ' || char(57357) || '1', '')
    || iif(m.stack_id IS NULL, ' ' || char(57358) || '1', '')
    || iif(m.latitude IS NOT NULL AND m.longitude IS NOT NULL, ' ' || char(57359) || '1', '') AS words
FROM media m JOIN stored_file f ON f.id = m.file_id JOIN folder d ON d.id = f.folder_id
"""


def put(where: str) -> str:
    """Write the words of some photos anew."""
    return (
        f"INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE {where} "
        "ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words;"
    )


INDEX = "INSERT INTO media_search (rowid, words) VALUES (new.key, new.words);"
DROP = "INSERT INTO media_search (media_search, rowid, words) VALUES ('delete', old.key, old.words);"
FACTS = (
    "file_id, user_id, kind, taken, taken_from, month, camera, latitude, longitude, title, description, favourite, "
    "rating, shared, place, country, stack_id, stack"
)
TRIGGERS = {
    "media_words_insert AFTER INSERT ON media_words": INDEX,
    "media_words_delete AFTER DELETE ON media_words": DROP,
    "media_words_update AFTER UPDATE ON media_words": DROP + INDEX,
    "media_found_insert AFTER INSERT ON media": put("id = new.id"),
    f"media_found_update AFTER UPDATE OF {FACTS} ON media": (
        f"DELETE FROM media_words WHERE key = {key('old')} AND {key('old')} <> {key('new')};" + put("id = new.id")
    ),
    "media_found_delete AFTER DELETE ON media": (
        f"DELETE FROM media_words WHERE key = {key('old')}; UPDATE media SET stack_id = NULL WHERE stack_id = old.id;"
    ),
    "media_found_renamed AFTER UPDATE OF name, folder_id ON stored_file": put("file_id = new.id"),
    "media_found_moved AFTER UPDATE OF path ON folder": put("folder_id = new.id"),
    "media_found_tagged AFTER INSERT ON media_tag": put("id = new.media_id"),
    "media_found_untagged AFTER DELETE ON media_tag": put("id = old.media_id"),
    "media_found_tag_renamed AFTER UPDATE OF name ON tag": put(
        "id IN (SELECT media_id FROM media_tag WHERE tag_id = new.id)"
    ),
    "media_found_album_deleted AFTER UPDATE OF deleted ON album": put(
        "id IN (SELECT media_id FROM album_item WHERE album_id = new.id)"
    ),
    "media_found_in_album AFTER INSERT ON album_item": put("id = new.media_id"),
    "media_found_out_of_album AFTER DELETE ON album_item": put("id = old.media_id"),
    "media_found_album_item AFTER UPDATE OF album_id, media_id, added_by ON album_item": put(
        "id IN (old.media_id, new.media_id)"
    ),
}


def upgrade() -> None:
    """To this revision."""
    # plain ALTER TABLE … ADD: a table that is made anew would lose its triggers
    op.add_column('media', sa.Column('place', sa.String(length=255), server_default='', nullable=False))
    op.add_column('media', sa.Column('country', sa.String(length=255), server_default='', nullable=False))
    op.add_column('media', sa.Column('likeness', BIG, nullable=True))
    op.add_column('media', sa.Column('stack_id', BIG, nullable=True))
    op.add_column('media', sa.Column('stack', sa.String(length=255), server_default='', nullable=False))
    op.create_index('ix_media_stack_id', 'media', ['stack_id'], unique=False)
    op.create_table(
        'media_words',
        sa.Column('key', BIG, nullable=False),
        sa.Column('words', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_media_words')),
    )
    # Only which photos have a word is kept, not where: no phrases are asked for, and the index is half as large.  The
    # words come ready-made (appliance.text), so the simplest tokenizer is the right one.
    op.execute(
        "CREATE VIRTUAL TABLE media_search USING fts5(words, content='media_words', content_rowid='key', "
        "tokenize='ascii', prefix='2 3', detail=none, columnsize=0)"
    )
    op.execute("CREATE VIRTUAL TABLE media_vocabulary USING fts5vocab(media_search, instance)")
    op.execute(DOCUMENT)
    op.execute("INSERT INTO media_words (key, words) SELECT key, words FROM media_document")
    op.execute("INSERT INTO media_search (media_search) VALUES ('rebuild')")
    for when, what in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {when} BEGIN {what} END")

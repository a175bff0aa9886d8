"""places on a map: where a photo was taken as facts of the search, and what has coordinates but no place yet

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

# Squares of ten degrees, of one, and of a tenth, counted from the south and from 180° west; see library.facets.
AREAS = "".join(
    f" || coalesce(' ' || char(57360) || '{level}x' || CAST((m.latitude + 90) * {times} AS INTEGER) || 'x' || "
    f"CAST((m.longitude + 180) * {times} AS INTEGER), '')"
    for level, times in ((1, "0.1"), (2, "1"), (3, "10"))
)


def upgrade() -> None:
    """To this revision."""
    (view,) = op.get_bind().exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'media_document'").one()
    op.execute("DROP VIEW media_document")
    op.get_bind().exec_driver_sql(view.replace(" AS words\nFROM media m", AREAS + " AS words\nFROM media m"))
    op.get_bind().exec_driver_sql(
        "CREATE TRIGGER media_found_placed AFTER UPDATE OF latitude, longitude ON media BEGIN "
        "INSERT INTO media_words (key, words) SELECT key, words FROM media_document WHERE id = new.id "
        "ON CONFLICT (key) DO UPDATE SET words = excluded.words WHERE words IS NOT excluded.words; END"
    )
    op.get_bind().exec_driver_sql(
        "INSERT INTO media_words (key, words) SELECT key, words FROM media_document "
        "WHERE id IN (SELECT id FROM media WHERE latitude IS NOT NULL) "
        "ON CONFLICT (key) DO UPDATE SET words = excluded.words"
    )
    op.execute(
        "CREATE INDEX ix_media_located ON media (latitude, longitude, user_id, shared, stack_id) "
        "WHERE latitude IS NOT NULL"
    )
    op.execute("CREATE INDEX ix_media_unplaced ON media (id) WHERE latitude IS NOT NULL AND country = ''")

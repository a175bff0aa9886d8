"""when and where a photo was taken, as somebody said it, survives the database

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

TAKEN, PLACE = "json_extract(k.facts, '$.taken')", "json_extract(k.facts, '$.latitude')"
FREE = f"{PLACE} IS NOT NULL AND (media.latitude IS NULL OR media.told_place)"
GIVEN = "shared = json_extract(k.facts, '$.shared'),"
SAID = {  # what a keepsake holds besides, in the triggers of 0004
    "'shared', m.shared,": (
        "'shared', m.shared, 'taken', iif(m.taken_from = 'owner', m.taken, NULL), 'month', m.month, "
        "'latitude', iif(m.told_place, m.latitude, NULL), 'longitude', m.longitude,"
    ),
    "OR m.shared ": "OR m.shared OR m.taken_from = 'owner' OR m.told_place ",
    GIVEN: (
        f"{GIVEN} taken = coalesce({TAKEN}, media.taken), taken_from = iif({TAKEN} IS NULL, media.taken_from, 'owner'), "
        f"month = iif({TAKEN} IS NULL, media.month, json_extract(k.facts, '$.month')), "
        f"place = iif({FREE}, '', media.place), country = iif({FREE}, '', media.country), "
        f"longitude = iif({FREE}, json_extract(k.facts, '$.longitude'), media.longitude), "
        f"latitude = iif({FREE}, {PLACE}, media.latitude), told_place = iif({FREE}, 1, media.told_place),"
    ),
}


def upgrade() -> None:
    """To this revision."""
    op.add_column('media', sa.Column('told_place', sa.Boolean(), server_default=sa.text('0'), nullable=False))
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"
    op.execute(f"UPDATE media SET written = 0, edited = coalesce(edited, {now}) WHERE taken_from = 'owner'")
    keepsakes = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'keepsake%'"
    for name, text in op.get_bind().exec_driver_sql(keepsakes).all():
        for before, after in SAID.items():
            text = text.replace(before, after)
        op.execute(f"DROP TRIGGER {name}")
        op.get_bind().exec_driver_sql(text)

"""what belongs together as somebody says, and as a phone says

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

SAID = {  # what a keepsake holds besides, in the triggers of 0004
    "'shared', m.shared,": "'shared', m.shared, 'grouping', m.grouping,",
    "OR m.shared ": "OR m.shared OR m.grouping <> '' ",
    "shared = json_extract(k.facts, '$.shared'),": (
        "shared = json_extract(k.facts, '$.shared'), grouping = coalesce(json_extract(k.facts, '$.grouping'), ''),"
    ),
}


def upgrade() -> None:
    """To this revision."""
    op.add_column('media', sa.Column('grouping', sa.String(length=255), server_default='', nullable=False))
    op.add_column('media', sa.Column('content_id', sa.String(length=255), nullable=True))
    op.create_index('ix_media_grouping', 'media', ['grouping'], sqlite_where=sa.text("grouping <> ''"))
    op.create_index('ix_media_content_id', 'media', ['content_id'], sqlite_where=sa.text("content_id <> ''"))
    op.create_index('ix_media_unread', 'media', ['id'], sqlite_where=sa.text("content_id IS NULL AND preview = 'READY'"))
    keepsakes = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'keepsake%'"
    for name, text in op.get_bind().exec_driver_sql(keepsakes).all():
        for before, after in SAID.items():
            text = text.replace(before, after)
        op.execute(f"DROP TRIGGER {name}")
        op.get_bind().exec_driver_sql(text)

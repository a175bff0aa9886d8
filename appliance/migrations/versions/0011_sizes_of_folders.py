"""folders that know how many bytes they hold; what lies in the family's folder is everybody's

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """To this revision."""
    op.add_column('folder', sa.Column('bytes', WHOLE, server_default=sa.text('0'), nullable=False))
    op.execute("UPDATE folder SET bytes = (SELECT coalesce(sum(size), 0) FROM stored_file WHERE folder_id = folder.id)")
    _keep_sums()
    op.execute(
        "UPDATE media SET shared = 1 WHERE shared = 0 AND file_id IN (SELECT s.id FROM stored_file s "
        "JOIN folder f ON f.id = s.folder_id WHERE f.path = CAST('Family' AS BLOB) "
        "OR (f.path >= CAST('Family/' AS BLOB) AND f.path < CAST('Family0' AS BLOB)))"
    )


def _keep_sums() -> None:
    """Keep folder.bytes the sum of its files' sizes, whoever writes them: a phone asks for the sum again and again."""
    add = "UPDATE folder SET bytes = bytes + NEW.size WHERE id = NEW.folder_id;"
    take = "UPDATE folder SET bytes = bytes - OLD.size WHERE id = OLD.folder_id;"
    op.execute(f"CREATE TRIGGER folder_bytes_insert AFTER INSERT ON stored_file BEGIN {add} END")
    op.execute(f"CREATE TRIGGER folder_bytes_delete AFTER DELETE ON stored_file BEGIN {take} END")
    op.execute(
        "CREATE TRIGGER folder_bytes_update AFTER UPDATE OF folder_id, size ON stored_file "
        f"WHEN OLD.size <> NEW.size OR OLD.folder_id <> NEW.folder_id BEGIN {take} {add} END"
    )

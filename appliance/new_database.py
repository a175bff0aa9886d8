"""A new station's database, made in one go.  (Standard library only.)

The migrations are the truth, and ``migrations/newest.sql`` is what all of them together make of an empty file: a first
start needs neither the machinery that migrates nor two dozen steps, which is half a minute on a slow processor.  After
a new migration it is written anew with ``python -m appliance.new_database``; a test holds both against each other.

What is true if the plug is pulled here: the database has its name when it is whole and flushed, and not before.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from appliance.durable import flush_folder

NEWEST = Path(__file__).parent / "migrations" / "newest.sql"


def make(path: Path) -> None:
    """An empty database with the newest schema, where there is none."""
    unfinished = path.with_name(f"{path.name}.new")
    for left in ("", "-journal", "-wal", "-shm"):
        Path(f"{unfinished}{left}").unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as rows:  # flushes what it commits
        rows.executescript(f"begin; {NEWEST.read_text()} commit;")
        rows.execute("pragma journal_mode = wal")
    unfinished.rename(path)
    flush_folder(path.parent)


def written(path: Path) -> str:
    """The statements that make such a database, in the order in which it was made."""
    with closing(sqlite3.connect(path)) as rows:
        kinds = {name: kind for _, name, kind, *_ in rows.execute("pragma table_list")}
        made = rows.execute("select name, sql from sqlite_master where sql is not null order by rowid").fetchall()
        # a virtual table makes its shadows itself, and may have changed what it keeps in them
        statements = [sql for name, sql in made if kinds.get(name) != "shadow"]
        for name in (name for name, _ in made if kinds.get(name) in ("table", "shadow")):
            columns = ", ".join(f'quote("{column}")' for _, column, *_ in rows.execute(f"pragma table_info({name})"))
            for row in rows.execute(f"select {columns} from {name}"):
                statements.append(f"REPLACE INTO {name} VALUES ({', '.join(row)})")
    return ";\n".join([*statements, ""])


def main() -> None:
    """Write the file anew."""
    from appliance.db import migrate

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "everpx.db")
        migrate(path)
        NEWEST.write_text(written(path))


if __name__ == "__main__":
    main()

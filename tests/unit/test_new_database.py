"""A new database is made in one go: it is what the migrations make, whole or absent, and needs no ORM."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance import new_database
from appliance.db import migrate
from appliance.places import Places
from appliance.station import prepare

OWN = ("sqlite_schema", "sqlite_temp_schema")
SETTINGS = ("page_size", "auto_vacuum", "user_version", "application_id", "encoding", "journal_mode")


def everything(path: Path) -> dict[str, Any]:
    """What is in a database, in the order in which it was made."""
    with closing(sqlite3.connect(path)) as rows:
        made = rows.execute("select type, name, tbl_name, sql from sqlite_master order by rowid").fetchall()
        tables = [name for _, name, kind, *_ in rows.execute("pragma table_list") if kind in ("table", "shadow")]
        return {
            "schema": made,
            "rows": {name: rows.execute(f'select * from "{name}"').fetchall() for name in tables if name not in OWN},
            "settings": [rows.execute(f"pragma {one}").fetchone() for one in SETTINGS],
            "check": rows.execute("pragma integrity_check").fetchall(),
        }


def test_it_is_what_the_migrations_make(tmp_path: Path) -> None:
    slowly, at_once = tmp_path / "slowly.db", tmp_path / "at-once.db"
    migrate(slowly)
    new_database.make(at_once)
    told = "a migration is new or was changed: python -m appliance.new_database"
    assert new_database.NEWEST.read_text() == new_database.written(slowly), told
    assert everything(at_once) == everything(slowly), told
    assert len(everything(at_once)["schema"]) > 200


def test_a_migration_finds_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "everpx.db"
    new_database.make(path)
    before = path.read_bytes()
    assert prepare.is_current(path)
    migrate(path)
    assert path.read_bytes() == before and not list(tmp_path.glob("*before-migration"))


def test_what_a_power_cut_left_is_no_database(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    places.data.mkdir(parents=True, exist_ok=True)
    with monkeypatch.context() as cut:
        cut.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare.prepare(places, places.data / "code")
    assert not places.database.exists(), "it has no name before it is whole"
    (places.data / "everpx.db.new").write_bytes(b"half")
    assert prepare.prepare(places, places.data / "code")
    assert prepare.is_current(places.database) and not list(places.data.glob("everpx.db.new*"))


def test_an_older_file_of_statements_is_brought_up_to_date(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older.sql"
    older.write_text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);\n")
    monkeypatch.setattr(new_database, "NEWEST", older)
    prepare.prepare(places, places.data / "code")
    assert prepare.is_current(places.database)


def test_what_comes_ahead_of_a_start_loads_no_orm(tmp_path: Path) -> None:
    """Neither the database nor the front door needs it then, and on a slow processor it is most of a start."""
    program = "import sys, appliance.web.service\n"
    program += "from appliance.station.prepare import main\ntry: main()\nexcept SystemExit as end:\n"
    program += (
        " print(end.code, sorted({'sqlalchemy', 'alembic', 'pluggy', 'psutil', 'cryptography'} & set(sys.modules)))"
    )
    here = {"EVERPX_DATA": f"{tmp_path}/data", "EVERPX_RUN": f"{tmp_path}/run", "PATH": "/usr/sbin:/usr/bin:/bin"}
    Path(here["EVERPX_RUN"], "nginx").mkdir(parents=True)
    for _ in ("first", "later"):
        done = subprocess.run(
            [sys.executable, "-c", program], env=here, cwd=Path(__file__).parents[2],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "False []", done.stdout + done.stderr

"""The database after bad days: flipped bytes, a lost journal, a kill in mid-write; never empty without a word (F24)."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from appliance import events, recovery
from appliance.db import Database, migrate
from appliance.drives.layout import STATION_COPY
from appliance.health import database, station
from appliance.health.service import HealthContext, apply_fix, tell
from appliance.people.models import User
from appliance.places import Places


@pytest.fixture
def owned(db: Database, places: Places) -> Places:
    """A station with an owner and some history, at rest."""
    with db.writing() as session:
        session.add(User(name="Anna", folder="Anna", password_hash="x"))
        for number in range(300):
            events.record(session, "test.line", "Line {number} of some length, so that there are pages.", number=number)
    db.close()
    recovery.prepare(places)
    assert recovery.claimed_stamp(places).exists()
    return places


def at_rest(path: Path) -> None:
    with sqlite3.connect(path) as rows:
        rows.execute("pragma wal_checkpoint(truncate)")
    rows.close()


def ruin(path: Path) -> None:
    at_rest(path)
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(content)


def people(path: Path) -> int:
    rows = sqlite3.connect(path)
    try:
        return int(rows.execute("select count(*) from user").fetchone()[0])
    finally:
        rows.close()


def test_a_new_station_starts_and_a_whole_database_is_left_alone(places: Places) -> None:
    recovery.prepare(places)
    migrate(places.database)
    recovery.prepare(places)
    assert not recovery.claimed_stamp(places).exists()
    assert not recovery.report_path(places).exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "flipped", "header", "short", "newer"])
def test_a_lost_database_is_replaced_by_the_newest_copy_and_kept(owned: Places, damage: str) -> None:
    database.check(owned)  # leaves the weekly copy
    path = owned.database
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flipped":
        ruin(path)
    elif damage == "header":
        at_rest(path)
        path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    elif damage == "short":
        at_rest(path)
        path.write_bytes(path.read_bytes()[:5000])
    else:
        rows = sqlite3.connect(path)
        rows.execute("update alembic_version set version_num = '9999'")
        rows.commit()
        rows.close()
    recovery.prepare(owned)
    assert people(path) == 1
    told = json.loads(recovery.report_path(owned).read_text())
    assert bool(told["kept"]) == (damage != "missing")
    assert not told["kept"] or (owned.data / told["kept"]).exists()
    recovery.prepare(owned)
    assert json.loads(recovery.report_path(owned).read_text()) == told


def test_without_a_good_copy_the_start_stops_and_says_so(owned: Places) -> None:
    owned.database.unlink()
    with pytest.raises(recovery.NoGoodCopy, match="missing") as caught:
        recovery.prepare(owned)
    assert "safe on the drives" in caught.value.hint
    assert not owned.database.exists()
    with pytest.raises(recovery.NoGoodCopy):
        recovery.prepare(owned)
    recovery.start_empty(owned)
    recovery.prepare(owned)
    migrate(owned.database)
    assert people(owned.database) == 0


def test_a_damaged_copy_is_not_taken(owned: Places) -> None:
    database.check(owned)
    shutil.copy(owned.database, owned.data / "everpx.db.before-migration")
    ruin(recovery.weekly_copy(owned))
    ruin(owned.database)
    recovery.prepare(owned)
    assert "before-migration" in json.loads(recovery.report_path(owned).read_text())["from"]
    assert people(owned.database) == 1


def test_of_two_copies_the_one_that_knows_more_is_taken(owned: Places) -> None:
    database.check(owned)
    db = Database(owned.database)
    with db.writing() as session:
        events.record(session, "test.later", "Later.")
    db.close()
    copy = owned.mounts / "HOT-1" / STATION_COPY / "everpx.db"
    copy.parent.mkdir(parents=True)
    at_rest(owned.database)
    shutil.copy(owned.database, copy)
    owned.database.unlink()
    recovery.prepare(owned)
    assert "HOT-1" in json.loads(recovery.report_path(owned).read_text())["from"]
    assert sorted(p.name for p in copy.parent.iterdir()) == ["everpx.db"]  # nothing left beside it on the drive


def test_damage_found_by_the_weekly_check_is_repaired_at_the_next_start(
    owned: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "CHECK_WHOLE_BELOW", 0)  # as for a large database: not read whole at each start
    database.check(owned)
    at_rest(owned.database)
    content = bytearray(owned.database.read_bytes())
    middle = len(content) // 4096 // 2 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    owned.database.write_bytes(content)
    assert database.check(owned) != ""
    assert people(recovery.weekly_copy(owned)) == 1  # the good copy was not replaced by a bad one
    db = Database(owned.database)
    with db.reading() as session:
        found = list(station.database_damaged(HealthContext(session, lambda verb, request: {}, owned, None)))
    db.close()
    assert [one.code for one in found] == ["database_damaged"]
    recovery.prepare(owned)
    assert recovery.problem_of(owned.database) is None
    assert not recovery.suspect_stamp(owned).exists()


def test_a_recovery_is_told_until_somebody_has_read_it(owned: Places) -> None:
    database.check(owned)
    owned.database.unlink()
    recovery.prepare(owned)
    db = Database(owned.database)
    with db.writing() as session:
        (found,) = station.database_restored(HealthContext(session, lambda verb, request: {}, owned, None))
        assert "a copy took its place" in str(found.message)
        issue = tell(session, found)
        session.flush()
        apply_fix(session, lambda verb, request: {}, owned, issue.id)
        assert not list(station.database_restored(HealthContext(session, lambda verb, request: {}, owned, None)))
    db.close()


@pytest.mark.parametrize("seed", range(8))
def test_random_flipped_bytes_never_start_an_empty_station(owned: Places, seed: int) -> None:
    database.check(owned)
    at_rest(owned.database)
    dice = random.Random(seed)
    content = bytearray(owned.database.read_bytes())
    for _ in range(dice.choice([1, 5, 50])):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    owned.database.write_bytes(content)
    recovery.prepare(owned)
    migrate(owned.database)
    db = Database(owned.database)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(events.Event)) is not None
    db.close()
    assert people(owned.database) == 1


def test_a_missing_journal_is_no_empty_station(owned: Places) -> None:
    database.check(owned)
    db = Database(owned.database)
    with db.writing() as session:
        events.record(session, "test.later", "Later.")
    copies = {p: p.read_bytes() for p in owned.data.glob("everpx.db*")}
    db.close()
    for path, content in copies.items():  # as after a pulled plug, but somebody lost the -wal
        path.write_bytes(content)
    Path(f"{owned.database}-wal").unlink(missing_ok=True)
    recovery.prepare(owned)
    assert recovery.problem_of(owned.database, "rw") is None
    assert people(owned.database) == 1


WRITER = """
import sys
from pathlib import Path
from appliance import events
from appliance.db import Database

db = Database(Path(sys.argv[1]))
number = 0
while True:
    with db.writing() as session:
        events.record(session, "test.kill", "Line", number=number)
    print(number, flush=True)
    number += 1
"""


def test_what_was_acknowledged_survives_a_kill_in_mid_write(owned: Places) -> None:
    for pause in (0.0, 0.013, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(owned.database)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        acknowledged = 1 + len(process.stdout.read().split())
        process.wait()
        process.stdout.close()
        recovery.prepare(owned)
        assert not recovery.report_path(owned).exists()
        db = Database(owned.database)
        with db.writing() as session:
            kept = session.scalars(select(events.Event).where(events.Event.kind == "test.kill")).all()
            assert len(kept) in (acknowledged, acknowledged + 1)
            for row in kept:
                session.delete(row)
        db.close()


def test_a_recovery_that_was_cut_off_is_done_again(owned: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    database.check(owned)
    ruin(owned.database)

    def pulled(path: Path, content: bytes, mode: int = 0o600) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(recovery, "write_atomically", pulled)  # the plug, between the two renames
        with pytest.raises(KeyboardInterrupt):
            recovery.prepare(owned)
    assert not owned.database.exists()
    recovery.prepare(owned)
    assert people(owned.database) == 1
    assert list(owned.data.glob("everpx.db.damaged-*"))

"""The backup's decisions: plan, brake, names, words.  No program is run and no drive is needed."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from appliance.backup import brake, catalogue, health, manifest, older, plan, runs, service, versions
from appliance.backup.cold_names import Names, safe
from appliance.backup.models import BackupRun, Drill, RunState
from appliance.backup.plan import Numbers
from appliance.broker.client import Broker
from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.errors import Conflict, Invalid, NotFound
from appliance.health.service import HealthContext
from appliance.jobs.models import Job, Schedule
from appliance.jobs.plan import Plan, Rhythm
from appliance.jobs.service import AlreadyRunning
from appliance.library.listing import UNKNOWN
from appliance.library.names import portable_problem
from appliance.library.scan import walk
from appliance.places import Places
from tests.backup_bed import Bed

LIMITS = brake.Limits(share=25, files=20)


@pytest.fixture
def bed(db: Database, places: Places, tmp_path: Path) -> Bed:
    return Bed(db, places, tmp_path / "hot", tmp_path / "cold")


def compared(bed: Bed) -> plan.Sheet:
    return plan.compare(bed.db, bed.hot, bed.cold.drive_id, bed.places.data, lambda _: None)


def pretend_copied(bed: Bed) -> None:
    """The rows of a finished run, without the run."""
    for listing in walk(bed.hot.path):
        with bed.db.writing() as session:
            ids = catalogue.ensure_folders(session, bed.hot.drive_id, [listing.path])
            mark = {"cold_drive_id": bed.cold.drive_id, "folder_id": ids[listing.path]}
            catalogue.record_folders(session, [mark | {"fingerprint": listing.fingerprint, "stored_as": None}])
            rows = [
                mark
                | {"name": f.name, "stored_as": None, "size": f.size, "modified_ns": f.modified_ns}
                | {"digest": b"\0" * 32, "proven": now()}
                for f in listing.files
            ]
            catalogue.record_files(session, rows)


def test_a_plan_counts_what_is_new_changed_and_gone(bed: Bed) -> None:
    for name in ("a/1", "a/2", "a/3", "b/4", "c/5", "c/6"):
        bed.write(name, name.encode())
    pretend_copied(bed)
    bed.write("a/1", b"longer than before")
    (bed.hot.path / "a/2").unlink()
    bed.write("a/7", b"new")
    (bed.hot.path / "c/5").unlink()
    (bed.hot.path / "c/6").unlink()
    (bed.hot.path / "c").rmdir()
    sheet = compared(bed)
    numbers = sheet.numbers
    assert (numbers.new, numbers.changed, numbers.vanished, numbers.held, numbers.files) == (1, 1, 3, 6, 4)
    assert numbers.bytes == len(b"longer than before") + len(b"new")
    assert list(sheet.folders()) == [b"a"]
    assert sum(map(len, sheet.vanished())) == 3
    assert [sample.name for sample in sheet.samples] == [b"1"]
    sheet.close()


def test_an_unchanged_drive_is_an_empty_plan(bed: Bed) -> None:
    bed.write("a/b/c", b"c")
    pretend_copied(bed)
    sheet = compared(bed)
    assert sheet.is_empty
    sheet.close()


def test_a_sheet_keeps_more_than_fits_in_its_memory(bed: Bed) -> None:
    sheet = plan.Sheet(bed.hot, bed.cold.drive_id, plan._scratch(bed.places.data), plan._scratch(bed.places.data))
    paths = [b"folder %d" % number * 20 for number in range(6000)]
    for path in paths:
        sheet.folders_file.write(path + b"\0")
    plan._vanish(sheet, list(range(5000)))
    assert list(sheet.folders()) == paths
    assert [number for chunk in sheet.vanished() for number in chunk] == list(range(5000))
    sheet.close()


@pytest.mark.parametrize(
    ("numbers", "noisy", "asked"),
    [
        (Numbers(files=100, held=100), (0, 0), False),
        (Numbers(files=0, held=3, vanished=3), (0, 0), True),  # empty, however little there was
        (Numbers(files=0, held=0), (0, 0), False),  # a new station
        (Numbers(files=80, held=100, vanished=19), (0, 0), False),
        (Numbers(files=70, held=100, vanished=25), (0, 0), True),
        (Numbers(files=9_950, held=10_000, vanished=50), (0, 0), False),  # enough files, but a small share
        (Numbers(files=100, held=100, changed=30), (0, 30), True),
        (Numbers(files=100, held=100, changed=30, words=30), (0, 30), False),  # only what is said of photos
        (Numbers(files=100, held=100, changed=30, words=30), (30, 30), True),  # that is noise now
        (Numbers(files=10_000, held=10_000, changed=40), (30, 40), True),  # few, but turned into noise
        (Numbers(files=10_000, held=10_000, changed=40), (4, 40), False),
        (Numbers(files=10, held=10, changed=3), (3, 3), False),  # too few to judge
    ],
)
def test_the_brake_asks_when_it_should(numbers: Numbers, noisy: tuple[int, int], asked: bool) -> None:
    assert (brake.judge("HOT-1", numbers, noisy, LIMITS) is not None) is asked


def test_known_kinds_are_not_noise() -> None:
    for name, start in ((b"a.jpg", b"\xff\xd8\xff"), (b"a.MP4", b"\0\0\0 ftyp"), (b"a", b"PK\x03\x04")):
        assert not brake.is_noise(name, start + os.urandom(4000))
        assert brake.is_noise(name, os.urandom(4000))
    assert not brake.is_noise(b"short", os.urandom(100))


@given(st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_a_safe_name_fits_every_filesystem(name: bytes) -> None:
    if name in (b".", b".."):
        return
    made = safe(name)
    assert portable_problem(made) is None, made
    assert len(made) <= 255
    assert made == safe(name)
    assert blake3(name).hexdigest(4).encode() in made


def test_names_are_judged_by_the_filesystem() -> None:
    ext4, exfat = Names("ext4"), Names("exfat")
    assert ext4.holds(b"a:b.") and not exfat.holds(b"a:b.")
    assert not ext4.holds(b"\xff")  # no text: b3sum would give up at the manifest
    assert ext4.fold(b"A") != ext4.fold(b"a")
    assert exfat.fold("Ä.jpg".encode()) == exfat.fold("ä.jpg".encode())


def test_versions_are_numbered_and_stay_within_a_name() -> None:
    assert older.numbered(b"a/b.jpg", 2) == b"a/b (2).jpg"
    assert older.numbered(b"a/.hidden", 3) == b"a/.hidden (3)"
    long = "ü".encode() * 127
    assert len(older.numbered(long, 2)) <= 255
    older.numbered(long, 2).decode()


def test_manifest_lines_escape_as_the_standard_tool_does() -> None:
    digest = b"\x01" * 32
    assert manifest.line(b"a b", digest) == b"01" * 32 + b"  a b\n"
    assert manifest.line(b"a\\b\nc", digest) == b"\\" + b"01" * 32 + b"  a\\\\b\\nc\n"


def test_sizes_are_said_as_drives_are_sold() -> None:
    assert [versions.in_words(n) for n in (5, 14_200_000_000, 2_000_000_000_000)] == ["5 B", "14.2 GB", "2.0 TB"]


def test_a_copy_is_started_once_and_never_to_a_drive_that_is_not_trusted(bed: Bed) -> None:
    with bed.db.writing() as session:
        service.start(session, bed.cold.drive_id)
        with pytest.raises(AlreadyRunning):
            service.start(session, bed.cold.drive_id)
        with pytest.raises(NotFound):
            service.start(session, bed.hot.drive_id)
        session.get_one(Drive, bed.cold.drive_id).state = DriveState.UNTRUSTWORTHY
        with pytest.raises(Conflict):
            service.start(session, bed.cold.drive_id)


def test_each_cold_drive_has_a_schedule_of_its_own(bed: Bed, tmp_path: Path) -> None:
    second = bed.drive(tmp_path / "cold2", DriveRole.COLD, 2, "ext4")
    with bed.db.writing() as session:
        service.schedule(session, bed.cold.drive_id, Plan(Rhythm.DAILY, hour=3))
        service.schedule(session, second.drive_id, Plan(Rhythm.WEEKLY, hour=4, days=(5,)))
        service.schedule(session, second.drive_id, Plan(Rhythm.WEEKLY, hour=5, days=(5,)))
        assert {s.lock: s.cron for s in session.scalars(select(Schedule))} == {
            "cold:2": "0 3 * * *",
            "cold:3": "0 5 * * 6",
        }


def test_an_answer_is_asked_for_once(bed: Bed) -> None:
    with bed.db.writing() as session:
        run = BackupRun(cold_drive_id=bed.cold.drive_id, state=RunState.BRAKED)
        session.add(run)
        session.flush()
        with pytest.raises(Invalid):
            service.answer(session, run.id, "maybe")
        with pytest.raises(NotFound):
            service.answer(session, 999, "go")
        service.answer(session, run.id, "go")
        assert session.scalars(select(Job.kind)).all() == ["backup.run"]
        run.state = RunState.PROVEN
        with pytest.raises(Conflict):
            service.answer(session, run.id, "go")


def test_a_go_holds_for_the_plan_that_was_asked_about_and_no_worse_one(bed: Bed) -> None:
    with bed.db.writing() as session:
        session.add(
            BackupRun(cold_drive_id=bed.cold.drive_id, state=RunState.BRAKED, vanished=1000, changed=0, answer="go")
        )
    assert runs.is_allowed(bed.db, bed.cold.drive_id, 1100, 5)
    assert not runs.is_allowed(bed.db, bed.cold.drive_id, 5000, 5)
    assert not runs.is_allowed(bed.db, bed.cold.drive_id, 1000, 5000)


def test_which_hot_drives_a_cold_drive_keeps_can_be_chosen(bed: Bed, tmp_path: Path) -> None:
    second = bed.drive(tmp_path / "hot2", DriveRole.HOT, 2, "ext4")
    with bed.db.writing() as session:
        assert [drive.tag for drive in service.sources(session, bed.cold.drive_id)] == ["HOT-1", "HOT-2"]
        service.choose_sources(session, bed.cold.drive_id, [second.drive_id])
        assert [drive.tag for drive in service.sources(session, bed.cold.drive_id)] == ["HOT-2"]
        with pytest.raises(NotFound):
            service.choose_sources(session, bed.cold.drive_id, [bed.cold.drive_id])


def test_rotation_says_when_a_drive_was_last_here(bed: Bed) -> None:
    with bed.db.writing() as session:
        assert str(service.rotation(session)[bed.cold.drive_id]) == "COLD-1 has not held a copy yet"
        session.get_one(Drive, bed.cold.drive_id).last_here = now() - timedelta(days=47, hours=1)
        session.flush()
        assert str(service.rotation(session)[bed.cold.drive_id]) == "COLD-1 was last here 47 days ago"


def found(bed: Bed) -> set[str]:
    with bed.db.reading() as session:
        broker: Broker = bed.broker
        context = HealthContext(session, broker, bed.places, None)
        return {finding.code for check in health.CHECKS for finding in check.run(context)}


def test_health_tells_of_copies_that_are_late_stopped_or_never_tried(bed: Bed) -> None:
    assert found(bed) == set()
    with bed.db.writing() as session:
        session.get_one(Drive, bed.cold.drive_id).handed_over = now() - timedelta(days=100)
    assert found(bed) == {"backup_overdue"}
    with bed.db.writing() as session:
        finished = now() - timedelta(days=1)
        session.add(BackupRun(cold_drive_id=bed.cold.drive_id, state=RunState.PROVEN, finished=finished))
    assert found(bed) == {"drill_overdue"}
    with bed.db.writing() as session:
        session.add(Drill(cold_drive_id=bed.cold.drive_id, tried=25, good=24))
        question = brake.judge("HOT-1", Numbers(held=9), (0, 0), LIMITS)
        session.add(BackupRun(cold_drive_id=bed.cold.drive_id, state=RunState.BRAKED, brake=question))
    assert found(bed) == {"drill_failed", "backup_braked"}
    with bed.db.writing() as session:
        session.add(BackupRun(cold_drive_id=bed.cold.drive_id, state=RunState.FAILED))
    assert found(bed) == {"drill_failed", "backup_braked", "backup_failed"}


def test_a_walk_says_what_it_cannot_read_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / ".everpx").mkdir()
    os.mkfifo(tmp_path / "pipe")
    top, below = walk(tmp_path)
    assert (list(top.files), top.others) == ([], [(b"loop", "symlink"), (b"pipe", "fifo")])
    assert [entry.name for entry in below.files] == [b"x"]
    with pytest.raises(FileNotFoundError):
        list(walk(tmp_path / "no such drive"))


def test_a_fingerprint_changes_with_every_way_a_folder_can_change(tmp_path: Path) -> None:
    seen = {UNKNOWN}

    def now_differs() -> bool:
        (listing,) = walk(tmp_path)
        fresh = listing.fingerprint not in seen
        seen.add(listing.fingerprint)
        return fresh

    assert now_differs()
    (tmp_path / "a").write_bytes(b"1")
    assert now_differs()
    os.utime(tmp_path / "a", ns=(5, 5))
    assert now_differs()
    (tmp_path / "a").rename(tmp_path / "b")
    assert now_differs()
    assert not now_differs()


def test_a_walk_has_the_same_order_every_time(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number % 7}" / f"{number % 11}").mkdir(parents=True, exist_ok=True)
    paths = [listing.path for listing in walk(tmp_path)]
    assert paths == [listing.path for listing in walk(tmp_path)]
    assert len(paths) == len(set(paths))
    assert all(path.rpartition(b"/")[0] in paths[: paths.index(path)] for path in paths if path)

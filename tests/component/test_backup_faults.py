"""What bad things get: killed at every step, rot, a full drive, hostile names, other people's edits."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from appliance import events
from appliance.backup import brake, browse, manifest, problems, run, scrub, service
from appliance.backup.models import BackupRun, ColdFile, OldVersion, RunState
from appliance.db import Database, now
from appliance.drives import layout
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.drives.mounts import DriveGone
from appliance.jobs import runner
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, Wish
from appliance.jobs.progress import Cancelled, Paused
from appliance.library.models import Folder, StoredFile
from appliance.places import Places
from appliance.words import Message
from tests.backup_bed import Bed, check_complete, check_invariants, files_below, flip, killed_run, loop_mount, unmount
from tests.root import need_root

pytestmark = pytest.mark.component

STEPS = ("vanished", "flushed", "checked", "vacated", "placed", "committed", "manifest", "finished")


@pytest.fixture
def bed(db: Database, places: Places, tmp_path: Path, program: Callable[[str], str]) -> Bed:
    program("rsync")
    return Bed(db, places, tmp_path / "hot", tmp_path / "cold")


def filled(bed: Bed, count: int = 30) -> None:
    for number in range(count):
        bed.write(f"Anna/{number % 3}/{number}.jpg", b"first %d " % number * 50)


def said(bed: Bed, kind: str) -> list[str]:
    with bed.db.reading() as session:
        return [str(event.message) for event in session.scalars(select(events.Event).where(events.Event.kind == kind))]


def make_old(bed: Bed) -> None:
    """As if nobody had read the copies for months."""
    with bed.db.writing() as session:
        session.execute(update(ColdFile).values(proven=now() - timedelta(days=200)))


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_loses_nothing_and_the_next_one_converges(bed: Bed, step: str) -> None:
    filled(bed)
    bed.run()
    for number in range(5):
        bed.write(f"Anna/0/{number * 3}.jpg", b"second, longer than before %d" % number * 60)
    bed.write("Anna/New folder/x.jpg", b"x")
    (bed.hot.path / "Anna/1/1.jpg").unlink()
    before = files_below(bed.hot.path)
    assert killed_run(bed, step) == -9
    check_invariants(bed)
    assert files_below(bed.hot.path) == before
    everything = set(files_below(bed.cold.path, frozenset()).values())
    for number in range(30):
        assert b"first %d " % number * 50 in everything
    bed.run()
    check_complete(bed)
    check_invariants(bed)
    with bed.db.reading() as session:
        rows = session.scalars(select(OldVersion)).all()
    on_drive = {path for path in (bed.cold.path / layout.OLDER).rglob("*") if path.is_file()}
    assert {bed.cold.path / layout.OLDER / os.fsdecode(row.stored_as) for row in rows} == on_drive
    assert bed.run().get("nothing_to_do")


def test_a_paused_run_goes_on_and_a_cancelled_one_leaves_nothing_half_done(bed: Bed) -> None:
    filled(bed)
    for wish, stop in ((Wish.PAUSE, Paused), (Wish.CANCEL, Cancelled)):
        progress = bed.progress()
        with bed.db.writing() as session:
            session.execute(update(Job).where(Job.id == progress.job_id).values(wish=wish))
        with pytest.raises(stop):
            run.run(progress, run.Target(bed.cold.drive_id, "COLD-1"), bed.hots, bed.open_cold)
        check_invariants(bed)
    assert bed.last_run().state is RunState.CANCELLED
    bed.run()
    check_complete(bed)


def went_back(bed: Bed, kept: Path) -> None:
    """The drive is as it was when ``kept`` was made of it."""
    shutil.rmtree(bed.cold.path)
    shutil.copytree(kept, bed.cold.path, symlinks=True)


def test_a_drive_that_forgot_what_it_had_stored_is_found_out_and_gets_it_again(bed: Bed, tmp_path: Path) -> None:
    """F9: it said that all was on its disk, and the next power cut showed that it was not."""
    filled(bed)
    bed.run()
    shutil.copytree(bed.cold.path, tmp_path / "kept", symlinks=True)
    for number in range(7):
        bed.write(f"Anna/Later/{number}.jpg", b"later %d" % number)
    bed.write("Anna/0/3.jpg", b"another picture of the same name")
    bed.run()
    check_complete(bed)
    went_back(bed, tmp_path / "kept")
    bed.write("Anna/today.jpg", b"today")
    bed.run()
    check_complete(bed)
    check_invariants(bed)
    assert said(bed, "backup.forgot") == ["COLD-1 forgot 8 copies that it had already stored. They are made again."]
    assert bed.run().get("nothing_to_do"), "and then all is as it was left"
    went_back(bed, tmp_path / "kept")
    bed.write("Anna/tomorrow.jpg", b"tomorrow")
    with pytest.raises(problems.ColdUntrustworthy):
        bed.run()
    with bed.db.reading() as session:
        assert session.get_one(Drive, bed.cold.drive_id).state is DriveState.UNTRUSTWORTHY


def test_a_drive_that_forgot_what_a_run_had_stored_until_it_was_cut_off_gets_it_again(bed: Bed) -> None:
    filled(bed)
    bed.run()
    for number in range(5):
        bed.write(f"Anna/Later/{number}.jpg", b"later %d" % number)
    assert killed_run(bed, "finished") == -9
    for number in (1, 4):
        (bed.cold.path / f"HOT-1/Anna/Later/{number}.jpg").unlink()
    (bed.cold.path / "HOT-1/Anna/Later/2.jpg").write_bytes(b"")
    bed.run()
    check_complete(bed)
    check_invariants(bed)
    assert said(bed, "backup.forgot") == ["COLD-1 no longer holds 3 of its copies. They are made again."]
    assert bed.run().get("nothing_to_do")


def test_copies_that_somebody_took_away_are_made_again_and_the_drive_is_not_blamed(bed: Bed) -> None:
    filled(bed)
    bed.run()
    (bed.cold.path / layout.MANIFEST).unlink()
    for number in (3, 6):
        (bed.cold.path / f"HOT-1/Anna/0/{number}.jpg").unlink()
    flip(bed.cold.path / "HOT-1/Anna/1/1.jpg")
    bed.write("Anna/today.jpg", b"today")
    result = bed.run()
    check_complete(bed)
    assert said(bed, "backup.forgot") == ["COLD-1 no longer holds 2 of its copies. They are made again."]
    assert result["repaired"] == 1, "and all others were read again"
    with bed.db.reading() as session:
        assert session.get_one(Drive, bed.cold.drive_id).state is DriveState.ACTIVE
    bed.write("Anna/tomorrow.jpg", b"tomorrow")
    assert bed.run()["scrubbed"] == 0


def test_rot_on_cold_is_repaired_from_hot_and_both_facts_are_told(bed: Bed) -> None:
    filled(bed)
    bed.run()
    rotten = bed.cold.path / "HOT-1/Anna/0/3.jpg"
    flip(rotten)
    make_old(bed)
    result = bed.run()
    assert (result["scrubbed"], result["repaired"]) == (30, 1)
    check_complete(bed)
    assert said(bed, "backup.repaired") == ["A copy on COLD-1 was damaged and has been repaired: “Anna/0/3.jpg”."]
    assert len(bed.older()) == 1  # the rotten bytes are kept


def test_rot_on_both_drives_is_told_and_nothing_is_overwritten(bed: Bed) -> None:
    filled(bed)
    bed.run()
    flip(bed.cold.path / "HOT-1/Anna/0/3.jpg")
    flip(bed.hot.path / "Anna/0/3.jpg")
    copies = files_below(bed.cold.path / "HOT-1")
    make_old(bed)
    bed.run()
    assert files_below(bed.cold.path / "HOT-1") == copies
    assert said(bed, "backup.rot")


def test_rot_on_hot_is_found_and_repaired_from_cold(bed: Bed) -> None:
    filled(bed)
    bed.run()
    good = (bed.hot.path / "Anna/0/3.jpg").read_bytes()
    catalogued(bed)
    flip(bed.hot.path / "Anna/0/3.jpg")
    assert scrub.scrub_hot(bed.progress("backup.scrub_hot"), bed.hot, 1 << 30).lost == 1
    assert said(bed, "backup.damaged") == ["“Anna/0/3.jpg” on HOT-1 is damaged: it no longer is what was stored."]
    assert bed.run()["repaired"] == 1
    assert (bed.hot.path / "Anna/0/3.jpg").read_bytes() == good
    assert scrub.scrub_hot(bed.progress("backup.scrub_hot"), bed.hot, 1 << 30).lost == 0


def catalogued(bed: Bed) -> None:
    """As the library would have it: every HOT file with its hash."""
    with bed.db.writing() as session:
        for file in session.scalars(select(ColdFile)).all():
            session.add(
                StoredFile(
                    folder_id=file.folder_id,
                    name=file.name,
                    size=file.size,
                    modified_ns=file.modified_ns,
                    digest=file.digest,
                )
            )


def test_a_hot_file_that_rotted_before_its_copy_is_not_copied(bed: Bed) -> None:
    filled(bed)
    bed.run()
    catalogued(bed)
    path = bed.hot.path / "Anna/0/3.jpg"
    flip(path)
    with bed.db.writing() as session:  # the copy was lost, so a run wants to make it again
        gone = session.scalars(select(ColdFile).where(ColdFile.name == b"3.jpg")).one()
        session.delete(gone)
        scrub._open_folder(session, bed.cold.drive_id, gone.folder_id)
    kept = (bed.cold.path / "HOT-1/Anna/0/3.jpg").read_bytes()
    assert bed.run()["skipped"] == 1
    assert (bed.cold.path / "HOT-1/Anna/0/3.jpg").read_bytes() == kept
    with bed.db.reading() as session:
        assert session.scalars(select(StoredFile.name).where(StoredFile.damaged)).all() == [b"3.jpg"]


def test_a_run_that_gets_on_survives_any_number_of_power_cuts(bed: Bed) -> None:
    for number in range(120):
        bed.write(f"Anna/{number:03}.jpg", b"%d" % number)
    with bed.db.writing() as session:
        queued = jobs.start(session, "backup.run", title=Message("Copy"), lock="cold:1").id
    cuts = 0
    while True:
        job = runner.claim(bed.db, queued)
        assert job is not None, "given up"
        if killed_run(bed, "committed:2", job, batch=10) == 0:
            break
        cuts += 1
        with bed.db.writing() as session:
            session.get_one(Job, queued).pid = None  # it was claimed here, and this process lives
            jobs.recover(session)
    assert cuts > jobs.MOST_IN_VAIN
    check_complete(bed)
    check_invariants(bed)


def test_a_version_that_never_came_is_forgotten_also_on_another_day(bed: Bed) -> None:
    bed.write("Anna/note.txt", b"first")
    bed.run()
    bed.write("Anna/note.txt", b"second")
    assert killed_run(bed, "vacated") == -9
    with bed.db.writing() as session:  # as if the plug had been pulled yesterday, between the row and the rename
        old = session.scalars(select(OldVersion)).one()
        (bed.cold.path / layout.OLDER / old.stored_as.decode()).rename(bed.cold.path / "HOT-1/Anna/note.txt")
        old.day, old.put_away = old.day - timedelta(days=1), now() - timedelta(days=1)
        session.execute(update(BackupRun).values(finished=now() - timedelta(days=1)))
    bed.run()
    with bed.db.reading() as session:
        (old,) = browse.versions_of(session, bed.cold.drive_id, "HOT-1", b"Anna/note.txt")
    assert (bed.cold.path / os.fsdecode(old.place)).read_bytes() == b"first"
    check_complete(bed)


def test_what_another_computer_changed_on_cold_is_kept_as_a_version(bed: Bed) -> None:
    filled(bed)
    bed.run()
    (bed.cold.path / "HOT-1/Anna/0/0.jpg").write_bytes(b"edited on a laptop")
    (bed.cold.path / "HOT-1/Anna/1/1.jpg").unlink()
    (bed.cold.path / "HOT-1/Anna/brand new.txt").write_bytes(b"put there by hand")
    bed.write("Anna/0/0.jpg", b"edited at home, too")
    bed.write("Anna/brand new.txt", b"the same name at home")
    bed.run()
    assert set(bed.older().values()) == {b"edited on a laptop", b"put there by hand"}
    with bed.db.reading() as session:
        assert set(session.scalars(select(OldVersion.why))) == {"changed elsewhere"}
    make_old(bed)
    bed.run()  # the scrub notices what is gone
    bed.run()
    check_complete(bed)
    check_invariants(bed)


def test_a_full_cold_drive_is_told_before_anything_is_copied(db: Database, places: Places, tmp_path: Path) -> None:
    with mounted(tmp_path / "cold", 80) as cold:
        bed = Bed(db, places, tmp_path / "hot", cold)
        bed.write("small.jpg", b"small")
        bed.run()
        bed.write("film.mp4", os.urandom(80 << 20))
        with pytest.raises(problems.ColdFull, match=r"COLD-1 is too full: 83\.9 MB needed"):
            bed.run()
        assert bed.last_run().state is RunState.FAILED
        check_invariants(bed)
        assert files_below(cold / "HOT-1") == {b"small.jpg": b"small"}
        (bed.hot.path / "film.mp4").unlink()
        bed.run()
        check_complete(bed)


def test_a_cold_drive_that_fills_up_meanwhile_leaves_nothing_half_done(
    db: Database, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.backup.versions.free_bytes", lambda _: 1 << 40)  # as if somebody else wrote to it
    with mounted(tmp_path / "cold", 40) as cold:
        bed = Bed(db, places, tmp_path / "hot", cold)
        bed.write("a.jpg", b"a")
        bed.run()
        for number in range(3):
            bed.write(f"{number}.mp4", os.urandom(20 << 20))
        with pytest.raises(problems.ColdFull):
            bed.run()
        check_invariants(bed)
        held = files_below(cold / "HOT-1")
        assert all(held[name] == content for name, content in files_below(bed.hot.path).items() if name in held)
        assert list((cold / layout.INCOMING).iterdir()) == []


def mounted(where: Path, megabytes: int, kind: str = "ext4"):  # type: ignore[no-untyped-def]
    from contextlib import contextmanager

    @contextmanager
    def block() -> Iterator[Path]:
        need_root()
        image = where.with_suffix(".img")
        words = {
            "ext4": (["mkfs.ext4", "-q", "-m", "0"], ["mount"]),
            "exfat": (["mkfs.exfat"], ["mount.exfat-fuse"]),
        }[kind]
        loop_mount(image, where, megabytes, *words)
        try:
            yield where
        finally:
            unmount(where)

    return block()


HOSTILE = (
    "a:b.jpg",
    "ends with a dot.",
    "ends with a space ",
    "CON.jpg",
    "Case.jpg",
    "case.jpg",
    "what?.txt",
    "*star*.txt",
    'quote".txt',
    "pipe|.txt",
    "emoji 👩‍👩‍👧 🐈.jpg",
    "ü" * 120 + ".jpg",
    "new\nline.txt",
    "100%.txt",
    "back\\slash.txt",
    "odd: folder./inside:.txt",
    "Folder/x.txt",
    "folder/x.txt",
    "FOLDER/y.txt",
)


def hostile(bed: Bed) -> None:
    for number, name in enumerate(HOSTILE):
        bed.write(name, b"content %d" % number)
    bed.write(b"not \xff utf-8/\xfe.jpg", b"bytes")
    bed.write(b"ends \xff.jpg", b"more bytes")


def test_names_an_exfat_drive_cannot_hold_are_kept_under_a_safe_name(
    db: Database, places: Places, tmp_path: Path, program: Callable[[str], str]
) -> None:
    program("mount.exfat-fuse")
    with mounted(tmp_path / "cold", 64, "exfat") as cold:
        bed = Bed(db, places, tmp_path / "hot", cold, "exfat")
        hostile(bed)
        result = bed.run()
        assert result["skipped"] == 0
        check_complete(bed)
        assert bed.run().get("nothing_to_do")
        again = manifest.read_names(cold)
        for name in ("case.jpg", "Case.jpg", "a:b.jpg", "FOLDER/y.txt"):
            bed.write(name, b"second " + name.encode())
        bed.write("odd: folder./more.txt", b"more")
        bed.run()
        check_complete(bed)
        names = manifest.read_names(cold)
        assert again.items() <= names.items()  # a name once given stays
        assert bed.run().get("nothing_to_do")


def test_hostile_names_arrive_on_ext4_as_they_are(bed: Bed) -> None:
    hostile(bed)
    assert bed.run()["skipped"] == 0
    check_complete(bed)
    assert (bed.cold.path / "HOT-1" / "a:b.jpg").exists()
    assert bed.run().get("nothing_to_do")


def test_ransomware_is_stopped_and_a_go_lets_the_copy_go_on(bed: Bed) -> None:
    for number in range(40):
        bed.write(f"Anna/{number}.jpg", b"\xff\xd8\xff" + os.urandom(2000))
        bed.write(f"Anna/{number}.txt", b"words that mean something " * 50)
    bed.run()
    for number in range(40):
        bed.write(f"Anna/{number}.jpg", os.urandom(2003))
    assert bed.run() == {"braked": True}
    assert bed.times_on == 1
    assert "no longer look like photos" in str(bed.last_run().brake)
    with bed.db.writing() as session:
        service.answer(session, bed.last_run().id, "go")
        session.execute(update(Job).where(Job.kind == "backup.run").values(state="DONE"))
    assert bed.run()["copied"] == 40
    with bed.db.reading() as session:
        assert not session.scalars(select(BackupRun).where(BackupRun.state == RunState.BRAKED)).all()
    assert len(bed.older()) == 40


def test_a_stop_leaves_the_copy_alone_until_the_files_are_back(bed: Bed) -> None:
    filled(bed)
    bed.run()
    contents = files_below(bed.hot.path)
    for path in contents:
        (bed.hot.path / os.fsdecode(path)).unlink()
    bed.run()
    with bed.db.writing() as session:
        service.answer(session, bed.last_run().id, "stop")
    assert bed.run() == {"braked": True}
    for path, content in contents.items():
        bed.write(path, content)
    bed.run()
    check_complete(bed)
    with bed.db.reading() as session:
        assert not session.scalars(select(BackupRun).where(BackupRun.state == RunState.BRAKED)).all()


def test_a_hot_drive_pulled_in_mid_run_is_gone_and_not_empty(bed: Bed, tmp_path: Path) -> None:
    filled(bed)
    bed.run()
    (bed.hot.path / layout.MARKER).unlink()
    with pytest.raises(DriveGone):
        bed.run()
    assert len(files_below(bed.cold.path / "HOT-1")) == 30
    assert bed.last_run().state is RunState.FAILED


def test_a_folder_that_cannot_be_read_is_not_a_folder_that_vanished(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(bed)
    bed.run()
    from appliance.library import scan

    failing = """if True:
        import sys
        from appliance.library import lister, scan
        real = scan._read
        def failing(folder, *rest):
            if folder.endswith(b"Anna/1"):
                raise OSError(5, "Input/output error")
            return real(folder, *rest)
        scan._read = failing
        lister.main()
    """
    monkeypatch.setattr(scan, "LISTER", ("-c", failing))
    assert bed.run().get("nothing_to_do")
    assert len(files_below(bed.cold.path / "HOT-1")) == 30


def test_two_hot_drives_never_collide_on_one_cold_drive(bed: Bed, tmp_path: Path) -> None:
    bed.write("same/name.jpg", b"from the first")
    second = bed.drive(tmp_path / "hot2", DriveRole.HOT, 2, "ext4")
    bed.hots.append(second)
    (second.path / "same").mkdir()
    (second.path / "same/name.jpg").write_bytes(b"from the second")
    bed.run()
    assert (bed.cold.path / "HOT-1/same/name.jpg").read_bytes() == b"from the first"
    assert (bed.cold.path / "HOT-2/same/name.jpg").read_bytes() == b"from the second"
    assert bed.run().get("nothing_to_do")


def test_a_copy_that_comes_back_different_twice_ends_the_trust(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(bed)
    bed.write("Anna/bad.jpg", b"bad")
    from appliance.backup import medium

    real = medium.digest_of_copy

    def lying(path: bytes, *rest: object) -> bytes:
        if b"/cold/" in path and path.endswith(b"bad.jpg"):
            return b"\0" * 32
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(medium, "digest_of_copy", lying)
    with pytest.raises(problems.ColdUntrustworthy, match=r"bad\.jpg"):
        bed.run()
    check_invariants(bed)
    assert b"Anna/bad.jpg" not in files_below(bed.cold.path / "HOT-1")
    assert said(bed, "backup.untrustworthy")


def test_older_versions_go_only_after_their_days_or_when_the_drive_is_full(
    db: Database, places: Places, tmp_path: Path
) -> None:
    from appliance.backup import versions

    with mounted(tmp_path / "cold", 200) as cold:
        bed = Bed(db, places, tmp_path / "hot", cold)
        bed.write("film.mp4", os.urandom(50 << 20))
        bed.run()
        bed.write("film.mp4", os.urandom(51 << 20))
        bed.run()
        assert len(bed.older()) == 1
        with db.writing() as session:
            session.execute(update(OldVersion).values(day=now().date() - timedelta(days=20)))
        versions.apply_policy(db, cold_mount := bed.cold, now().date())
        assert len(bed.older()) == 1
        versions.make_room(db, cold_mount, now().date(), 100 << 20)
        assert bed.older() == {}
        with pytest.raises(problems.ColdFull):
            versions.make_room(db, cold_mount, now().date(), 1 << 40)
        check_complete(bed)


def test_media_is_not_noise_and_encrypted_media_is(bed: Bed) -> None:
    assert not brake.is_noise(b"a.jpg", b"\xff\xd8\xff" + os.urandom(4000))
    assert brake.is_noise(b"a.jpg", os.urandom(4000))
    assert brake.is_noise(b"a.jpg.locked", os.urandom(4000))
    assert not brake.is_noise(b"a.mov", b"\0\0\0 ftypqt  " + os.urandom(4000))
    assert not brake.is_noise(b"a.txt", b"plain words " * 400)


def test_folders_known_only_to_the_library_are_copied(bed: Bed) -> None:
    with bed.db.writing() as session:
        session.add(Folder(drive_id=bed.hot.drive_id, path=b"Anna"))
    bed.write("Anna/x.jpg", b"x")
    bed.run()
    check_complete(bed)

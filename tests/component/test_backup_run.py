"""Hot to cold, with the real rsync: what a run does, and what it refuses to do."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.backup import not_copied, plan, policy
from appliance.backup.models import ColdFile, RunState
from appliance.db import Database
from appliance.drives import layout
from appliance.library import bin as bins
from appliance.library import emptying
from appliance.library.models import StoredFile
from appliance.people import handover
from appliance.places import Places
from tests.backup_bed import Bed, check_complete, check_invariants, fat_mount, files_below
from tests.hot_drive import person

pytestmark = pytest.mark.component


@pytest.fixture
def bed(db: Database, places: Places, tmp_path: Path, program: Callable[[str], str]) -> Bed:
    program("rsync")
    return Bed(db, places, tmp_path / "hot", tmp_path / "cold")


def test_a_first_run_copies_everything_and_proves_it(bed: Bed) -> None:
    for number in range(120):
        bed.write(f"Anna/Photos/2026/{number % 7}/{number}.jpg", os.urandom(1000 + number))
    bed.write("Anna/empty.txt", b"")
    (bed.hot.path / "Anna" / "Nothing here yet").mkdir()
    result = bed.run()
    assert (result["copied"], result["skipped"], result["files"]) == (121, 0, 121)
    assert (bed.cold.path / "HOT-1" / "Anna" / "Nothing here yet").is_dir()
    assert bed.last_run().state is RunState.PROVEN
    check_complete(bed)
    check_invariants(bed)
    assert list((bed.cold.path / layout.INCOMING).iterdir()) == []


def test_what_time_machine_keeps_on_hot_is_not_copied(bed: Bed) -> None:
    """It is a copy already; not even its name is on COLD, and it is not among what could not be copied."""
    bed.write("Anna/letter.txt", b"dear")
    band = bed.write(f"{layout.MACS}/Anna/Mac.sparsebundle/bands/0", b"x" * 1000)
    assert (bed.run()["copied"], bed.last_run().state) == (1, RunState.PROVEN)
    assert files_below(bed.cold.path / bed.hot.tag, frozenset()) == {b"Anna/letter.txt": b"dear"}
    band.unlink()
    bed.run()
    assert bed.older() == {}
    check_complete(bed)


@pytest.mark.parametrize("kept", [0, 12, plan.KEPT_FILES])
def test_a_run_does_the_same_whether_or_not_the_plan_kept_what_differs(
    bed: Bed, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "KEPT_FILES", kept)
    for number in range(40):
        bed.write(f"{number % 8}/{number}.txt", b"first %d" % number)
    assert bed.run()["copied"] == 40
    for number in range(0, 40, 3):
        bed.write(f"{number % 8}/{number}.txt", b"second, longer %d" % number)
    bed.write("2/new \xff.txt", b"new")
    (bed.hot.path / "7/39.txt").unlink()
    result = bed.run()
    assert (result["copied"], result["vanished"], result["files"]) == (14, 1, 40)
    check_complete(bed)
    check_invariants(bed)
    assert bed.run()["nothing_to_do"]


def test_a_file_that_changes_after_the_plan_is_left_for_the_next_run(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        bed.write(f"a/{number}.txt", b"first %d" % number)
    real = plan.compare

    def and_then(*arguments: Any) -> plan.Sheet:
        sheet = real(*arguments)
        assert b"a" in sheet.kept
        bed.write("a/3.txt", b"while the plan was looked at")
        return sheet

    with monkeypatch.context() as patched:
        patched.setattr(plan, "compare", and_then)
        assert bed.run()["skipped"] == 1
    check_invariants(bed)
    assert bed.run()["copied"] == 1
    check_complete(bed)


def test_a_run_with_nothing_to_do_leaves_the_cold_drive_off(bed: Bed) -> None:
    bed.write("Anna/a.jpg", b"a")
    bed.run()
    assert bed.run() == {"nothing_to_do": True, "files": 1}
    assert bed.times_on == 1
    assert bed.last_run().state is RunState.NOTHING_TO_DO


def test_replaced_and_vanished_files_become_older_versions(bed: Bed) -> None:
    for number in range(5):
        bed.write(f"Anna/{number}.txt", b"first %d" % number)
    bed.write("Gone/deep/x.txt", b"x")
    bed.run()
    bed.write("Anna/1.txt", b"second, longer")
    (bed.hot.path / "Anna" / "2.txt").unlink()
    (bed.hot.path / "Gone/deep/x.txt").unlink()
    (bed.hot.path / "Gone/deep").rmdir()
    (bed.hot.path / "Gone").rmdir()
    bed.run()
    check_complete(bed)
    check_invariants(bed)
    assert bed.older() == {
        "HOT-1/Anna/1.txt": b"first 1",
        "HOT-1/Anna/2.txt": b"first 2",
        "HOT-1/Gone/deep/x.txt": b"x",
    }
    assert not (bed.cold.path / "HOT-1" / "Gone").exists()
    bed.write("Anna/1.txt", b"third")
    bed.run()
    assert bed.older()["HOT-1/Anna/1 (2).txt"] == b"second, longer"
    assert bed.run().get("nothing_to_do")


def test_a_file_may_become_a_folder_and_back(bed: Bed) -> None:
    bed.write("thing", b"file")
    bed.run()
    (bed.hot.path / "thing").unlink()
    bed.write("thing/inside", b"inside")
    bed.run()
    check_complete(bed)
    (bed.hot.path / "thing/inside").unlink()
    (bed.hot.path / "thing").rmdir()
    bed.write("thing", b"file again")
    bed.run()
    check_complete(bed)
    check_invariants(bed)


def test_a_file_moved_on_hot_is_not_copied_again(bed: Bed) -> None:
    bed.write("Anna/old place/film.mp4", os.urandom(500_000))
    bed.run()
    inode = (bed.cold.path / "HOT-1/Anna/old place/film.mp4").stat().st_ino
    (bed.hot.path / "Anna/old place").rename(bed.hot.path / "Anna/new place")
    bed.run()
    assert (bed.cold.path / "HOT-1/Anna/new place/film.mp4").stat().st_ino == inode
    check_complete(bed)


def test_the_standard_tool_accepts_the_manifest(bed: Bed, program: Callable[[str], str]) -> None:
    names = ["plain.jpg", "new\nline.txt", "back\\slash.txt", "emoji 🐈.jpg", " spaces ", "*.txt", "-rf"]
    for name in names:
        bed.write(name, name.encode())
    bed.write(b"not utf-8 \xff\xfe.txt", b"bytes")
    bed.run()
    check_complete(bed)
    words = [program("b3sum"), "--check", layout.MANIFEST]
    checked = subprocess.run(words, cwd=bed.cold.path, capture_output=True, timeout=60)
    assert checked.stdout.count(b": OK") == len(names) + 1
    assert checked.returncode == 0


def test_links_and_sockets_are_never_followed(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not yours")
    (bed.hot.path / "link").symlink_to(tmp_path / "secret")
    (bed.hot.path / "loop").symlink_to(bed.hot.path)
    os.mkfifo(bed.hot.path / "pipe")
    bed.write("real", b"real")
    (bed.hot.path / "Anna").mkdir()
    odd = Path(os.fsdecode(os.fsencode(bed.hot.path) + b"/Anna/caf\xe9"))
    odd.symlink_to("nowhere")
    bed.run()
    assert files_below(bed.cold.path / "HOT-1") == {b"real": b"real"}
    others = bed.last_run().details["others"]
    assert others["count"] == 4
    assert [(one["path"], one["kind"]) for one in others["named"]] == [
        ("link", "symlink"),
        ("loop", "symlink"),
        ("pipe", "fifo"),
        ("Anna/caf\udce9", "symlink"),
    ]
    assert json.loads((bed.cold.path / not_copied.LIST).read_text()) == others
    assert bed.run().get("nothing_to_do")
    assert bed.last_run().details["others"] == {"count": 4, "named": []}
    for path in (bed.hot.path / "link", bed.hot.path / "loop", bed.hot.path / "pipe", odd):
        path.unlink()
    bed.run()
    assert not (bed.cold.path / not_copied.LIST).exists()


def test_of_many_things_that_are_no_files_the_first_are_named_and_all_are_counted(bed: Bed) -> None:
    for number in range(plan.NAMED + 50):
        (bed.hot.path / f"{number}.lnk").symlink_to("nowhere")
    bed.write("real", b"real")
    bed.run()
    others = bed.last_run().details["others"]
    assert (others["count"], len(others["named"])) == (plan.NAMED + 50, plan.NAMED)


def test_a_folder_that_cannot_be_read_is_told_by_every_run(
    bed: Bed, tmp_path: Path, program: Callable[[str], str]
) -> None:
    program("fusefat")
    bed.write("Anna/a.jpg", b"a")
    broken = bed.hot.path / "Anna/broken"
    with fat_mount(tmp_path / "image", broken, 40) as driver:
        driver.kill()
        driver.wait(20)
        end = time.monotonic() + 20
        while answers(broken):  # for a second, from the kernel's memory
            assert time.monotonic() < end
            time.sleep(0.05)
        for _ in range(2):
            bed.run()
            row = bed.last_run()
            assert row.skipped == 1
            assert row.details["others"]["named"] == [{"drive": "HOT-1", "path": "Anna", "kind": "unreadable"}]
    assert row.state is RunState.NOTHING_TO_DO
    assert files_below(bed.cold.path / "HOT-1") == {b"Anna/a.jpg": b"a"}


def test_a_big_folder_that_was_renamed_does_not_stop_the_copy(bed: Bed) -> None:
    fill(bed, 300)
    bed.run()
    (bed.hot.path / "Ben").rename(bed.hot.path / "Anna/From Ben")
    assert bed.run()["copied"] == 300
    assert bed.last_run().details["moved"] == 300
    check_complete(bed)


def test_a_hand_over_does_not_stop_the_next_copy(bed: Bed) -> None:
    fill(bed, 300)
    bed.run()
    with bed.db.writing() as session:  # as the library knows them
        for row in session.scalars(select(ColdFile)).all():
            facts = {name: getattr(row, name) for name in ("folder_id", "name", "size", "modified_ns", "digest")}
            session.add(StoredFile(**facts))
    handover.move_folder(bed.hot, "Ben", "Anna", "From Ben")
    assert list(handover.move_rows(bed.db, bed.hot.drive_id, b"Ben", b"Anna/Files/From Ben", heir_id=1))
    assert bed.run()["copied"] == 300
    assert bed.last_run().details["moved"] == 300
    check_complete(bed)


@pytest.mark.parametrize("rewritten", [300, 90])
def test_files_that_were_renamed_and_rewritten_stop_the_copy(bed: Bed, rewritten: int) -> None:
    fill(bed, 300)
    bed.run()
    (bed.hot.path / "Ben").rename(bed.hot.path / "Locked")
    for path in sorted((bed.hot.path / "Locked").rglob("*.jpg"))[:rewritten]:
        facts = path.stat()
        path.write_bytes(os.urandom(facts.st_size))
        os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns))  # as if nothing had happened
    with bed.db.writing() as session:
        policy.BRAKE_FILES.set(session, 80)
    assert bed.run() == {"braked": True}
    assert f"300 of {300 + 1} files are gone" in str(bed.last_run().brake)


def test_files_that_vanished_beside_moved_ones_are_counted_alone(bed: Bed) -> None:
    fill(bed, 600)
    bed.run()
    (bed.hot.path / "Ben").rename(bed.hot.path / "Renamed")
    for path in sorted((bed.hot.path / "Renamed").rglob("*.jpg"))[:250]:
        path.unlink()
    assert bed.run() == {"braked": True}
    assert "250 of 601 files are gone" in str(bed.last_run().brake)


def test_what_a_person_deleted_in_the_console_is_put_away_without_asking_again(bed: Bed) -> None:
    fill(bed, 300)
    bed.run()
    ben = person(bed.db, "Ben")
    bins.put(bed.db, bed.hot, b"Ben", user=ben.id, by=ben.id)
    bed.run()
    assert (bed.last_run().vanished, bed.last_run().details["moved"]) == (300, 300)
    assert len(bed.older()) == 300, "the copy keeps its versions"


def test_a_bin_that_was_rewritten_or_emptied_vouches_for_nothing(bed: Bed) -> None:
    fill(bed, 300)
    bed.run()
    ben = person(bed.db, "Ben")
    row = bins.put(bed.db, bed.hot, b"Ben", user=ben.id, by=ben.id)
    for path in (bed.hot.path / os.fsdecode(row.stored_as)).rglob("*.jpg"):
        facts = path.stat()
        path.write_bytes(os.urandom(facts.st_size))
        os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    assert bed.run() == {"braked": True}
    emptying.erase(bed.db, bed.hot, [row])
    assert bed.run() == {"braked": True}


def answers(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def fill(bed: Bed, files: int) -> None:
    """Ben's photos, and a file of Anna's."""
    for number in range(files):
        bed.write(f"Ben/{number % 7}/{number}.jpg", b"%d" % number * 20)
    bed.write("Anna/note.txt", b"a note")


def test_a_hot_drive_that_is_suddenly_empty_is_never_followed(bed: Bed) -> None:
    for number in range(3):
        bed.write(f"{number}.jpg", b"%d" % number)
    bed.run()
    for number in range(3):
        (bed.hot.path / f"{number}.jpg").unlink()
    assert bed.run() == {"braked": True}
    assert bed.times_on == 1
    assert len(files_below(bed.cold.path / "HOT-1")) == 3
    assert "empty" in str(bed.last_run().brake)

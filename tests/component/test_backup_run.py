"""Hot to cold, with the real rsync: what a run does, and what it refuses to do."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_bed import Bed, check_complete, check_invariants, files_below

from appliance.backup.models import RunState
from appliance.db import Database
from appliance.drives import layout
from appliance.places import Places

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
    bed.run()
    assert files_below(bed.cold.path / "HOT-1") == {b"real": b"real"}


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

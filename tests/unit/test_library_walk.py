"""Listing a drive: processes of their own do it, and a listing that was cut off never looks like an emptier drive."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from appliance import plugin
from appliance.backup import head_start
from appliance.db import Database
from appliance.drives import records
from appliance.hookspecs import hookimpl
from appliance.jobs import kinds
from appliance.jobs.worker import HEAD_STARTS
from appliance.library import scan
from appliance.library.listing import Entry
from appliance.places import Places
from tests.backup_bed import Bed


def fill(top: Path, folders: int, files: int) -> None:
    for folder in range(folders):
        (top / f"{folder:03d}").mkdir(parents=True)
        for file in range(files):
            (top / f"{folder:03d}/{file}").write_bytes(b"x" * file)


def as_it_is(top: Path) -> dict[bytes, list[Entry]]:
    found = {}
    for folder, _, names in os.walk(os.fsencode(top)):
        facts = [(name, os.lstat(folder + b"/" + name)) for name in sorted(names)]
        path = b"" if folder == os.fsencode(top) else os.path.relpath(folder, os.fsencode(top))
        found[path] = [Entry(name, fact.st_size, fact.st_mtime_ns, fact.st_ino) for name, fact in facts]
    return found


def test_a_walk_tells_every_file_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path, 40, 5)
    odd = os.fsencode(tmp_path) + b"/000/not \xff text\nat all"
    with open(odd, "wb"):
        os.utime(odd, ns=(-5_000_000_000, -5_000_000_000))
    listings = list(scan.walk(tmp_path))
    assert {listing.path: list(listing.files) for listing in listings} == as_it_is(tmp_path)
    for listing in listings:
        again = scan.listing_of(tmp_path, listing.path)
        assert (list(again.files), again.fingerprint) == (list(listing.files), listing.fingerprint)
        assert len(listing.files) == len(list(listing.files))


def test_a_walk_whose_process_was_killed_is_an_error_and_not_an_emptier_drive(tmp_path: Path) -> None:
    fill(tmp_path, 1500, 40)
    scan.begin(tmp_path)
    (lister,) = scan._begun.values()
    walking = scan.walk(tmp_path)
    next(walking)
    lister.kill()
    with pytest.raises(OSError, match="Input/output error"):
        list(walking)


def test_a_signal_to_the_whole_service_does_not_cut_a_walk_off(tmp_path: Path) -> None:
    fill(tmp_path, 300, 20)
    scan.begin(tmp_path)
    (lister,) = scan._begun.values()
    walking = scan.walk(tmp_path)
    next(walking)  # it has started, so it has said what it does about signals
    lister.send_signal(signal.SIGTERM)
    assert len(list(walking)) == 300


def test_a_listing_that_nobody_reads_any_more_ends_by_itself(tmp_path: Path) -> None:
    fill(tmp_path, 1500, 40)
    words = f"from pathlib import Path; from appliance.library import scan; scan.begin(Path({str(tmp_path)!r}))"
    words += "; lister, = scan._begun.values(); lister.stdout.read(1)"
    words += "; print(lister.pid, flush=True); import os; os._exit(0)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=30)
    end = time.monotonic() + 10
    while is_running(int(done.stdout)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(int(done.stdout))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_was_begun_is_taken_over_once(tmp_path: Path) -> None:
    fill(tmp_path, 3, 2)
    scan.begin(tmp_path)
    assert len(list(scan.walk(tmp_path))) == 4
    assert not scan._begun
    (tmp_path / "later").mkdir()
    assert len(list(scan.walk(tmp_path))) == 5


def test_a_plugin_that_prepares_hot_for_the_backup_is_listened_to_before_hot_is_listed(
    db: Database, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = Bed(db, places, tmp_path / "hot", tmp_path / "cold")
    bed.write("old", b"old")
    scan.begin(bed.hot.path)
    (lister,) = scan._begun.values()
    assert lister.stdout is not None
    lister.stdout.peek(1)  # type: ignore[attr-defined]  # it has begun to tell: the file below comes too late for it
    loaded = plugin.load(db)
    monkeypatch.setattr(plugin, "_loaded", loaded)

    class Writes:
        @hookimpl
        def before_backup(self, session: Session) -> None:
            bed.write("dump", b"fresh")

    loaded.manager.register(Writes(), name="writes")
    assert bed.run()["files"] == 2
    assert lister.returncode is not None
    assert not scan._begun


def test_a_head_start_lists_the_first_hot_drive_that_is_here(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    for tag in ("HOT-10", "HOT-2", "COLD-1"):
        (places.mounts / tag).mkdir()
        (places.mounts / tag / records.FOLDER_MARK).write_text(tag)
        inside = (places.mounts / tag).stat().st_dev
        facts = ("folder:x", 0, "ext4", tag, str(places.mounts / tag), inside, False, records.boot_id())
        records.write(places.mounts, records.Record(tag, *facts))
    head_start.begin()
    assert list(scan._begun) == [bytes(places.mounts / "HOT-2")]
    scan.forget()
    assert not scan._begun


def test_every_head_start_is_of_a_kind_there_is() -> None:
    for kind in HEAD_STARTS:
        assert kinds.find(kind).name == kind

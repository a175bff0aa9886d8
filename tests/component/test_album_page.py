"""The page that a copy leaves on a real COLD drive, and the list of hashes of a HOT one, asked by the real b3sum."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from sqlalchemy import select

from appliance.album_page import jobs, texts
from appliance.db import Database
from appliance.drives import layout
from appliance.drives.models import DriveRole
from appliance.jobs.models import Job, JobLog, JobState
from appliance.jobs.progress import Progress
from appliance.places import Places
from appliance.words import Message
from tests.album_bed import Photos
from tests.backup_bed import Bed, check_complete, check_invariants, killed_run, loop_mount, unmount
from tests.component.loop_drives import let_others_pass
from tests.hot_drive import hand_over

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("quick_passwords")]
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "exfat": ["mkfs.exfat"]}
MOUNT = {"ext4": ["mount"], "exfat": ["mount.exfat-fuse"]}


@pytest.fixture(params=["ext4", "exfat"])
def bed(
    request: pytest.FixtureRequest, db: Database, places: Places, tmp_path: Path, program: Callable[[str], str]
) -> Iterator[Bed]:
    """A HOT drive on ext4, a COLD drive on either."""
    kind = request.param
    for name in ("rsync", MAKE[kind][0], MOUNT[kind][0]):
        program(name)
    loop_mount(tmp_path / "cold.img", tmp_path / "cold", 128, MAKE[kind], MOUNT[kind])
    try:
        yield Bed(db, places, tmp_path / "hot", tmp_path / "cold", kind)
    finally:
        unmount(tmp_path / "cold")


def running(db: Database, places: Places) -> Progress:
    """The job of the HOT drives; their folders need nothing of root."""
    with db.writing() as session:
        jobs_before = len(session.scalars(select(Job)).all())
        job = Job(kind="album_page.hot", title=Message("test"), lock=f"test:{jobs_before}", state=JobState.RUNNING)
        session.add(job)
    return Progress(db, lambda verb, request: {}, places, job)


def months(drive: Path) -> list[dict[str, object]]:
    text = (drive / layout.ALBUM / "index.js").read_text()
    return [
        month
        for person in json.loads(text.removeprefix("everpx.index(").removesuffix(");\n"))["people"]
        for month in person["months"]
    ]


def paths_on(drive: Path) -> list[str]:
    """Where the page says that its photos are."""
    found = []
    for month in months(drive):
        text = (drive / layout.ALBUM / str(month["file"])).read_text()
        data = json.loads(text.partition(",")[2].removesuffix(");\n"))
        found += [unquote(f"{data['folders'][line[3]]}/{line[4]}") for line in data["items"]]
    return found


def test_a_copy_ends_with_a_page_a_sheet_and_a_manifest(bed: Bed) -> None:
    photos = Photos(bed.db, bed.hot)
    anna, ben = photos.person("Anna"), photos.person("小雨")
    for number in range(60):
        photos.add(anna, f"IMG_{number}.jpg", content=b"photo %d" % number, month=202609 + number % 3)
    photos.add(ben, 'what? <b>: "quoted".jpg')
    photos.add(ben, "爸爸 50%.jpg")
    bed.run()
    check_complete(bed)
    check_invariants(bed)
    assert (bed.cold.path / layout.PAGE).read_bytes().startswith(b"<!doctype html>")
    assert b"COLD-1" in (bed.cold.path / layout.READ_ME).read_bytes()
    paths = paths_on(bed.cold.path)
    assert len(paths) == 62
    assert all((bed.cold.path / path).is_file() for path in paths)
    packs = [pack for month in months(bed.cold.path) for pack in month["packs"]]  # type: ignore[attr-defined]
    assert packs and all((bed.cold.path / layout.ALBUM / pack).is_file() for pack in packs)
    bed.write("Anna/note.txt", b"something else")
    before = (bed.cold.path / layout.ALBUM / "index.js").stat().st_mtime_ns
    bed.run()
    assert (bed.cold.path / layout.ALBUM / "index.js").stat().st_mtime_ns == before
    check_complete(bed)


@pytest.mark.parametrize("step", ["page_flushed", "page_named"])
def test_killed_while_the_page_is_made_it_is_the_old_one_or_the_new_one(bed: Bed, step: str) -> None:
    photos = Photos(bed.db, bed.hot)
    anna = photos.person("Anna")
    photos.add(anna, "1.jpg")
    bed.run()
    photos.add(anna, "2.jpg")
    assert killed_run(bed, step) == -9
    check_invariants(bed)
    names = [path.rpartition("/")[2] for path in paths_on(bed.cold.path)]  # every file that the index names is there
    assert names == (["1.jpg"] if step == "page_flushed" else ["1.jpg", "2.jpg"])
    bed.run()
    check_complete(bed)
    assert len(paths_on(bed.cold.path)) == 2
    behind = {
        str(path.relative_to(bed.cold.path / layout.ALBUM)) for path in (bed.cold.path / layout.ALBUM).rglob("*.js")
    }
    (month,) = months(bed.cold.path)
    assert behind == {"index.js", month["file"], *month["packs"]}  # type: ignore[misc]


def test_somebody_s_file_is_not_replaced_where_capitals_do_not_count(bed: Bed) -> None:
    own = bed.cold.path / "Read me first.TXT"
    own.write_bytes(b"the manual of my camera")
    texts.leave(bed.cold, DriveRole.COLD)
    texts.leave(bed.cold, DriveRole.COLD)
    every = {path.name: path.read_bytes() for path in bed.cold.path.iterdir() if path.is_file()}
    assert every[layout.READ_ME] == texts.read_me(bed.cold, DriveRole.COLD)
    assert [name for name, content in every.items() if content == b"the manual of my camera"] == (
        ["Read me first (2).TXT"] if bed.cold.filesystem == "exfat" else ["Read me first.TXT"]
    )


def test_another_computer_s_user_gets_to_the_pictures_and_not_to_the_database(bed: Bed) -> None:
    photos = Photos(bed.db, bed.hot)
    photos.add(photos.person("Anna"), "1.jpg")
    for drive in (bed.hot, bed.cold):
        for folder in (layout.PRIVATE, layout.INCOMING):
            (drive.path / folder).mkdir(mode=0o700, exist_ok=True)
            (drive.path / folder).chmod(0o700)  # as handing over leaves it
    let_others_pass(bed.cold.path.parent)
    bed.run()
    (month,) = months(bed.cold.path)
    needed = [layout.PAGE, layout.READ_ME, f"{layout.ALBUM}/index.js", *paths_on(bed.cold.path)]
    needed += [f"{layout.ALBUM}/{month['file']}", *(f"{layout.ALBUM}/{pack}" for pack in month["packs"])]  # type: ignore[attr-defined]
    secret = f"{layout.STATION_COPY}/everpx.db"
    assert (bed.cold.path / secret).is_file()
    assert readable_by_nobody(bed.cold.path, needed) == needed
    if bed.cold.filesystem == "ext4":  # exFAT knows no owners
        assert readable_by_nobody(bed.cold.path, [secret]) == []


def readable_by_nobody(top: Path, names: list[str]) -> list[str]:
    """Which of these files somebody with another number can read."""
    script = "import os, sys; print('\\0'.join(n for n in sys.argv[1:] if os.access(n, os.R_OK)), end='')"
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-I", "-c", script, *names]
    said = subprocess.run(words, cwd=top, capture_output=True, check=True, text=True, timeout=60).stdout
    return [name for name in said.split("\0") if name]


def test_a_drive_without_room_for_the_page_is_a_proven_copy_all_the_same(bed: Bed) -> None:
    photos = Photos(bed.db, bed.hot)
    photos.add(photos.person("Anna"), "1.jpg")
    bed.write("Anna/large.bin", b"x" * (70 << 20))  # leaves less than what a pack may need
    result = bed.run()
    assert result["files"] == 2
    check_complete(bed)
    with bed.db.reading() as session:
        said = [str(line.message) for line in session.scalars(select(JobLog))]
    assert any(re.search("The page of photos on COLD-1 could not be brought up to date", line) for line in said), said
    assert paths_on(bed.cold.path) == ["HOT-1/Anna/Photos/2026/2026-11/1.jpg"]


def test_a_hot_drive_gets_all_three_and_b3sum_agrees(
    db: Database, places: Places, tmp_path: Path, program: Callable[[str], str]
) -> None:
    hot = hand_over(db, places, tmp_path / "usb" / "Blue")
    photos = Photos(db, hot)
    anna = photos.person("Anna")
    for name in ("a.jpg", "爸爸 50%.jpg", "new\nline.jpg"):
        photos.add(anna, name)
    done = jobs.leave_on_hot(running(db, places))
    assert done == {"photos": 3, "hashed": 3}
    assert (hot.path / layout.PAGE).is_file() and b"HOT-1" in (hot.path / layout.READ_ME).read_bytes()
    check = [program("b3sum"), "--check", layout.MANIFEST]
    said = subprocess.run(check, cwd=hot.path, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.count(": OK") == 3
    assert len(paths_on(hot.path)) == 3
    assert jobs.leave_on_hot(running(db, places))["hashed"] == 0  # not again today

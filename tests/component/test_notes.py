"""What people say survives the database: on real filesystems, also when the writing was killed in the middle."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.db import Database, migrate
from appliance.errors import OutOfSpace
from appliance.library import index, note_files, notes
from appliance.library.albums import service
from appliance.library.models import Media
from appliance.library.notes import Change
from appliance.places import Places
from tests.component.loop_drives import LoopDrives
from tests.component.test_ingest import Station
from tests.hot_drive import hand_over, person
from tests.unit.test_albums import facts
from tests.unit.test_library_notes import Home, shot

pytestmark = pytest.mark.component
WORDS = ["Sea", "été", "家", "O'Neil & <co>", "👩‍👩‍👧", '"quoted"', "a" * 60, "zero\u200bwidth"]


@pytest.fixture
def station(db: Database, places: Places, loops: LoopDrives) -> Iterator[Station]:
    """A door, and drives that are let go of afterwards."""
    made = Station(db, places, loops)
    yield made
    for path in made.mounted:
        subprocess.run(["umount", str(path)], check=False, capture_output=True, timeout=60)


def say_all_sorts(home: Home, ids: list[int]) -> None:
    """Something of each photo, and two albums."""
    chance = random.Random(7)
    for media_id in ids:
        few = tuple(chance.sample(WORDS, chance.randrange(4)))
        home.say(
            media_id,
            Change(
                title=chance.choice(["", *WORDS]),
                description="\n".join(few),
                favourite=chance.random() < 0.5,
                rating=chance.randrange(6),
                shared=chance.random() < 0.5,
                tags=few,
            ),
        )
    with home.db.writing() as session:
        for title in ("Holiday: 2026?", "holiday: 2026?"):
            album = service.create(session, home.anna, title, "Two weeks")
            service.add(session, home.anna, album.id, chance.sample(ids, 7))
            service.set_cover(session, home.anna, album.id, None)


def without_a_database(home: Home, places: Places) -> Home:
    """A new, empty database for the same people and the same drive, looked through once."""
    home.db.close()
    for name in ("", "-wal", "-shm"):
        places.database.with_name(places.database.name + name).unlink(missing_ok=True)
    migrate(places.database)
    fresh = Home.__new__(Home)
    fresh.db, fresh.places = Database(places.database), places
    fresh.hot, fresh.anna = hand_over(fresh.db, places, home.hot.path), person(fresh.db)
    index.run(fresh.progress())
    return fresh


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs", "exfat"])
def test_every_word_and_every_album_survives_the_database(station: Station, filesystem: str) -> None:
    home = Home.__new__(Home)
    home.db, home.places, home.anna, home.door = station.db, station.places, station.anna, station.door
    home.hot = station.drive(filesystem, 160)
    ids = [home.send(number) for number in range(20)]
    say_all_sorts(home, ids)
    note_files.write_all(home.progress(), [home.hot])
    assert not home.is_behind()
    said, albums = home.said(), facts(home)
    fresh = without_a_database(home, station.places)
    assert fresh.said() == said
    assert facts(fresh) == albums
    assert not fresh.is_behind()
    fresh.db.close()


WRITER = """
import sys
from pathlib import Path
from appliance.db import Database
from appliance.drives.mounts import hot_mounts
from appliance.library import note_files
from appliance.places import places

here = places()
db = Database(here.database)
with db.reading() as session:
    (mount,) = hot_mounts(session, here)
note_files.BATCH = 3
print("ready", flush=True)
after = 0
while batch := note_files._unwritten(db, mount.drive_id, after):
    note_files.write(db, mount, batch)
    after = batch[-1].media_id
"""


def test_a_writer_that_is_killed_again_and_again_leaves_whole_files_and_comes_to_its_end(
    db: Database, places: Places, tmp_path: Path
) -> None:
    home = Home(db, places, tmp_path / "hot")
    ids = [home.send(number) for number in range(24)]
    say_all_sorts(home, ids)
    wanted = home.said()
    for delay in (0.0, 0.01, 0.03, 0.06, 0.1):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
        )
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=30)
        writer.stdout.close()
        for path in home.hot.path.rglob("*.xmp"):
            assert path.read_bytes().endswith(b'<?xpacket end="w"?>\n')
    note_files.write_all(home.progress(), [home.hot])
    fresh = without_a_database(home, places)
    assert fresh.said() == wanted
    fresh.db.close()


def test_a_drive_that_is_full_keeps_the_words_for_later(station: Station) -> None:
    home = Home.__new__(Home)
    home.db, home.places, home.anna, home.door = station.db, station.places, station.anna, station.door
    home.hot = station.drive("ext4", 16)
    media_id = home.send(1)
    home.say(media_id, Change(title="Kept"))
    filler = home.hot.path / "filler"
    for block in (65536, 1024):  # to the last one
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as out:
            while out.write(b"x" * block):
                pass
    with pytest.raises(OutOfSpace):
        for _ in range(200):  # the last blocks go to small files
            home.say(media_id, Change(description=str(random.random())[:8] * 1200))
            note_files.write_all(home.progress(), [home.hot])
    assert home.is_behind() and home.one().title == "Kept"
    filler.unlink()
    note_files.write_all(home.progress(), [home.hot])
    assert not home.is_behind()


def test_a_thousand_photos_are_said_something_of_at_once(db: Database, places: Places, tmp_path: Path) -> None:
    home = Home(db, places, tmp_path / "hot")
    folder = home.hot.path / "Anna/Photos"
    folder.mkdir(parents=True)
    for number in range(1000):
        (folder / f"{number}.jpg").write_bytes(shot(1) + str(number).encode())
    index.run(home.progress())
    with db.writing() as session:
        ids = list(session.scalars(select(Media.id)))
        began = time.monotonic()
        assert notes.edit(session, home.anna, ids, Change(favourite=True, more=("Sea", "sun"))).changed == 1000
    assert time.monotonic() - began < 5
    note_files.write_all(home.progress(), [home.hot])
    assert len(list(folder.glob("*.xmp"))) == 1000 and not home.is_behind()

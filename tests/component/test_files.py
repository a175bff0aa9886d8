"""Deleting, bringing back and moving on real ext4 and (FUSE) exFAT drives, also when one is pulled in the middle."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import select

from appliance.drives.layout import BIN
from appliance.drives.mounts import DriveGone, Mount
from appliance.errors import ApplianceError
from appliance.library import bin as bins
from appliance.library import emptying, folders, index, moving
from appliance.library.arrivals import Arrival, Stored
from appliance.library.folders import Place
from appliance.library.ingest import Ingest
from appliance.library.models import BinnedFile, Folder, Media, StoredFile
from appliance.people.models import Role, User
from tests.component.drive_station import Station
from tests.hot_drive import person
from tests.unit.test_library_ingest import photo, spooled

pytestmark = pytest.mark.component
FILESYSTEMS = ["ext4", "exfat"]


class Home:
    """A station with one HOT drive on which Anna has a photo with a word beside it."""

    def __init__(self, station: Station, filesystem: str) -> None:
        self.station, self.db = station, station.db
        device = station.loops.make("hot", "", 64)
        self.drive = station.erase(device, filesystem)
        self.anna: User = person(station.db, role=Role.ADMIN)
        self.stored: Stored = Ingest(station.db, station.places).take(
            self.hot, spooled(self.hot, photo()), Arrival(self.anna.id, self.anna.folder, "IMG_1.jpg")
        )
        (self.hot.path / (os.fsdecode(self.stored.path) + ".xmp")).write_text("<x/>")

    @property
    def hot(self) -> Mount:
        return self.station.mount(self.drive.id)

    def photos(self) -> list[bytes]:
        with self.db.reading() as session:
            rows = session.execute(
                select(Folder.path, StoredFile.name)
                .join(StoredFile, StoredFile.folder_id == Folder.id)
                .join(Media, Media.file_id == StoredFile.id)
            )
            return sorted(path + b"/" + name for path, name in rows)

    def walk(self) -> None:
        """What the station does when a drive has come."""
        with self.db.writing() as session:
            for row in session.scalars(select(BinnedFile)):
                row.binned -= timedelta(hours=1)
        emptying.settle(self.db, self.hot)
        with self.db.reading() as session:
            paths = set(session.scalars(select(Folder.path)))
        for folder in sorted(paths | {b"Anna/Files"}):
            if (self.hot.path / os.fsdecode(folder)).is_dir():
                index.look_at(self.db, self.hot, folder)
            else:
                with self.db.writing() as session:
                    gone = select(StoredFile.id).join(Folder).where(Folder.path == folder)
                    for file_id in session.scalars(gone).all():
                        session.delete(session.get_one(StoredFile, file_id))


@pytest.fixture(params=FILESYSTEMS)
def home(station: Station, request: pytest.FixtureRequest) -> Home:
    return Home(station, request.param)


def everything(hot: Mount) -> dict[str, bytes]:
    """Every photo and word on the drive, wherever it is."""
    wanted = [p for p in hot.path.rglob("*") if p.is_file() and p.name.startswith(("IMG_1", "Beach"))]
    return {p.relative_to(hot.path).as_posix(): p.read_bytes() for p in wanted if "previews" not in p.parts}


def test_a_folder_and_a_file_go_to_the_bin_and_come_back(home: Home) -> None:
    folder = home.stored.path.rpartition(b"/")[0]
    for path in (home.stored.path, folder):
        row = bins.put(home.db, home.hot, path, user=home.anna.id, by=home.anna.id)
        assert home.photos() == [] and (home.hot.path / os.fsdecode(row.stored_as)).exists()
        (home.hot.path / os.fsdecode(folder)).mkdir(exist_ok=True)
        back = bins.bring_back(home.db, home.hot, row)
        now = back.path + b"/IMG_1.jpg" if back.is_folder else back.path
        assert (home.hot.path / os.fsdecode(now)).read_bytes() == photo()
        assert (home.hot.path / (os.fsdecode(now) + ".xmp")).read_text() == "<x/>"
        assert list((home.hot.path / BIN).iterdir()) == []
    assert back.path == folder + b" (2)", "the name was taken"


def test_moving_and_renaming_take_the_photo_along(home: Home) -> None:
    before = home.stored.media_id
    target = moving.new_folder(Place(home.hot, b"Family"), "Holiday")
    (moved,) = moving.move(home.db, home.anna, [Place(home.hot, home.stored.path)], target)
    renamed = moving.rename(home.db, home.anna, moved, "Beach.jpg")
    capitals = moving.rename(home.db, home.anna, Place(home.hot, renamed.path), "BEACH.jpg")
    assert home.photos() == [capitals.path] == [b"Family/Holiday/BEACH.jpg"]
    assert [entry.name for entry in folders.listing(target)] == [b"BEACH.jpg"]
    with home.db.reading() as session:
        assert session.scalars(select(Media.id)).all() == [before]
    moving.rename(home.db, home.anna, target, "Holiday 2026")
    assert home.photos() == [b"Family/Holiday 2026/BEACH.jpg"]


def test_a_drive_pulled_before_the_rename_of_a_deletion_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = bins._move_away

    def pulled(*given: object) -> None:
        home.station.loops.pull("hot")
        rename(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(bins, "_move_away", pulled)
        with pytest.raises(DriveGone):
            bins.put(home.db, home.hot, home.stored.path, user=home.anna.id, by=home.anna.id)
    assert len(home.photos()) == 1


@pytest.mark.parametrize("step", ["before", "after"])
def test_on_a_journaled_drive_a_pull_in_the_middle_converges(
    station: Station, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    home = Home(station, "ext4")
    (home.hot.path / "Anna/Files").mkdir()
    rename = moving._rename

    def pulled(*given: object) -> bytes:
        if step == "before":
            home.station.loops.pull("hot")
        done = rename(*given)  # type: ignore[arg-type]
        if step == "after":
            home.station.loops.pull("hot")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_rename", pulled)
        with pytest.raises((ApplianceError, OSError)):
            moving.move(home.db, home.anna, [Place(home.hot, home.stored.path)], Place(home.hot, b"Anna/Files"))
    assert home.photos() == [home.stored.path], "no row says what is not durable"
    station.settle()
    station.loops.plug("hot")
    station.settle()
    home.walk()
    kept = {name: content for name, content in everything(home.hot).items() if name.endswith(".jpg")}
    assert list(kept.values()) == [photo()], "there, and there once"
    assert home.photos() == [os.fsencode(next(iter(kept)))]


def test_a_station_that_loses_power_in_the_middle_of_a_deletion_converges(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise Cut

    for step in ("_move_away", "forget"):
        with monkeypatch.context() as patch:
            patch.setattr(bins, step, cut)
            with pytest.raises(Cut):
                bins.put(home.db, home.hot, home.stored.path, user=home.anna.id, by=home.anna.id)
        home.walk()
        in_bin = step == "forget"
        assert (home.photos() == []) is in_bin
        with home.db.reading() as session:
            assert len(session.scalars(select(BinnedFile)).all()) == in_bin
        assert sorted(everything(home.hot).values()) == sorted([photo(), b"<x/>"])

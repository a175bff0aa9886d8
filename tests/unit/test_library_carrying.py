"""Copies and moves between drives: proven before anything goes, the same photo afterwards, whole after any cut."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import DriveGone, Mount
from appliance.errors import OutOfSpace
from appliance.jobs import runner, service
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.library import carried_plan, carrying, errands, index, proven_copy, room
from appliance.library.albums import service as albums
from appliance.library.albums.models import AlbumItem
from appliance.library.arrivals import Arrival, Stored
from appliance.library.carried_plan import Errand
from appliance.library.folders import Place
from appliance.library.ingest import Ingest
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.moving import IntoItself
from appliance.people.models import Role, User
from appliance.places import Places
from tests.hot_drive import hand_over, person
from tests.unit.test_library_ingest import photo, spooled


@pytest.fixture
def first(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "first")


@pytest.fixture
def second(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "second", number=2)


@pytest.fixture
def anna(db: Database) -> User:
    return person(db, role=Role.ADMIN)


@pytest.fixture
def trip(db: Database, places: Places, first: Mount, anna: User) -> list[Stored]:
    """Three photos of Anna in one folder, one of them with a word beside it."""
    door = Ingest(db, places)
    stored = [
        door.take(
            first,
            spooled(first, photo(colour=colour)),
            Arrival(anna.id, "Anna", f"{colour}.jpg", folder="/Anna/Files/Trip"),
        )
        for colour in ("red", "green", "blue")
    ]
    (first.path / "Anna/Files/Trip/red.jpg.xmp").write_text("<x/>")
    (first.path / "Anna/Files/Trip/empty").mkdir()
    index.look_at(db, first, b"Anna/Files/Trip")
    return stored


def rows(db: Database) -> list[tuple[int, int, str]]:
    """(media, drive, path) of every photo."""
    with db.reading() as session:
        found = session.execute(
            select(Media.id, Folder.drive_id, Folder.path, StoredFile.name)
            .join(StoredFile, StoredFile.id == Media.file_id)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .order_by(Media.id)
        )
        return [(media, drive, os.fsdecode(path + b"/" + name)) for media, drive, path, name in found]


def files(mount: Mount) -> list[str]:
    """Every file that people see, and nothing half done."""
    assert list((mount.path / INCOMING).iterdir()) == []
    found = (path for path in mount.path.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(mount.path)) for path in found if not str(path.name).startswith((".", "everpx")))


def seen(mount: Mount) -> list[str]:
    return [path for path in files(mount) if path.startswith(("Anna/", "Family/"))]


TRIP = ["blue.jpg", "green.jpg", "red.jpg", "red.jpg.xmp"]


class Job_:
    """What a job offers, with a checkpoint that outlives a cut."""

    def __init__(self) -> None:
        self.checkpoint: dict[str, Any] = {}

    def step(self, stage: object, done: float = 0, total: float = 0) -> None:
        """Nobody looks."""

    def keep(self, **notes: Any) -> None:
        """As a committed row."""
        self.checkpoint |= notes

    def got_on(self) -> None:
        """Nobody counts."""


def test_a_moved_folder_is_on_the_other_drive_with_its_albums_and_gone_here(
    db: Database, first: Mount, second: Mount, anna: User, trip: list[Stored]
) -> None:
    with db.writing() as session:
        album = albums.create(session, anna, "Sea")
        albums.add(session, anna, album.id, [trip[0].media_id or 0])
    times = {path.name: path.stat().st_mtime_ns for path in (first.path / "Anna/Files/Trip").iterdir()}
    outcome = errands.run(db, anna, [Place(first, b"Anna/Files/Trip")], Place(second, b"Anna/Files"), keep=False)
    assert outcome.places == [Place(second, b"Anna/Files/Trip")] and outcome.left == []
    assert seen(first) == [] and seen(second) == [f"Anna/Files/Trip/{name}" for name in TRIP]
    assert not (first.path / "Anna/Files/Trip").exists() and (second.path / "Anna/Files/Trip/empty").is_dir()
    assert rows(db) == [(one.media_id, second.drive_id, one.path.decode()) for one in trip]
    for name in TRIP:
        assert (second.path / "Anna/Files/Trip" / name).stat().st_mtime_ns == times[name]
    with db.reading() as session:
        assert session.scalars(select(AlbumItem.media_id)).all() == [trip[0].media_id]
        assert all(proven for proven in session.scalars(select(StoredFile.proven).join(Media)))
    for mount in (first, second):
        index.look_below(db, mount, b"Anna")
    assert [row[0] for row in rows(db)] == [one.media_id for one in trip]


def test_a_copy_has_rows_of_its_own_and_a_number_where_its_name_is_taken(
    db: Database, first: Mount, second: Mount, anna: User, trip: list[Stored]
) -> None:
    things = [Place(first, b"Anna/Files/Trip"), Place(first, b"Anna/Files/Trip/red.jpg")]
    errands.run(db, anna, things, Place(second, b"Family"), keep=True)
    again = errands.run(db, anna, things[:1], Place(first, b"Anna/Files"), keep=True)
    assert again.places == [Place(first, b"Anna/Files/Trip (2)")]
    assert seen(second) == [f"Family/Trip/{name}" for name in TRIP] + ["Family/red.jpg", "Family/red.jpg.xmp"]
    assert seen(first) == [f"Anna/Files/Trip (2)/{n}" for n in TRIP] + [f"Anna/Files/Trip/{n}" for n in TRIP]
    assert len(rows(db)) == 10
    with db.reading() as session:
        shared = select(Media.user_id, Media.shared).join(StoredFile).join(Folder)
        assert set(session.execute(shared.where(Folder.drive_id == second.drive_id)).all()) == {(anna.id, True)}
        assert None not in session.scalars(select(StoredFile.digest)).all()


def test_nothing_is_copied_into_itself(db: Database, first: Mount, anna: User, trip: list[Stored]) -> None:
    folder = Place(first, b"Anna/Files/Trip")
    with pytest.raises(IntoItself, match="cannot be copied into itself"):
        errands.run(db, anna, [folder], folder.below(b"empty"), keep=True)


def test_what_rotted_on_its_drive_or_cannot_be_proven_stays_and_is_told(
    db: Database, first: Mount, second: Mount, anna: User, trip: list[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    rotten = first.path / "Anna/Files/Trip/green.jpg"
    facts = rotten.stat()
    rotten.write_bytes(b"\0" * facts.st_size)
    os.utime(rotten, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    proof = proven_copy.digest_of
    monkeypatch.setattr(proven_copy, "digest_of", lambda fd: b"" if os.fstat(fd).st_size == 4 else proof(fd))
    outcome = errands.run(db, anna, [Place(first, b"Anna/Files/Trip")], Place(second, b"Anna"), keep=False)
    assert sorted(outcome.left) == ["green.jpg", "red.jpg.xmp"]
    assert seen(first) == ["Anna/Files/Trip/green.jpg", "Anna/Files/Trip/red.jpg.xmp"]
    assert seen(second) == ["Anna/Trip/blue.jpg", "Anna/Trip/red.jpg"]


def test_an_original_that_changes_meanwhile_is_kept(
    db: Database, first: Mount, second: Mount, anna: User, trip: list[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    place_all = carrying._place_all

    def and_edited(*arguments: Any) -> Any:
        (first.path / "Anna/Files/Trip/red.jpg").write_bytes(b"edited")
        return place_all(*arguments)

    monkeypatch.setattr(carrying, "_place_all", and_edited)
    errands.run(db, anna, [Place(first, b"Anna/Files/Trip/red.jpg")], Place(second, b"Anna"), keep=False)
    assert (first.path / "Anna/Files/Trip/red.jpg").read_bytes() == b"edited"
    assert (second.path / "Anna/red.jpg").read_bytes() == photo(colour="red")


def test_without_room_nothing_begins(
    db: Database, first: Mount, second: Mount, anna: User, trip: list[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free", lambda mount: 10)
    with pytest.raises(OutOfSpace):
        errands.run(db, anna, [Place(first, b"Anna/Files/Trip")], Place(second, b"Anna"), keep=False)
    assert seen(second) == [] and len(seen(first)) == 4


class Cut(BaseException):
    """The plug."""


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("cut", range(1, 40))
def test_a_cut_at_any_step_loses_nothing_and_the_next_start_ends_it(
    db: Database,
    first: Mount,
    second: Mount,
    anna: User,
    trip: list[Stored],
    monkeypatch: pytest.MonkeyPatch,
    cut: int,
    keep: bool,
) -> None:
    monkeypatch.setattr(carried_plan, "BATCH_FILES", 2)
    left = cut

    def counted(what: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Cut
            return what(*arguments, **named)

        return call

    job = Job_()
    errand = Errand(anna.id, first, second, (b"Anna/Files/Trip",), b"Anna/Files", keep)
    with monkeypatch.context() as patch:
        for module, name in (
            (os, "fsync"), (os, "unlink"), (os, "mkdir"), (os, "rmdir"),
            (carrying, "place"), (carrying, "_place_all"), (carrying, "_remove"),
            (carrying.carried_rows, "follow"), (carrying.carried_rows, "forget"), (job, "keep"),
        ):  # fmt: skip
            patch.setattr(module, name, counted(getattr(module, name)))
        try:
            carrying.carry(db, errand, job)
        except Cut:
            pass
        else:
            assert cut > 20
    bytes_of = {name: (first if (first.path / "Anna/Files/Trip" / name).exists() else second) for name in TRIP}
    for name, mount in bytes_of.items():
        assert (mount.path / "Anna/Files/Trip" / name).stat().st_size > 0
    for stale in (second.path / INCOMING).iterdir():  # cleaned after a day
        stale.unlink()
    carrying.carry(db, errand, job)
    assert seen(second) == [f"Anna/Files/Trip/{name}" for name in TRIP]
    assert seen(first) == ([f"Anna/Files/Trip/{name}" for name in TRIP] if keep else [])
    for mount in (first, second):
        index.look_below(db, mount, b"Anna")
    known = rows(db)
    assert len(known) == (6 if keep else 3)
    assert [row[:2] for row in known[:3]] == [(one.media_id, (first if keep else second).drive_id) for one in trip]


def test_a_drive_that_is_pulled_is_told_and_nothing_goes(
    db: Database, first: Mount, second: Mount, anna: User, trip: list[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pulled(mount: Mount) -> None:
        if mount.drive_id == second.drive_id:
            raise DriveGone(drive=mount.name)

    monkeypatch.setattr(Mount, "check", pulled)
    with pytest.raises(DriveGone):
        errands.run(db, anna, [Place(first, b"Anna/Files/Trip")], Place(second, b"Anna"), keep=False)
    assert len(seen(first)) == 4 and [row[1] for row in rows(db)] == [first.drive_id] * 3


def test_what_is_large_is_a_job_and_one_at_a_time(
    db: Database,
    places: Places,
    first: Mount,
    second: Mount,
    anna: User,
    trip: list[Stored],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(errands, "AT_ONCE_FILES", 2)
    outcome = errands.run(db, anna, [Place(first, b"Anna/Files/Trip")], Place(second, b"Anna"), keep=False)
    assert outcome.job_id and outcome.places == []
    with db.reading() as session:
        job = session.get_one(Job, outcome.job_id)
        assert (job.kind, job.asked_by) == (errands.JOB, anna.id)
        assert re.match("Moving", job.title.template) and job.arguments["paths"] == ["Anna/Files/Trip"]
    with pytest.raises(service.AlreadyRunning):
        errands.run(db, anna, [Place(first, b"Anna/Files/Trip")], Place(second, b"Anna"), keep=False)
    claimed = runner.claim(db, outcome.job_id)
    assert claimed is not None
    runner.run(db, Progress(db, lambda verb, request: {}, places, claimed), claimed)
    with db.reading() as session:
        job = session.get_one(Job, outcome.job_id)
        assert (job.state, job.result) == (JobState.DONE, {"files": 4, "bytes": job.result["bytes"], "left": 0})
    assert seen(second) == [f"Anna/Trip/{name}" for name in TRIP] and seen(first) == []

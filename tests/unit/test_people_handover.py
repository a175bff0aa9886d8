"""Handing one person's files to another, also when the plug is pulled in between."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from appliance.db import Database
from appliance.drives.layout import INCOMING
from appliance.drives.mounts import DriveMissing, Mount
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.library import catalogue
from appliance.library.arrivals import Arrival
from appliance.library.ingest import Ingest
from appliance.library.models import Media, MediaMonth, StoredFile
from appliance.people import handover, service
from appliance.people import jobs as room
from appliance.people.audit import By
from appliance.people.models import Role, User, UserState
from appliance.people.service import Fate
from appliance.places import Places
from tests.hot_drive import hand_over as plug_in

GOOD = "four quiet red bicycles"
pytestmark = pytest.mark.usefixtures("quick_passwords")


class PowerCut(BaseException):
    """The plug is pulled."""


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return plug_in(db, places, tmp_path / "hot")


@pytest.fixture
def family(db: Database, hot: Mount, places: Places) -> tuple[User, User]:
    with db.writing() as session:
        anna = service.add(session, By(), name="Anna", password=GOOD, role=Role.ADMIN)
        ben = service.add(session, By(), name="Ben 🐻", password=GOOD)
    give(db, places, hot, ben, 3)
    give(db, places, hot, anna, 1)
    return anna, ben


def give(db: Database, places: Places, hot: Mount, user: User, count: int) -> None:
    door = Ingest(db, places)
    for number in range(count):
        out = io.BytesIO()
        Image.new("RGB", (8, 8), (80 * number, 60 * user.id, 7)).save(out, "jpeg")
        (hot.path / INCOMING / "spool").write_bytes(out.getvalue())
        door.take(hot, b"spool", Arrival(user.id, user.folder, f"IMG_{number}.jpg"))


@pytest.fixture
def run(db: Database, places: Places, family: tuple[User, User]) -> Callable[[], None]:
    """Start the job once, then run it as often as called."""
    anna, ben = family
    with db.writing() as session:
        started = service.remove(session, By(anna.id), session.merge(ben), Fate.HAND_OVER, session.merge(anna))
    assert started is not None

    def go() -> None:
        with db.reading() as session:
            job = session.get_one(Job, started.id)
        progress = Progress(db, lambda verb, request: {}, places, job)
        room.hand_over(progress, **job.arguments)

    return go


def on_drive(hot: Mount) -> list[str]:
    return sorted(str(p.relative_to(hot.path)) for p in hot.path.rglob("*.jpg"))


def check_all_is_annas(db: Database, hot: Mount, family: tuple[User, User]) -> None:
    """Four photos, all hers, each where the rows say."""
    anna, ben = family
    assert len(on_drive(hot)) == 4 and all(path.startswith("Anna/") for path in on_drive(hot))
    with db.reading() as session:
        assert set(session.scalars(select(Media.user_id))) == {anna.id}
        assert {row.user_id: row.count for row in session.scalars(select(MediaMonth))} == {anna.id: 4}
        rows = session.scalars(select(StoredFile).options(joinedload(StoredFile.folder))).all()
        assert sorted(os.fsdecode(row.folder.path + b"/" + row.name) for row in rows) == on_drive(hot)
        gone = session.get_one(User, ben.id)
        assert (gone.state, gone.password_hash) == (UserState.REMOVED, "")


def test_the_folder_the_rows_and_the_timeline_move(
    db: Database, hot: Mount, family: tuple[User, User], run: Callable[[], None]
) -> None:
    run()
    check_all_is_annas(db, hot, family)
    assert any(path.startswith("Anna/Files/From Ben 🐻/Photos/") for path in on_drive(hot))


@pytest.mark.parametrize("step", ["move_folder", "_move_files", "give_rest", "_finish"])
@pytest.mark.parametrize("after", [False, True])
def test_a_power_cut_anywhere_loses_nothing_and_the_next_run_ends_it(
    db: Database,
    hot: Mount,
    family: tuple[User, User],
    run: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: bool,
) -> None:
    place = room if step == "_finish" else handover
    real = getattr(place, step)

    def cut(*given: object) -> None:
        if after:
            real(*given)
        raise PowerCut

    with monkeypatch.context() as during:
        during.setattr(place, step, cut)
        with pytest.raises(PowerCut):
            run()
    assert len(on_drive(hot)) == 4
    run()
    check_all_is_annas(db, hot, family)


def test_a_name_that_is_taken_is_left_alone(
    db: Database, hot: Mount, family: tuple[User, User], run: Callable[[], None]
) -> None:
    (hot.path / "Anna/Files/From Ben 🐻").mkdir(parents=True)
    run()
    check_all_is_annas(db, hot, family)
    assert any("From Ben 🐻 (2)" in path for path in on_drive(hot))


def test_a_scan_that_was_quicker_does_not_double_anything(
    db: Database, hot: Mount, family: tuple[User, User], run: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        during.setattr(handover, "_move_files", lambda *_: (_ for _ in ()).throw(PowerCut))
        with pytest.raises(PowerCut):
            run()
    with db.writing() as session:
        for path in on_drive(hot):
            folder, _, name = path.rpartition("/")
            row = catalogue.folder_id(session, hot.drive_id, os.fsencode(folder))
            if "From" in folder:
                catalogue.record(session, folder_id=row, name=name.encode(), size=1, modified_ns=1, digest=None)
    run()
    check_all_is_annas(db, hot, family)


def test_nothing_is_touched_while_a_hot_drive_is_missing(
    db: Database, hot: Mount, family: tuple[User, User], run: Callable[[], None], places: Places, tmp_path: Path
) -> None:
    before = on_drive(hot)
    second = plug_in(db, places, tmp_path / "second", number=2)
    (places.mounts / f"{second.tag}.json").unlink()
    with pytest.raises(DriveMissing):
        run()
    assert on_drive(hot) == before


def test_nobody_comes_back_or_goes_while_files_are_on_their_way(
    db: Database, family: tuple[User, User], run: Callable[[], None]
) -> None:
    anna, ben = family
    with db.writing() as session:
        service.add(session, By(), name="Cleo", password=GOOD, role=Role.ADMIN)
    for user, act in (
        (ben, lambda s, u: service.enable(s, By(), u)),
        (ben, lambda s, u: service.remove(s, By(), u, Fate.KEEP)),
        (anna, lambda s, u: service.remove(s, By(), u, Fate.KEEP)),
    ):
        with pytest.raises(service.HandingOver), db.writing() as session:
            act(session, session.merge(user))
    with db.writing() as session:
        (job,) = jobs.active(session)
        job.state = JobState.CANCELLED
        service.enable(session, By(), session.get_one(User, ben.id))

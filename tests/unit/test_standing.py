"""Work behind the scenes: started when there is something to do, and not again and again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.db import Database, now
from appliance.drives.mounts import Mount
from appliance.jobs import service, standing
from appliance.jobs.models import ACTIVE, Job, JobState
from appliance.jobs.schedule import TIME_ZONE
from appliance.library.models import Folder, Media, MediaKind, PreviewState, StoredFile
from appliance.places import Places
from tests.hot_drive import hand_over, person


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> Mount:
    return hand_over(db, places, tmp_path / "usb" / "Blue")


def photo(db: Database, drive_id: int, name: str) -> None:
    user = person(db, name)
    with db.writing() as session:
        folder = Folder(drive_id=drive_id, path=name.encode())
        session.add(folder)
        session.flush()
        file = StoredFile(folder_id=folder.id, name=b"IMG.jpg", size=1, modified_ns=0)
        session.add(file)
        session.flush()
        session.add(
            Media(file_id=file.id, user_id=user.id, kind=MediaKind.PHOTO, taken=now(), taken_from="file", month=202701)
        )


def queued(db: Database) -> list[str]:
    with db.reading() as session:
        return [job.kind for job in session.scalars(select(Job).where(Job.state.in_(ACTIVE)).order_by(Job.id))]


def end(db: Database, ago: timedelta = timedelta(), took: timedelta = timedelta()) -> None:
    """Every job that waits is over, since ``ago``."""
    with db.writing() as session:
        for job in service.active(session):
            job.state, job.finished = JobState.DONE, now() - ago
            job.started = job.finished - took


def look(db: Database, places: Places) -> list[str]:
    """What is queued then; the page of photos, which follows most of it, has a test of its own."""
    with db.writing() as session:
        standing.start(session, places)
    return [kind for kind in queued(db) if kind != standing.PAGE]


def test_without_a_drive_and_photos_there_is_nothing_to_do(db: Database, places: Places) -> None:
    assert look(db, places) == []


def test_a_drive_that_came_is_looked_through_once(db: Database, places: Places, hot: Mount) -> None:
    assert look(db, places) == ["library.index", "backup.scrub_hot"]
    assert len(look(db, places)) == 2
    end(db)
    assert look(db, places) == []
    (places.run / "indexed.json").unlink()  # as after a reboot
    assert look(db, places) == ["library.index"]
    end(db, timedelta(days=2))
    assert look(db, places) == []
    end(db)
    with db.writing() as session:
        for job in session.scalars(select(Job)):
            job.finished = now() - timedelta(days=8)
    assert look(db, places) == ["library.index", "backup.scrub_hot"]


def test_a_drive_that_comes_while_another_is_looked_through_has_its_turn(
    db: Database, places: Places, hot: Mount, tmp_path: Path
) -> None:
    look(db, places)
    hand_over(db, places, tmp_path / "usb" / "Green", number=2)
    assert look(db, places).count("library.index") == 1
    end(db)
    assert look(db, places) == ["library.index"]


def test_photos_that_wait_get_previews_and_what_cannot_be_done_is_left_for_a_while(
    db: Database, places: Places, hot: Mount
) -> None:
    look(db, places)
    end(db)
    photo(db, hot.drive_id, "Anna")
    assert look(db, places) == ["library.previews"]
    end(db)  # it left them waiting: their drive is not here
    assert look(db, places) == []
    photo(db, hot.drive_id, "Ben")
    assert look(db, places) == ["library.previews"]
    end(db, timedelta(hours=1))
    assert look(db, places) == ["library.previews"]
    with db.writing() as session:
        for item in session.scalars(select(Media)):
            item.preview, item.content_id = PreviewState.READY, ""
    end(db, timedelta(hours=1))
    assert look(db, places) == []


def test_a_photo_that_came_while_previews_were_made_does_not_wait(db: Database, places: Places, hot: Mount) -> None:
    look(db, places)
    end(db)
    photo(db, hot.drive_id, "Anna")
    end(db, took=timedelta(minutes=1))
    assert look(db, places) == ["library.previews"]
    photo(db, hot.drive_id, "Ben")
    end(db, took=timedelta(minutes=1))  # it had begun before both came
    assert look(db, places) == ["library.previews"]


def test_the_page_of_photos_follows_new_previews_once_an_hour_at_most_and_is_looked_after_daily(
    db: Database, places: Places, hot: Mount
) -> None:
    def is_wanted() -> bool:
        look(db, places)
        return standing.PAGE in queued(db)

    assert not is_wanted()  # nothing is known of the drive yet
    end(db)
    assert is_wanted()
    end(db)
    photo(db, hot.drive_id, "Anna")
    look(db, places)
    end(db)  # new previews, within the hour
    assert not is_wanted()
    with db.writing() as session:
        for job in session.scalars(select(Job).where(Job.kind == standing.PAGE)):
            job.finished = now() - timedelta(hours=2)
    assert is_wanted()
    end(db)
    assert not is_wanted()
    for hours, wanted in ((19, False), (21, True)):  # nothing new but what people said
        with db.writing() as session:
            for job in session.scalars(select(Job)):
                job.finished = now() - timedelta(hours=hours + (job.kind != standing.PAGE))
        assert is_wanted() is wanted


@pytest.mark.parametrize(
    ("hour", "hours_ago", "starts"), [(2, 21, True), (2, 5, False), (14, 21, False), (14, 80, True)]
)
def test_rot_is_looked_for_at_night(
    db: Database, places: Places, hot: Mount, hour: int, hours_ago: int, starts: bool
) -> None:
    moment = datetime(2027, 6, 1, hour, tzinfo=UTC)
    with db.writing() as session:
        TIME_ZONE.set(session, "UTC")
        standing.start_scrub(session, places, moment)
    with db.writing() as session:
        for job in service.active(session):
            job.state, job.finished = JobState.DONE, moment - timedelta(hours=hours_ago)
    with db.writing() as session:
        standing.start_scrub(session, places, moment)
    assert bool(queued(db)) == starts

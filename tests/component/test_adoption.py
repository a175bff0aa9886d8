"""A dead station and what is left of it: a new box takes its place from its drive, from COLD alone too."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance import identity, recovery, starts
from appliance.adoption import anew, earlier
from appliance.adoption import take_over as adoption
from appliance.backup import service as backup
from appliance.db import Database, migrate
from appliance.drives import meeting
from appliance.drives import service as drives
from appliance.drives.layout import STATION_COPY
from appliance.drives.meeting import Doubt
from appliance.drives.models import Drive, DriveRole
from appliance.errors import ApplianceError, Invalid
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.library import notes
from appliance.library.albums.models import Album, AlbumItem
from appliance.library.models import Media, MediaMonth, StoredFile
from appliance.people import service as people
from appliance.people import sign_ins
from appliance.people.audit import By
from appliance.people.models import Role, User, UserState
from appliance.places import Places
from appliance.words import Message
from tests.backup_bed import files_below
from tests.component.drive_station import Station
from tests.component.test_backup_station import Pair

pytestmark = pytest.mark.component
PASSWORD = "correct horse battery"
HERE = "192.168.1.5"


@pytest.fixture
def family(station: Station, quick_passwords: None) -> Pair:
    """Anna (admin) and Ben, twelve photos with titles and an album, copied once."""
    pair = Pair(station)
    with station.db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        people.add(session, By(), name="Ben", password=PASSWORD + " too")
    pair.fill(12, 30_000)
    with station.db.writing() as session:
        job = jobs.start(session, "library.index", title=Message("Look"), lock="library.index")
    assert station.run(job).state is JobState.DONE
    with station.db.writing() as session:
        anna = session.scalars(select(User).where(User.name == "Anna")).one()
        media = list(session.scalars(select(Media.id)))
        notes.edit(session, anna, media[:3], notes.Change(title="The lake", favourite=True))
        album = Album(uuid="a-1", user_id=anna.id, title="Summer")
        session.add(album)
        session.flush()
        digest = session.scalars(select(StoredFile.digest).join(Media, Media.file_id == StoredFile.id)).first()
        session.add(AlbumItem(album_id=album.id, digest=digest, media_id=media[0], added_by=anna.id))
    job = pair.copy()
    assert job.state is JobState.DONE, job.error
    return pair


def a_new_box(station: Station, code: str = "") -> str:
    """The old station's card is gone; the claim code of a box that knows nothing yet.

    ``code``: of the image that is written onto a new card, the same one as before.
    """
    if (station.places.mounts / "HOT-1.json").exists():
        station.root("drives.unmount", {"tag": "HOT-1"})
    station.db.close()
    for path in (*station.places.data.glob("everpx.db*"), station.places.data / "starts.json"):
        path.unlink(missing_ok=True)
    (station.places.data / "claimed").unlink(missing_ok=True)
    if not code:
        station.places.identity.unlink()
        code = identity.create(station.places) or ""
    starts.begin(station.places)
    assert code
    migrate(station.places.database)
    station.db = Database(station.places.database)
    station.look()
    return code


def items(db: Database) -> list[tuple[object, ...]]:
    """Everything that matters of every photo, and who is in which album."""
    with db.reading() as session:
        shown = (Media.title, Media.favourite, Media.taken, User.name, Album.title)
        rows = session.execute(
            select(StoredFile.name, StoredFile.digest, *shown)
            .join(Media, Media.file_id == StoredFile.id)
            .join(User, User.id == Media.user_id)
            .outerjoin(AlbumItem, AlbumItem.media_id == Media.id)
            .outerjoin(Album, Album.id == AlbumItem.album_id)
            .order_by(StoredFile.name)
        )
        return [tuple(row) for row in rows]


def test_from_cold_alone_a_wiped_station_is_whole_again(station: Station, family: Pair) -> None:
    before, lost = items(station.db), files_below(family.top)
    with closing(sqlite3.connect(station.places.database)) as rows:
        triggers = rows.execute("select name, sql from sqlite_master where type = 'trigger' order by name").fetchall()
    code = a_new_box(station)
    station.loops.pull("hot")
    station.look()
    assert [sign.tag for sign in earlier.signs(station.places)] == ["COLD-1"]
    recovery.taking_over(station.places).mkdir()  # the plug was pulled while somebody looked
    seen = adoption.look(station.db, station.root, station.places, code, HERE)
    assert (seen.people, seen.admins, seen.photos, seen.albums) == (("Anna", "Ben"), ("Anna",), 12, 1)
    adoption.take_over(
        station.db, station.root, station.places, code=code, name="anna", password=PASSWORD, address=HERE
    )
    assert items(station.db) == before
    assert not recovery.taking_over(station.places).exists()
    with station.db.writing() as session:
        sign_ins.sign_in(session, "Ben", PASSWORD + " too", HERE, "")
        assert sum(session.scalars(select(MediaMonth.count))) == 12
    with closing(sqlite3.connect(station.places.database)) as rows:
        assert rows.execute("pragma foreign_key_check").fetchall() == []
        found = rows.execute("select name, sql from sqlite_master where type = 'trigger' order by name").fetchall()
        assert found == triggers
    assert station.verdicts()["cold"] == "ours"

    new = station.adopt(station.make("new"), DriveRole.HOT, name="New")  # a fresh drive takes the lost one's place
    with station.db.writing() as session:
        job = backup.restore(session, family.cold.id, "HOT-1", to_drive_id=new.id)
    assert station.run(job).state is JobState.DONE
    with station.db.writing() as session:
        drives.retire(session, family.hot.id, replaced_by=new.id)
        job = jobs.start(session, "library.index", title=Message("Look"), lock="library.index")
    assert station.run(job).state is JobState.DONE
    assert files_below(station.mount(new.id).path).items() >= lost.items()


def test_a_hot_drive_is_in_use_again_and_what_came_later_is_found(station: Station, family: Pair) -> None:
    (family.top / "Anna/Photos/later.jpg").write_bytes(b"\xff\xd8\xff later")
    code = a_new_box(station)
    adoption.take_over(
        station.db, station.root, station.places, code=code, name="Anna", password=PASSWORD, address=HERE
    )
    assert not station.mount(family.hot.id).read_only
    with station.db.writing() as session:
        job = jobs.start(session, "library.index", title=Message("Look"), lock="library.index")
    assert station.run(job).state is JobState.DONE
    assert len(items(station.db)) == 13
    job = family.copy()  # the old station's COLD drive is this one's now
    assert job.state is JobState.DONE, job.error


def test_the_same_image_on_a_new_card_moves_in_too_and_is_believed_by_its_drives(
    station: Station, family: Pair
) -> None:
    """A dead card, and the file that it was written from is still there: the box has the id that its drives name."""
    code = identity.new_code()
    own = identity.load(station.places).station_id
    station.places.identity.write_text(json.dumps(identity.labelled(own, code)))
    for _ in range(3):
        starts.begin(station.places)
    assert meeting.meet(station.places, station.mount(family.hot.id)) is None
    before = items(station.db)
    a_new_box(station, code)
    assert {sign.station_id for sign in earlier.signs(station.places)} == {own}
    adoption.take_over(
        station.db, station.root, station.places, code=code, name="Anna", password=PASSWORD, address=HERE
    )
    assert items(station.db) == before and identity.load(station.places).former == ()
    assert family.copy().state is JobState.DONE
    for drive in (family.hot, family.cold):
        assert meeting.doubts(station.places).get(drive.marker_id) is None
    assert "card_older" not in station.issues()


def test_the_same_image_without_a_password_uses_its_drive_as_it_is(station: Station, family: Pair) -> None:
    """Nobody knows a password, and there is no recovery card: a new station, the old photos."""
    code = identity.new_code()
    own = identity.load(station.places).station_id
    station.places.identity.write_text(json.dumps(identity.labelled(own, code)))
    starts.begin(station.places)
    assert meeting.meet(station.places, station.mount(family.hot.id)) is None
    before = files_below(family.top)
    a_new_box(station, code)
    with station.db.writing() as session:
        people.claim(session, identity.load(station.places), code, "Anna", PASSWORD, HERE)
    assert station.verdicts() == {"hot": "free", "cold": "free"}
    drive = station.adopt(station.loops.devices["hot"], DriveRole.HOT, name="Family")
    with station.db.writing() as session:
        job = jobs.start(session, "library.index", title=Message("Look"), lock="library.index")
    assert station.run(job).state is JobState.DONE
    assert files_below(station.mount(drive.id).path).items() >= before.items()
    assert len({digest for _, digest, *_ in items(station.db)}) == 12
    assert not station.issues() & {"card_older", "card_copied", "place_taken"}


def test_what_a_drive_knows_of_a_later_time_is_not_written_over(station: Station, family: Pair) -> None:
    """A card from an old backup makes a copy: the drive's own copy of the database may be all there is of that time."""
    starts.begin(station.places)
    card = (station.places.data / "starts.json").read_bytes()
    starts.begin(station.places)
    hot = station.mount(family.hot.id)
    assert meeting.meet(station.places, hot) is None
    (station.places.data / "starts.json").write_bytes(card)
    newest = (hot.path / STATION_COPY / "everpx.db").read_bytes()
    family.fill(1, 100)
    assert family.copy().state is JobState.DONE
    assert (hot.path / STATION_COPY / "everpx.db").read_bytes() == newest
    assert meeting.doubts(station.places)[hot.marker_id][0] is Doubt.OLDER
    meeting.settle(station.places, [hot])
    family.fill(2, 100)
    assert family.copy().state is JobState.DONE
    assert (hot.path / STATION_COPY / "everpx.db").read_bytes() != newest


def test_nobody_moves_in_without_the_label_and_an_admins_password(station: Station, family: Pair) -> None:
    code = a_new_box(station)
    here = (station.db, station.root, station.places)
    with pytest.raises(people.WrongClaimCode):
        adoption.look(*here, "ABCDE-ABCDE-ABCDE-ABCDE", HERE)
    for name, password in (("Anna", "wrong"), ("Ben", PASSWORD + " too"), ("Nobody", PASSWORD)):
        with pytest.raises(Invalid):
            adoption.take_over(*here, code=code, name=name, password=password, address=HERE)
    for _ in range(10):
        with pytest.raises(ApplianceError) as told:
            adoption.take_over(*here, code=code, name="Anna", password="guess", address=HERE)
    assert told.value.code == "too_many_guesses"
    with station.db.reading() as session:
        assert session.scalars(select(User)).all() == []
        assert session.scalars(select(Drive)).all() == []
    assert identity.load(station.places).former == ()


def test_a_drive_is_read_once_however_often_somebody_mistypes(
    station: Station, family: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = a_new_box(station)
    here = (station.db, station.root, station.places)
    read: list[list[str]] = []
    fetch = earlier._fetch

    def counted(places: Places, tags: list[str], target: Path) -> str:
        read.append(sorted(tags))
        return fetch(places, tags, target)

    monkeypatch.setattr(earlier, "_fetch", counted)
    adoption.look(*here, code, HERE)
    for _ in range(2):
        with pytest.raises(Invalid):
            adoption.take_over(*here, code=code, name="Anna", password="guess", address=HERE)
    assert read == [["COLD-1", "HOT-1"]]
    station.loops.pull("cold")
    station.look()
    adoption.look(*here, code, HERE)
    station.loops.plug("cold")
    station.look()
    assert adoption.look(*here, code, HERE).people == ("Anna", "Ben")
    assert read == [["COLD-1", "HOT-1"], ["HOT-1"], ["COLD-1", "HOT-1"]]
    with station.db.writing() as session:  # somebody else made it a new station meanwhile
        people.claim(session, identity.load(station.places), code, "Carla", PASSWORD, HERE)
    with pytest.raises(people.AlreadyClaimed):
        adoption._pour(recovery.taking_over(station.places) / "everpx.db", station.db.path, None)
    recovery.remember_owner(station.places)
    assert not recovery.taking_over(station.places).exists()
    with station.db.reading() as session:
        assert session.scalars(select(User.name)).all() == ["Carla"]


def test_a_damaged_copy_is_told_and_another_drive_serves(station: Station, family: Pair) -> None:
    copy = family.top / STATION_COPY / "everpx.db"
    content = bytearray(copy.read_bytes())
    content[4096 * 3 : 4096 * 9] = bytes(4096 * 6)
    copy.write_bytes(content)
    code = a_new_box(station)
    station.loops.pull("cold")
    station.look()
    with pytest.raises(earlier.DamagedCopies):
        adoption.look(station.db, station.root, station.places, code, HERE)
    station.loops.plug("cold")
    station.look()
    assert adoption.look(station.db, station.root, station.places, code, HERE).people == ("Anna", "Ben")


def test_with_every_copy_damaged_all_is_found_on_the_drives_themselves(station: Station, family: Pair) -> None:
    odd = family.top / "Anna/Photos" / "back\\slash\nand line.jpg"
    odd.write_bytes(b"\xff\xd8\xff odd")
    (family.top / "Ben/Videos").mkdir(parents=True)
    (family.top / "Ben/Videos/film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(64))
    assert family.copy().state is JobState.DONE
    before, lost = items(station.db), files_below(family.top)
    (family.top / STATION_COPY / "everpx.db").write_bytes(b"not a database")
    device = station.loops.devices["cold"]
    request = {"device": device, "tag": "COLD-1", "filesystem_uuid": family.cold.filesystem_uuid}
    place = Path(station.root("drives.mount", request)["path"])
    (place / STATION_COPY / "everpx.db").write_bytes(b"nor this")
    station.root("drives.unmount", {"tag": "COLD-1"})
    code = a_new_box(station)
    here = (station.db, station.root, station.places)
    with pytest.raises(earlier.DamagedCopies):
        adoption.look(*here, code, HERE)

    anew.begin_anew(*here, code=code, name="Anna", password=PASSWORD, address=HERE)
    job = station.run(waiting(station))
    assert job.state is JobState.DONE, job.error
    assert job.result["COLD-1"] == {"files": len(lost), "missing": 0}
    titled = [(name, digest, title) for name, digest, title, *_ in before]
    found = [(name, digest, title) for name, digest, title, *_ in items(station.db)]
    assert set(titled) <= set(found)
    with station.db.reading() as session:
        states = {user.name: user.state for user in session.scalars(select(User))}
        assert states == {"Anna": UserState.ACTIVE, "Ben": UserState.DISABLED}
        cold = session.scalars(select(Drive).where(Drive.role == DriveRole.COLD)).one()
    with station.db.writing() as session:
        job = backup.start(session, cold.id)
    again = station.run(job)
    assert again.state is JobState.DONE, again.error
    assert again.result.get("copied", 0) <= 2  # nothing is copied anew but what the station itself wrote meanwhile


def test_what_a_lost_hot_drive_held_comes_back_from_a_cold_one_without_its_database(
    station: Station, family: Pair
) -> None:
    lost = files_below(family.top)
    device = station.loops.devices["cold"]
    request = {"device": device, "tag": "COLD-1", "filesystem_uuid": family.cold.filesystem_uuid}
    place = Path(station.root("drives.mount", request)["path"])
    (place / STATION_COPY / "everpx.db").unlink()
    (place / STATION_COPY / "everpx.db").write_bytes(b"")
    station.root("drives.unmount", {"tag": "COLD-1"})
    code = a_new_box(station)
    station.loops.pull("hot")
    station.look()
    anew.begin_anew(station.db, station.root, station.places, code=code, name="Anna", password=PASSWORD, address=HERE)
    job = station.run(waiting(station))
    assert job.state is JobState.DONE, job.error
    new = station.adopt(station.make("new"), DriveRole.HOT, name="New")
    assert new.number == 2  # HOT-1 is what was lost
    with station.db.writing() as session:
        cold = session.scalars(select(Drive).where(Drive.role == DriveRole.COLD)).one()
        job = backup.restore(session, cold.id, "HOT-1", to_drive_id=new.id)
    assert station.run(job).state is JobState.DONE
    assert files_below(station.mount(new.id).path).items() >= lost.items()


def waiting(station: Station) -> Job:
    """The job that waits for a worker."""
    with station.db.reading() as session:
        return session.scalars(select(Job).where(Job.state == JobState.WAITING)).one()


def test_a_new_box_without_such_a_drive_says_so(station: Station, quick_passwords: None) -> None:
    code = a_new_box(station)
    with pytest.raises(earlier.NothingToTakeOver):
        adoption.look(station.db, station.root, station.places, code, HERE)
    assert not recovery.taking_over(station.places).exists()

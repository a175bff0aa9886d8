"""When and where, as somebody said it: beside the photo, back after a lost database, never over what its bytes say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from appliance.db import Database, now
from appliance.jobs.schedule import TIME_ZONE, zone
from appliance.library import origins, sidecars, xmp_origin
from appliance.library.models import Keepsake, Media, MediaMonth
from appliance.library.notes import Change, Notes
from appliance.library.origins import Origin
from appliance.places import Places
from tests.photos import jpeg
from tests.unit.test_library_notes import Home, arrival, spooled

LONG_AGO = datetime(1975, 6, 1, 23, 30, tzinfo=UTC)
PARIS = {"latitude": 48.85837009, "longitude": 2.294481}


class Seen(NamedTuple):
    """What the timeline has."""

    taken: datetime
    taken_from: str
    month: int
    latitude: float | None
    longitude: float | None
    told_place: bool


@pytest.fixture
def home(db: Database, places: Places, tmp_path: Path) -> Home:
    with db.writing() as session:
        TIME_ZONE.set(session, "Europe/Paris")
    return Home(db, places, tmp_path / "hot")


def seen(home: Home) -> Seen:
    columns = (Media.taken, Media.taken_from, Media.month, Media.latitude, Media.longitude, Media.told_place)
    with home.db.reading() as session:
        return Seen(*session.execute(select(*columns)).one())


def say(home: Home, media_id: int, origin: Origin) -> None:
    with home.db.writing() as session:
        origins.say(session, media_id, origin, zone(session), written=False)


def send(home: Home, content: bytes, name: str = "scan.jpg") -> int:
    media_id = home.door.take(home.hot, spooled(home.hot, content), arrival(home.anna, name)).media_id
    assert media_id is not None
    return media_id


def beside(home: Home) -> Path:
    (found,) = home.hot.path.rglob("*.xmp")
    return found


TOLD = Seen(LONG_AGO, "owner", 197506, PARIS["latitude"], PARIS["longitude"], told_place=True)


def test_what_was_said_is_beside_the_photo_and_back_after_the_database_is_lost(home: Home) -> None:
    say(home, send(home, jpeg(1)), Origin(LONG_AGO, **PARIS))
    assert seen(home) == TOLD and home.is_behind()
    home.write()
    text = beside(home).read_text()
    assert "<exif:DateTimeOriginal>1975-06-02T00:30:00+01:00<" in text  # as a clock in Paris showed it
    assert "<photoshop:DateCreated>1975-06-02T00:30:00+01:00<" in text
    assert "<exif:GPSLatitude>48,51.5" in text and "N</exif:GPSLatitude>" in text
    home.lose_the_rows()
    home.look()
    assert seen(home) == TOLD and not home.is_behind()
    with home.db.reading() as session:
        assert session.execute(select(MediaMonth.month, MediaMonth.count)).all() == [(197506, 1)]


def test_other_words_later_leave_it_as_it_is(home: Home) -> None:
    media_id = send(home, jpeg(1))
    say(home, media_id, Origin(LONG_AGO, **PARIS))
    home.write()
    home.say(media_id, Change(title="The tower"))
    home.write()
    home.lose_the_rows()
    home.look()
    assert seen(home) == TOLD and home.one() == Notes(title="The tower")


def test_a_rename_on_a_computer_takes_it_along(home: Home) -> None:
    media_id = send(home, jpeg(1))
    say(home, media_id, Origin(LONG_AGO, **PARIS))
    home.write()
    path = home.path(media_id)
    beside(home).unlink()
    path.rename(path.with_name("tower.jpg"))
    home.look()
    assert seen(home) == TOLD and home.is_behind()
    home.write()
    assert beside(home).name == "tower.jpg.xmp" and "1975-06-02T00:30:00+01:00" in beside(home).read_text()


@pytest.mark.parametrize(("apart", "counts"), [(timedelta(hours=20), False), (timedelta(days=3), True)])
def test_the_bytes_count_more_unless_they_are_days_away(home: Home, apart: timedelta, counts: bool) -> None:
    shot = datetime(2019, 7, 1, 12, tzinfo=UTC)
    say(home, send(home, jpeg(1, shot.replace(tzinfo=None))), Origin(shot - apart))
    assert (seen(home).taken_from == "owner") == counts
    home.write()
    home.lose_the_rows()
    home.look()
    assert (seen(home).taken_from == "owner") == counts


def test_a_date_to_come_is_not_believed(home: Home) -> None:
    say(home, send(home, jpeg(1)), Origin(now() + timedelta(days=400)))
    assert seen(home).taken_from != "owner" and not home.is_behind()


def test_a_place_from_the_bytes_is_not_talked_over(home: Home) -> None:
    media_id = send(home, jpeg(1))
    with home.db.writing() as session:
        session.execute(update(Media).values(latitude=1.5, longitude=2.5))
    say(home, media_id, Origin(**PARIS))
    assert (seen(home).latitude, seen(home).told_place) == (1.5, False)


def test_other_bytes_under_the_name_do_not_inherit_it(home: Home) -> None:
    media_id = send(home, jpeg(1))
    say(home, media_id, Origin(LONG_AGO, **PARIS))
    home.write()
    home.path(media_id).write_bytes(jpeg(2))
    home.look()
    assert seen(home).taken_from == "file"
    home.say(media_id, Change(title="Another"))
    home.write()
    with home.db.writing() as session:
        session.execute(delete(Keepsake))
    home.lose_the_rows()
    home.look()
    assert seen(home).taken_from == "file" and home.one().title == "Another"


FOREIGN = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="1975-06-02T00:30:00"
exif:GPSLatitude="33,51,25.2S" exif:GPSLongitude="151,12.9E"/></rdf:RDF></x:xmpmeta>"""


def test_another_programs_sidecar_says_when_and_where(home: Home) -> None:
    path = home.path(send(home, jpeg(1)))
    path.with_name(path.name + ".xmp").write_bytes(FOREIGN)
    home.look()
    assert (seen(home).taken, seen(home).taken_from) == (LONG_AGO, "owner")  # its clock was here
    assert (seen(home).latitude, seen(home).longitude) == (-33.857, 151.215)
    assert path.with_name(path.name + ".xmp").read_bytes() == FOREIGN


@given(st.floats(-90, 90), st.floats(-180, 180), st.datetimes(datetime(1800, 1, 2), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_place_and_moment_comes_back(latitude: float, longitude: float, taken: datetime) -> None:
    text = sidecars.written(Notes(), bytes(32), None, Origin(taken, latitude, longitude))
    back = sidecars.read(text).origin
    assert back.taken == taken and back.latitude is not None and back.longitude is not None
    assert abs(back.latitude - latitude) < 1e-9 and abs(back.longitude - longitude) < 1e-9  # a tenth of a millimetre


@given(st.text(max_size=40))
def test_nonsense_is_nowhere_and_never(text: str) -> None:
    assert xmp_origin.moment(text) is None or "T" in text
    found = xmp_origin.degrees(text, 90)
    assert found is None or abs(found) <= 90


@pytest.mark.parametrize("text", ["91,0N", "10,0E", "1,2,3,4N", "48,51.0", "48,51.0n", "²,0N", "9" * 30 + ",0N"])
def test_what_is_no_latitude(text: str) -> None:
    assert xmp_origin.degrees(text, 90) is None


@pytest.mark.parametrize("text", ["2019", "2019-07", "2019-07-01", "0001-01-01T00:00:00+23:00", "1066-10-14T09:00:00"])
def test_what_is_no_moment(text: str) -> None:
    assert xmp_origin.moment(text) is None

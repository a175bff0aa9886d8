"""Names of places, and the map: known coordinates, photos from before there were names, and who sees what."""

import subprocess
import sys
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.jobs.models import Job
from appliance.jobs.progress import Progress
from appliance.library import atlas, facets, locating
from appliance.library.atlas import Square, square_in
from appliance.library.filters import Filter
from appliance.library.geography import countries
from appliance.library.geography.towns import NOWHERE, Place, towns
from appliance.library.models import Media
from appliance.library.search import page
from appliance.people.models import User
from appliance.places import Places
from appliance.words import Message
from tests.callers import PASSWORD, Caller
from tests.unit.test_search import add, person, session, sound

__all__ = ["session"]


@pytest.mark.parametrize(
    ("latitude", "longitude", "town", "country"),
    [
        (52.52, 13.405, "Berlin", "Germany"),
        (52.4, 13.06, "Potsdam", "Germany"),  # beside Berlin, and a town of its own
        (40.71, -74.0, "New York City", "United States"),  # not one of its quarters
        (39.904, 116.407, "Beijing", "China"),
        (-33.8568, 151.2153, "Sydney", "Australia"),
        (-23.55, -46.633, "São Paulo", "Brazil"),
        (46.0207, 7.7491, "Zermatt", "Switzerland"),
        (64.147, -21.94, "Reykjavík", "Iceland"),
        (-17.8, -179.99, "Levuka", "Fiji"),  # across the line where the longitudes meet
    ],
)
def test_known_places_have_their_names(latitude: float, longitude: float, town: str, country: str) -> None:
    assert towns().nearest(latitude, longitude) == Place(town, country)


@pytest.mark.parametrize(
    "where", [(0.0, 0.0), (30.0, -40.0), (-90.0, 0.0), (91.0, 0.0), (0.0, 181.0), (float("nan"), 1.0)]
)
def test_what_is_nowhere_has_no_name(where: tuple[float, float]) -> None:
    assert towns().nearest(*where) == NOWHERE


def test_photos_from_before_get_their_names_and_are_found_by_them(
    session: Session, db: Database, places: Places
) -> None:
    berlin, sea = (
        add(session, "1.jpg", latitude=52.5, longitude=13.4),
        add(session, "2.jpg", latitude=30, longitude=-40),
    )
    session.commit()
    with db.writing() as writing:
        job = Job(kind="library.previews", title=Message("Previews"), lock="p")
        writing.add(job)
    progress = Progress(db, lambda verb, request: {}, places, job)
    assert locating.name_rest(progress) == 1 and locating.name_rest(progress) == 0
    viewer = person(session, "ben")
    assert [item.id for item in page(session, viewer, Filter(words="berl")).items] == [berlin]
    assert [item.id for item in page(session, viewer, Filter(country="Germany")).items] == [berlin]
    assert {item.id for item in page(session, viewer, Filter(located=True)).items} == {berlin, sea}
    sound(session)


@pytest.mark.parametrize("words", ["Germany", "germ", "德国", "德国 berlin", "香港", "阿拉伯", "国"])
def test_a_country_is_found_in_either_language(session: Session, words: str) -> None:
    found = {
        add(session, "1.jpg", place="Berlin", country="Germany"): ("Germany", "germ", "德国", "德国 berlin"),
        add(session, "2.jpg", place="Hong Kong", country="Hong Kong"): ("香港",),
        add(session, "3.jpg", place="Dubai", country="United Arab Emirates"): ("阿拉伯",),
        add(session, "4.jpg", title="国际"): ("国",),
    }
    hits = {item.id for item in page(session, person(session, "ben"), Filter(words=words)).items}
    assert hits == {photo for photo, by in found.items() if words in by}


def test_every_country_of_a_town_has_a_chinese_name_and_no_other_language_changes() -> None:
    named = set(towns()._countries.values())
    assert {name for name in named if countries.shown(name, "zh") == name} <= {
        "Netherlands Antilles", "Serbia and Montenegro"}  # fmt: skip
    assert countries.shown("Germany", "en") == "Germany" and countries.shown("Narnia", "zh") == "Narnia"


def test_squares_hold_their_photos_at_each_level_and_the_search_agrees(session: Session) -> None:
    for number in range(6):
        add(session, f"b{number}.jpg", latitude=52.5 + number / 100, longitude=13.4, place="Berlin", country="Germany")
    add(session, "s.jpg", latitude=-33.8568, longitude=151.2153, place="Sydney", country="Australia")
    add(session, "c.jpg", owner="cleo", latitude=52.5, longitude=13.4)
    viewer = person(session, "ben")
    world = atlas.clusters(session, viewer)
    assert [(each.photos, each.place) for each in world] == [(6, "Berlin"), (1, "Sydney")]
    finer = atlas.clusters(session, viewer, world[0].square)
    finest = atlas.clusters(session, viewer, finer[0].square)
    assert sum(each.photos for each in finest) == 6 and finest[0].square.level == 3
    for each in (*world, *finer, *finest):
        assert len(page(session, viewer, Filter(area=str(each.square))).items) == each.photos
    session.execute(update(Media).where(Media.place == "Sydney").values(latitude=52.5, longitude=13.4))
    assert (
        atlas.clusters(session, viewer)[0].photos
        == 7
        == len(page(session, viewer, Filter(area=str(world[0].square))).items)
    )
    sound(session)


@pytest.mark.parametrize("text", ["", "x", "1x2", "4x1x1", "1x99x1", "1x-1x1", "1x1x1x1", "1x1x99999", None])
def test_what_is_no_square_is_none(text: str | None) -> None:
    assert square_in(text) is None


def test_a_square_comes_back_from_its_name() -> None:
    assert square_in("2x142x193") == Square(2, 142, 193) and Square(2, 142, 193).corner == (52.0, 13.0)


def test_the_page_draws_circles_and_asks_nobody_outside(app: Flask, admin: Caller, db: Database) -> None:
    client = app.test_client()
    client.post("/api/v1/session", json={"name": "Anna", "password": PASSWORD})
    assert "No photo has a place yet." in client.get("/photos/map").text
    from appliance.drives.models import Drive, DriveRole
    from appliance.library.models import Folder

    with db.writing() as writing:
        facts: dict[str, Any] = {
            "marker_id": "m",
            "number": 1,
            "name": "B",
            "filesystem": "ext4",
            "filesystem_uuid": "u",
        }
        writing.add(Drive(role=DriveRole.HOT, colour="blue", size=1, **facts))
        writing.flush()
        writing.add(Folder(id=1, drive_id=1, path=b"Anna"))
        owner = writing.scalars(select(User)).one().name
        add(writing, "1.jpg", owner=owner, latitude=52.5, longitude=13.4, place="Berlin", country="Germany")
    text = client.get("/photos/map").text
    assert text.count("<circle") == 1 and "Berlin, Germany" in text and "http://" not in text.split("<main")[1]
    inside = client.get("/photos/map?area=1x14x19").text
    assert "area=2x142x193" in inside and "Further away" in inside
    assert "area=3x1425x1934" in client.get("/photos/map?area=2x142x193").text
    client.set_cookie("language", "zh")
    for page_there in ("/photos/map", "/photos/1", "/photos/search?words=德国"):
        assert "德国" in client.get(page_there).text, page_there
    assert client.get("/photos/map?area=nonsense").status_code == 200


def test_the_letters_of_facts_do_not_meet() -> None:
    letters = [
        value for name, value in vars(facets).items() if name.isupper() and isinstance(value, str) and len(value) == 1
    ]
    assert len(letters) == len({*letters}) >= 16


def test_the_towns_are_read_only_where_they_are_needed() -> None:
    code = "import sys, console.app; assert not [m for m in sys.modules if 'geography.towns' in m]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

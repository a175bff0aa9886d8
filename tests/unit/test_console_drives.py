"""The drives pages on a real database and a written inventory; root is not there to ask."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from appliance import identity
from appliance.db import Database, now
from appliance.drives import inventory
from appliance.drives.inventory import Found, Inventory
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole, DriveState, PowerState, SpaceSample
from appliance.jobs.models import Job
from appliance.people import service as people
from appliance.people.audit import By
from appliance.people.models import Role
from appliance.places import Places
from tests.browsers import Browser
from tests.callers import PASSWORD

GB = 10**9
STRANGER = Found(
    device="sdc1",
    disk="sdc",
    sequence=7,
    model="Elements",
    vendor="WD",
    serial="WX42",
    kind="hdd",
    bus="usb",
    size=2000 * GB,
    disk_size=2000 * GB,
    filesystem="exfat",
    filesystem_uuid="AAAA-1111",
    label="Family <b>",
    capacity=2000 * GB,
    free=700 * GB,
    used=1300 * GB,
    names=("Holiday 2014", "<script>", "Documents", "Taxes"),
    names_total=4,
)
PHRASE = "erase WD Elements"


@pytest.fixture
def anna(app: Flask, db: Database) -> Browser:
    """The admin's browser."""
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
    return Browser(app, "Anna")


@pytest.fixture
def plugged(places: Places) -> Callable[..., None]:
    """``plugged(found, …)`` is all that is plugged in from now on."""

    def plug(*found: Found) -> None:
        inventory.save(places, Inventory(found, 0.0, {}))

    return plug


@pytest.fixture
def blue(db: Database) -> Drive:
    """A HOT drive that was handed over."""
    with db.writing() as session:
        drive = Drive(
            marker_id="m-1",
            role=DriveRole.HOT,
            number=1,
            name="The blue drive",
            colour="blue",
            filesystem="ext4",
            filesystem_uuid="U1",
            model="Samsung T7",
            serial="S5",
            size=1000 * GB,
            free=400 * GB,
            last_here=now() - timedelta(days=3),
        )
        session.add(drive)
    return drive


def found_blue(places: Places, **more: Any) -> Found:
    """The blue drive, plugged in and in use."""
    station = identity.load(places).station_id
    mark = Marker("m-1", station, "hot", 1, "U1", "The blue drive", "2026-01-01")
    found = replace(
        STRANGER, device="sda1", disk="sda", filesystem="ext4", filesystem_uuid="U1", serial="S5", marker=vars(mark)
    )
    return replace(found, mounted_as="HOT-1", mounted_at="/x", health="good", temperature_c=34, power="on", **more)


def job(db: Database) -> Job | None:
    with db.reading() as session:
        return session.scalars(select(Job).order_by(Job.id.desc())).first()


def test_before_the_first_look_nobody_claims_that_there_is_nothing(anna: Browser) -> None:
    page = anna.get("/drives/").text
    assert "has not looked at its drives yet" in page and "Plug in a drive" not in page


def test_a_missing_drive_is_shown_as_missing_with_what_is_known(
    anna: Browser, blue: Drive, plugged: Callable[..., None]
) -> None:
    plugged()
    page = anna.get("/drives/").text
    assert "not connected" in page and "last here 3 days ago" in page
    assert "400 GB free of 1.00 TB" in page and "unknown while it is away" in page


def test_a_drive_that_is_here_shows_every_fact(
    anna: Browser, blue: Drive, places: Places, plugged: Callable[..., None]
) -> None:
    plugged(found_blue(places, health_details={"power_on_hours": 4211}))
    page = anna.get(f"/drives/{blue.id}").text
    facts = ("WD Elements", "S5", "hard disk (HDD)", "USB", "2.00 TB", "700 GB", "ext4 (Linux)", "34 °C", "4211")
    assert [fact for fact in facts if fact not in page] == []
    assert "on and in use" in page


def test_what_is_unknown_is_said_to_be_unknown(anna: Browser, plugged: Callable[..., None]) -> None:
    plugged(replace(STRANGER, serial="", kind="unknown", free=None, used=None, capacity=None))
    page = anna.get("/drives/").text
    assert page.count("unknown") >= 5


def test_a_htmx_request_gets_the_live_part_only(anna: Browser, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    part = anna.client.get("/drives/", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="drives"') and "<html" not in part and "WD Elements" in part


def test_names_on_a_drive_are_text_and_never_markup(anna: Browser, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    page = anna.get("/drives/found/sdc1?role=hot").text
    assert "&lt;script&gt;" in page and "<script>" not in page.replace("<script src", "")


def test_the_hand_over_page_says_what_erasing_destroys(anna: Browser, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    page = anna.get("/drives/found/sdc1?role=cold").text
    assert "This erases 1.3" in page and "Holiday 2014" in page and PHRASE in page
    assert "Every file on it stays" in page


def sent(how: str, **more: str) -> dict[str, str]:
    """The hand-over form as a browser sends it."""
    form = {"role": "hot", "origin": "", "expected": "7/WX42/2000000000000/AAAA-1111", "name": "The blue drive"}
    return form | {"colour": "blue", "how": how, "filesystem": "ext4", "typed": ""} | more


def test_a_drive_is_taken_as_it_is(anna: Browser, db: Database, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    answer = anna.post("/drives/found/sdc1", **sent("adopt", colour="rose"))
    assert answer.status_code == 303 and answer.location == "/drives/"
    started = job(db)
    assert started and started.kind == "drives.adopt" and started.arguments["role"] == "hot"
    assert started.arguments["name"] == "The rose drive"  # a suggested name follows the colour


def test_a_name_of_ones_own_is_kept(anna: Browser, db: Database, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    anna.post("/drives/found/sdc1", **sent("adopt", colour="rose", name="Oma 🌻"))
    started = job(db)
    assert started and started.arguments["name"] == "Oma 🌻"


@pytest.mark.parametrize("typed", ["", "erase", "WD Elements", "erase Other"])
def test_erasing_needs_the_words(anna: Browser, db: Database, plugged: Callable[..., None], typed: str) -> None:
    plugged(STRANGER)
    answer = anna.post("/drives/found/sdc1", **sent("format", typed=typed, name="Oma"))
    assert answer.status_code == 422 and f"Type “{PHRASE}” to erase this drive." in answer.text
    assert 'value="Oma"' in answer.text and job(db) is None


def test_erasing_with_the_words_starts(anna: Browser, db: Database, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    answer = anna.post("/drives/found/sdc1", **sent("format", typed=f" {PHRASE.upper()} ", filesystem="btrfs"))
    started = job(db)
    assert answer.status_code == 303 and started and started.kind == "drives.format"
    assert started.arguments["filesystem"] == "btrfs"


def test_another_drive_at_the_same_place_is_not_taken(
    anna: Browser, db: Database, plugged: Callable[..., None]
) -> None:
    plugged(replace(STRANGER, serial="OTHER", sequence=8))
    answer = anna.post("/drives/found/sdc1", **sent("format", typed=PHRASE))
    assert answer.status_code == 422 and "Another drive was plugged in meanwhile" in answer.text
    assert job(db) is None


@pytest.mark.parametrize(
    "wrong", [{"how": "burn"}, {"filesystem": "zfs", "how": "format", "typed": PHRASE}, {"colour": "plaid"}]
)
def test_wrong_values_are_told_and_nothing_starts(
    anna: Browser, db: Database, plugged: Callable[..., None], wrong: dict[str, str]
) -> None:
    plugged(STRANGER)
    answer = anna.post("/drives/found/sdc1", **(sent("adopt") | wrong))
    assert answer.status_code == 422 and 'role="alert"' in answer.text and job(db) is None


def test_a_drive_of_the_station_itself_cannot_be_handed_over(
    anna: Browser, db: Database, plugged: Callable[..., None]
) -> None:
    plugged(replace(STRANGER, system="it is in use at /"))
    assert anna.get("/drives/found/sdc1?role=hot").status_code == 409
    assert anna.post("/drives/found/sdc1", **sent("adopt")).status_code == 409
    assert "Use it" not in anna.get("/drives/").text and job(db) is None


def test_an_address_without_a_role_or_drive_is_not_found(anna: Browser, plugged: Callable[..., None]) -> None:
    plugged(STRANGER)
    assert anna.get("/drives/found/sdc1").status_code == 404
    assert anna.get("/drives/found/nothing?role=hot").status_code == 404
    assert anna.get("/drives/12").status_code == 404


def test_the_name_tag_is_changed_and_problems_are_told_beside_their_fields(
    anna: Browser, db: Database, blue: Drive, plugged: Callable[..., None]
) -> None:
    plugged()
    bad = anna.post(f"/drives/{blue.id}", name="", colour="blue", full_below_percent="many")
    assert bad.status_code == 422 and "Enter a whole number." in bad.text and 'value="many"' in bad.text
    bad = anna.post(f"/drives/{blue.id}", name=" ", colour="plaid", full_below_percent="99")
    assert bad.status_code == 422 and "Give it a name." in bad.text and "from 1 to 50" in bad.text
    good = anna.post(f"/drives/{blue.id}", name="Omas Platte", colour="violet", full_below_percent="12")
    assert good.status_code == 303
    with db.reading() as session:
        drive = session.get_one(Drive, blue.id)
        assert (drive.name, drive.colour, drive.full_below_percent) == ("Omas Platte", "violet", 12)


def test_letting_a_drive_go_needs_its_tag(
    anna: Browser, db: Database, blue: Drive, plugged: Callable[..., None]
) -> None:
    plugged()
    assert anna.post(f"/drives/{blue.id}/retire", typed="HOT-2").status_code == 422
    assert anna.post(f"/drives/{blue.id}/retire", typed="hot-1").status_code == 303
    with db.reading() as session:
        assert session.get_one(Drive, blue.id).state is DriveState.RETIRED
    assert "Drives that were let go" in anna.get("/drives/").text
    assert anna.get(f"/drives/{blue.id}").status_code == 200


def test_a_drive_in_use_is_not_let_go(
    anna: Browser, db: Database, blue: Drive, places: Places, plugged: Callable[..., None]
) -> None:
    plugged(found_blue(places))
    with db.writing() as session:
        session.get_one(Drive, blue.id).power_state = PowerState.MOUNTED
    answer = anna.post(f"/drives/{blue.id}/retire", typed="HOT-1")
    assert answer.status_code == 409 and "Unplug safely" in answer.text


def test_ejecting_twice_is_refused_with_words(
    anna: Browser, blue: Drive, places: Places, plugged: Callable[..., None]
) -> None:
    plugged(found_blue(places))
    assert anna.post(f"/drives/{blue.id}/eject").status_code == 303
    page = anna.follow(anna.post(f"/drives/{blue.id}/eject"))
    assert "already under way" in page


def test_space_over_time_is_a_chart_with_a_table_behind_it(
    anna: Browser, db: Database, blue: Drive, plugged: Callable[..., None]
) -> None:
    plugged()
    today = now().date()
    with db.writing() as session:
        for ago in range(200):
            used = 700 * GB - ago * 2 * GB
            session.add(SpaceSample(drive_id=blue.id, day=today - timedelta(days=ago), used=used, size=1000 * GB))
    page = anna.get(f"/drives/{blue.id}").text
    assert 'class="chart space"' in page and "full in about 5 months" in page
    assert page.count("<tr>") == 201

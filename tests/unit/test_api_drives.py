"""Drives by the API, and the numbers for Prometheus."""

import re
import time
from pathlib import Path

import pytest
from flask import Flask

from appliance.db import Database
from appliance.drives import inventory as live
from appliance.drives.inventory import Found, Inventory
from appliance.places import Places
from tests.callers import Caller
from tests.hot_drive import hand_over

STICK = Found(
    device="sdz1",
    disk="sdz",
    sequence=9,
    model="Stick \udcff",
    vendor="ACME",
    serial="S1",
    kind="stick",
    bus="usb",
    size=10**11,
    disk_size=10**11,
    filesystem="ext4",
    filesystem_uuid="11111111-2222-3333-4444-555555555555",
    capacity=10**11,
    free=10**10,
    used=9 * 10**10,
    dirty=False,
    names=("Holiday 2014",),
    names_total=1,
)


@pytest.fixture
def stick(places: Places) -> Found:
    live.save(places, Inventory((STICK,), time.time()))
    return STICK


@pytest.fixture
def drive_id(db: Database, places: Places, tmp_path: Path) -> int:
    return hand_over(db, places, tmp_path / "hot").drive_id


def test_before_anybody_has_looked_the_list_is_unknown_not_empty(admin: Caller) -> None:
    assert admin("GET", "/drives").json == {"known": False, "drives": [], "strangers": []}


def test_a_drive_that_is_plugged_in_is_shown_with_what_may_be_done(admin: Caller, stick: Found) -> None:
    (stranger,) = admin("GET", "/drives").json["strangers"]
    assert stranger["plugged_in"]["model"] == "Stick ?"
    assert stranger["plugged_in"]["temperature_c"] is None and stranger["plugged_in"]["health"] == "unknown"
    assert stranger["text"] and stranger["hint"]


def test_handing_over_is_a_job_behind_the_right_words(admin: Caller, stick: Found) -> None:
    asked = admin("POST", "/drives/confirmation", {"device": "sdz1"}).json
    assert asked["names"] == ["Holiday 2014"] and asked["phrase"].startswith("erase ")
    wanted = {"device": "sdz1", "role": "hot", "filesystem": "ext4", "typed": "yes"}
    assert set(admin("POST", "/drives/format", wanted).json["problems"]) == {"typed"}
    adopted = admin("POST", "/drives/adopt", {"device": "sdz1", "role": "hot", "colour": "green"})
    assert (adopted.status_code, adopted.json["kind"]) == (202, "drives.adopt")
    assert admin("POST", "/drives/adopt", {"device": "sdz1", "role": "hot"}).status_code == 409
    assert admin("POST", "/drives/adopt", {"device": "sda", "role": "hot"}).status_code == 404
    assert set(admin("POST", "/drives/adopt", {"device": "sdz1", "role": "warm"}).json["problems"]) == {"role"}


def test_a_drive_is_renamed_watched_and_let_go(admin: Caller, drive_id: int) -> None:
    path = f"/drives/{drive_id}"
    changed = admin("PATCH", path, {"name": "Grandma", "colour": "rose", "full_below_percent": 10}).json
    assert (changed["name"], changed["colour"], changed["tag"], changed["plugged_in"]) == (
        "Grandma",
        "rose",
        "HOT-1",
        None,
    )
    bad = admin("PATCH", path, {"name": "", "colour": "mud", "full_below_percent": 99})
    assert set(bad.json["problems"]) == {"name", "colour", "full_below_percent"}
    assert admin("GET", f"{path}/space").json == []
    assert admin("POST", f"{path}/eject").json["kind"] == "drives.eject"
    assert admin("POST", f"{path}/retire", {}).json["state"] == "retired"
    for missing in ("/drives/99", "/drives/99/space"):
        assert admin("GET", missing).status_code == 404


def test_metrics_are_an_admins_and_unknown_is_left_out(
    app: Flask, admin: Caller, member: Caller, drive_id: int, db: Database
) -> None:
    client = app.test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {member.token}"}).status_code == 403
    admin("PATCH", f"/drives/{drive_id}", {"name": 'A "blue" \\ one'})
    page = client.get("/metrics", headers={"Authorization": f"Bearer {admin.token}"})
    assert page.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = page.text.splitlines()
    assert r'everpx_drive_size_bytes{drive="HOT-1",name="A \"blue\" \\ one",role="hot"} 1000000000000' in lines
    assert "everpx_memories 0" in lines and 'everpx_jobs{state="running"} 0' in lines
    assert not [line for line in lines if "temperature" in line or "proof_age" in line or "connected" in line]
    assert all(re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [-+.e\d]+", line) for line in lines)

"""NFS and being found by REST: devices and rights as facts for root, names and stations as the worker saw them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from appliance import plugin
from appliance.broker import protocol
from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.places import Places
from plugins.discovery import privileged as discovery_root
from plugins.discovery import state
from plugins.nfs import privileged as nfs_root
from tests.callers import Caller
from tests.hot_drive import hand_over

NFS, FOUND = "/plugins/nfs", "/plugins/discovery"


@pytest.fixture(autouse=True)
def _on(db: Database) -> None:
    """Before the console is built."""
    with db.writing() as session:
        plugin.switch(session, "nfs", on=True)


class Root:
    """What root is asked for; it answers as it does where ganesha serves."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """One question, which has to pass the checks that root makes."""
        name, _, checked = protocol.parse(json.dumps({"verb": verb, "request": dict(request)}).encode())
        self.asked.append((name, dict(request)))
        if isinstance(checked, discovery_root.Apply):
            return {"changed": False, "windows": False}
        assert isinstance(checked, nfs_root.Apply)
        listed = [{"tag": e.tag, "folder": e.folder, "name": f"/{e.tag}/{e.folder}"} for e in checked.exports]
        return {"served": listed, "server": "ganesha"}


@pytest.fixture
def root(app: Flask) -> Root:
    """In the place of the socket."""
    made = Root()
    here = app.extensions["everpx"]
    app.extensions["everpx"] = replace(here, broker=made)
    return made


@pytest.fixture
def drive(db: Database, places: Places, tmp_path: Path) -> Mount:
    """HOT-1, with two folders."""
    mount = hand_over(db, places, places.mounts / "HOT-1")
    for name in ("Family", "Films"):
        (mount.path / name).mkdir(exist_ok=True)
    return mount


def test_a_device_is_listed_given_folders_and_shut_out(root: Root, admin: Caller, member: Caller, drive: Mount) -> None:
    assert {one["folder"] for one in admin("GET", f"{NFS}/folders").json} == {"Family", "Films"}
    made = admin("POST", f"{NFS}/devices", {"name": "Television", "address": "192.168.1.20"})
    assert (made.status_code, made.json["rights"]) == (201, [])
    path = f"{NFS}/devices/{made.json['id']}"
    both = [
        {"drive_id": drive.drive_id, "folder": name, "may": may}
        for name, may in (("Family", "see"), ("Films", "change"))
    ]
    assert admin("PUT", f"{path}/rights", {"rights": both}).json["rights"] == both
    assert root.asked[-1][0] == "nfs.apply"
    assert [one["folder"] for one in root.asked[-1][1]["exports"]] == ["Family", "Films"]
    told = admin("GET", f"{NFS}/exports").json
    assert (told["server"], told["problem"]) == ("ganesha", None)
    assert {"drive": "HOT-1", "folder": "Films", "path": "/HOT-1/Films"} in told["exports"]
    assert admin("PUT", f"{path}/rights", {"rights": both[1:]}).json["rights"] == both[1:]  # what is not named is gone
    assert [one["rights"] for one in admin("GET", f"{NFS}/devices").json] == [both[1:]]
    assert member("GET", f"{NFS}/devices").status_code == 403
    assert admin("DELETE", path).status_code == 204
    assert root.asked[-1][1]["exports"] == [] and admin("GET", f"{NFS}/devices").json == []
    assert admin("PUT", f"{path}/rights", {"rights": []}).status_code == 404


def test_what_cannot_be_is_refused_and_nothing_is_kept(root: Root, admin: Caller, drive: Mount) -> None:
    assert set(admin("POST", f"{NFS}/devices", {"name": "", "address": "8.8.8.8"}).json["problems"]) == {
        "name",
        "address",
    }
    made = admin("POST", f"{NFS}/devices", {"name": "Radio", "address": "192.168.1.0/24"}).json
    for wrong in ({"folder": "../etc"}, {"folder": "Nothing"}, {"may": "own"}, {"drive_id": 77}):
        right = {"drive_id": drive.drive_id, "folder": "Family", "may": "see"} | wrong
        assert admin("PUT", f"{NFS}/devices/{made['id']}/rights", {"rights": [right]}).status_code == 422
    assert admin("GET", f"{NFS}/devices").json[0]["rights"] == []
    assert not [one for one in root.asked if one[0] == "nfs.apply"]


def test_a_try_is_a_job(admin: Caller) -> None:
    started = admin("POST", f"{NFS}/test")
    assert (started.status_code, started.json["kind"]) == (202, "nfs.try")
    assert admin("POST", f"{NFS}/test").status_code == 409
    assert admin("POST", f"{FOUND}/look").json["kind"] == "discovery.look"


def test_names_and_other_stations_are_told_to_everybody(member: Caller, places: Places) -> None:
    assert member("GET", f"{FOUND}/names").json["addresses"] == []
    other = state.Other("Attic", "attic.local", "10.0.0.7", 8080)
    state.change(
        places,
        wanted="everpx",
        name="everpx-2",
        port=80,
        addresses=("10.0.0.2",),
        kinds=("_http._tcp",),
        others=(other,),
    )
    told = member("GET", f"{FOUND}/names").json
    assert (told["host"], told["wanted"], told["problem"]) == ("everpx-2.local", "everpx.local", None)
    assert told["addresses"] == ["http://everpx-2.local", "http://10.0.0.2"]
    (seen,) = member("GET", f"{FOUND}/stations").json
    assert (seen["name"], seen["url"]) == ("Attic", "http://10.0.0.7:8080")
    assert member("PUT", f"{FOUND}/names", {"name": "attic"}).status_code == 403


def test_an_admin_chooses_another_name(root: Root, admin: Caller, places: Places) -> None:
    assert set(admin("PUT", f"{FOUND}/names", {"name": "my box"}).json["problems"]) == {"name"}
    assert admin("PUT", f"{FOUND}/names", {"name": "Attic.local"}).json["wanted"] == "attic.local"
    assert root.asked[-1][1]["host_name"] == "attic"

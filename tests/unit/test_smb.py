"""Windows and Mac sharing without Samba: the API, the page, what root is told, and what holds once it is off."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, select

from appliance import plugin
from appliance.db import Database
from appliance.drives.models import Drive, DriveRole
from appliance.errors import NotFound
from appliance.jobs.models import Job
from appliance.people.models import User
from appliance.places import Places
from plugins.smb import service, wanted
from plugins.smb.facts import Account, Apply, Share, can_be_shared, name_problem
from plugins.smb.models import Level, SmbFolder
from plugins.smb.samba_conf import closed_for, render, sections
from tests.callers import Caller

HERE = "/plugins/smb"


@pytest.fixture(autouse=True)
def on(db: Database) -> None:
    """Before the console is built."""
    with db.writing() as session:
        plugin.switch(session, "smb", on=True)


@pytest.fixture
def taxes(db: Database) -> int:
    """A folder of the family's with a share of its own, on a drive that is not here."""
    with db.writing() as session:
        facts = {
            "colour": "blue",
            "filesystem": "ext4",
            "filesystem_uuid": "U",
            "size": 10**9,
            "serial": "S",
            "model": "M",
        }
        drive = Drive(marker_id="1" * 32, role=DriveRole.HOT, number=1, name="Blue", **facts)
        session.add(drive)
        session.flush()
        folder = SmbFolder(drive_id=drive.id, name="Taxes")
        session.add(folder)
        session.flush()
        return folder.id


def test_the_table_of_people_and_folders_is_read_and_set(admin: Caller, member: Caller, taxes: int) -> None:
    rights = [{"user_id": member.user.id, "folder_id": taxes, "level": "nothing"}]
    told = {row["name"]: row for row in admin("PUT", f"{HERE}/rights", {"rights": rights}).json}
    assert told["Ben"]["family"] == "Family for Ben" and told["Anna"]["family"] == "Family"
    assert told["Ben"]["rights"] == [
        {"folder_id": None, "level": "change"},
        {"folder_id": taxes, "level": "nothing"},
    ]
    assert admin("GET", f"{HERE}/people").json == list(told.values())
    assert admin("GET", f"{HERE}/folders").json == [{"id": taxes, "name": "Taxes", "drive_id": 1}]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"user_id": 99, "level": "see"}, 404),
        ({"user_id": 1, "folder_id": 99, "level": "see"}, 404),
        ({"user_id": 1, "level": "everything"}, 422),
        ({"user_id": 1}, 422),
    ],
)
def test_of_a_table_with_something_wrong_nothing_is_kept(
    admin: Caller, taxes: int, wrong: dict[str, object], status: int
) -> None:
    good = {"user_id": admin.user.id, "folder_id": taxes, "level": "see"}
    assert admin("PUT", f"{HERE}/rights", {"rights": [good, wrong]}).status_code == status
    assert {right["level"] for right in admin("GET", f"{HERE}/people").json[0]["rights"]} == {"change"}


def test_folders_room_and_the_self_test_by_the_api(admin: Caller, db: Database, taxes: int) -> None:
    refused = admin("POST", f"{HERE}/folders", {"name": "Music"})
    assert refused.status_code == 422 and "no drive" in refused.json["problems"]["name"]
    assert admin("POST", f"{HERE}/folders", {"name": "taxes"}).json["problems"].keys() == {"name"}
    assert admin("PUT", f"{HERE}/people/{admin.user.id}/mac", {"gigabytes": 700}).json["time_machine_gb"] == 700
    assert admin("PUT", f"{HERE}/people/{admin.user.id}/mac", {"gigabytes": -1}).status_code == 422
    assert admin("PUT", f"{HERE}/people/{admin.user.id}/mac", {"gigabytes": None}).json["time_machine_gb"] is None
    assert admin("PUT", f"{HERE}/people/99/mac", {"gigabytes": 1}).status_code == 404
    assert admin("POST", f"{HERE}/self-test").json["kind"] == service.SELF_TEST
    assert admin("POST", f"{HERE}/self-test").status_code == 409
    assert admin("DELETE", f"{HERE}/folders/{taxes}").status_code == 204
    assert admin("DELETE", f"{HERE}/folders/{taxes}").status_code == 404
    with db.reading() as session:
        assert service.SETTLE in session.scalars(select(Job.kind)).all()


def test_switched_off_nothing_is_begun_again_by_a_process_that_still_has_it(
    admin: Caller, app: Flask, db: Database, places: Places, taxes: int
) -> None:
    asked: list[str] = []

    def root(verb: str, request: object) -> dict[str, object]:
        asked.append(verb)
        return {"ended": ["smbd"]}

    app.extensions["everpx"] = replace(app.extensions["everpx"], broker=root)
    assert admin("PATCH", "/plugins/smb", {"enabled": False}).json["enabled"] is False
    assert asked == ["services.only"]
    with db.writing() as session:
        session.execute(delete(Job))  # from when Anna was added
        service.settle(session, root, places)
        service.start_settling(session)
        service.password_known(session, session.get_one(User, admin.user.id), "three green kettles")
        assert session.scalars(select(Job)).all() == []
    assert asked == ["services.only"]


def test_who_may_do_less_has_a_share_of_family_without_that_folder(db: Database, taxes: int, admin: Caller) -> None:
    with db.writing() as session:
        for most, there, hidden in (
            (Level.CHANGE, Level.SEE, True),
            (Level.SEE, Level.NOTHING, True),
            (Level.SEE, Level.SEE, False),
            (Level.SEE, Level.CHANGE, False),
            (Level.NOTHING, Level.NOTHING, False),
        ):
            service.allow(session, {(admin.user.id, None): most, (admin.user.id, taxes): there})
            assert wanted.less(session, 1) == ({admin.user.id: ("Taxes",)} if hidden else {})
        with pytest.raises(NotFound):
            service.remove_folder(session, 99)


NO_NAMES = ["global", "everpx-1", "EVERPX-check", "a/b", "%U", "a]", " a", "a.", "", "x" * 65, "a\nb"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_samba_or_windows_would_take_for_something_else(name: str) -> None:
    assert name_problem(name) is not None
    with pytest.raises(ValueError, match=r".+"):
        Account(7, name, "0" * 32)
    with pytest.raises(ValueError, match=r".+"):
        Share("a", "HOT-1", "Family", hidden=(name,))


def test_folders_that_a_configuration_cannot_name() -> None:
    assert can_be_shared("Anna") and can_be_shared("音楽/🎵")
    for folder in ("", "a%U", 'a"', "a ", "a\u2028b", "../x", ".everpx", "a\nb"):
        assert not can_be_shared(folder)


def test_what_is_hidden_is_in_the_configuration_and_closes_what_was_open(tmp_path: Path) -> None:
    def text(*hidden: str) -> str:
        share = Share("Family", "HOT-1", "Family", changing=(1,), hidden=hidden)
        request = Apply((Account(1, "Anna", "0" * 32),), (share,))
        return render(tmp_path, request, [(share, tmp_path / "Family", "exfat")], "everpx")

    before, after = sections(text())["Family"], sections(text("Taxes"))["Family"]
    assert "/Taxes/Taxes./Taxes..*/?*~?*/" in after and "~" not in before.partition("recycle")[0]
    assert closed_for(before, after) is None and closed_for(after, after) == set()

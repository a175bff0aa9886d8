"""Copies by the API."""

from datetime import date
from pathlib import Path

import pytest

from appliance.backup.models import BackupRun, ColdFile, ColdFolder, Drill, OldVersion, RunState
from appliance.db import Database, now
from appliance.drives.models import DriveRole
from appliance.library import catalogue
from appliance.places import Places
from appliance.words import Message
from tests.callers import Caller
from tests.hot_drive import hand_over


@pytest.fixture
def hot(db: Database, places: Places, tmp_path: Path) -> int:
    return hand_over(db, places, tmp_path / "hot").drive_id


@pytest.fixture
def cold(db: Database, places: Places, tmp_path: Path) -> int:
    return hand_over(db, places, tmp_path / "cold", role=DriveRole.COLD).drive_id


def test_a_copy_is_started_planned_and_told(admin: Caller, hot: int, cold: int) -> None:
    (copy,) = admin("GET", "/backup").json
    assert (copy["tag"], copy["sources"], copy["files"], copy["schedule"]) == ("COLD-1", ["HOT-1"], 0, None)
    started = admin("POST", f"/backup/{cold}/run")
    assert (started.status_code, started.json["kind"]) == (202, "backup.run")
    assert admin("POST", f"/backup/{cold}/run").json["error"] == "job_already_running"
    planned = admin("PUT", f"/backup/{cold}/schedule", {"rhythm": "weekly", "time": "03:00", "days": ["sunday"]})
    assert planned.json["words"] == "Every Sunday at 03:00"
    assert admin("GET", f"/backup/{cold}").json["schedule"]["words"] == "Every Sunday at 03:00"
    assert admin("POST", f"/backup/{hot}/run").status_code == 404


def test_what_a_drive_keeps_is_chosen(admin: Caller, hot: int, cold: int) -> None:
    assert admin("PUT", f"/backup/{cold}/sources", {"drives": [hot]}).json["sources"] == ["HOT-1"]
    assert admin("PUT", f"/backup/{cold}/sources", {"drives": [cold]}).status_code == 404


def test_the_brake_is_answered_once(admin: Caller, db: Database, hot: int, cold: int) -> None:
    with db.writing() as session:
        run = BackupRun(cold_drive_id=cold, state=RunState.BRAKED, vanished=999, brake=Message("Go on?"))
        session.add(run)
    assert [row["question"] for row in admin("GET", f"/backup/runs?drive={cold}").json] == ["Go on?"]
    assert set(admin("POST", f"/backup/runs/{run.id}/answer", {"answer": "maybe"}).json["problems"]) == {"answer"}
    assert admin("POST", f"/backup/runs/{run.id}/answer", {"answer": "go"}).json["answer"] == "go"
    assert [job["kind"] for job in admin("GET", "/jobs").json["active"]] == ["backup.run"]
    assert admin("GET", f"/backup/runs/{run.id}").json["vanished"] == 999
    assert admin("GET", "/backup/runs/99").status_code == 404


def test_files_are_brought_back_by_name_day_and_place(admin: Caller, hot: int, cold: int) -> None:
    path = f"/backup/{cold}/restore"
    assert admin("POST", path, {"source": "HOT-9"}).status_code == 404
    assert set(admin("POST", path, {"source": "HOT-1", "day": "today"}).json["problems"]) == {"day"}
    assert set(admin("POST", path, {"source": "HOT-1", "path_hex": "zz"}).json["problems"]) == {"path_hex"}
    started = admin("POST", path, {"source": "HOT-1", "path": "Anna/Photos", "day": "2026-11-01"})
    assert (started.status_code, started.json["kind"]) == (202, "backup.restore")


def test_drills_are_practised_and_listed(admin: Caller, db: Database, cold: int) -> None:
    with db.writing() as session:
        session.add(Drill(cold_drive_id=cold, tried=25, good=25))
    assert [(row["tried"], row["good"]) for row in admin("GET", f"/backup/{cold}/drills").json] == [(25, 25)]
    assert admin("POST", f"/backup/{cold}/drills").json["kind"] == "backup.drill"


def test_a_copy_is_browsed_while_its_drive_is_off(admin: Caller, db: Database, hot: int, cold: int) -> None:
    with db.writing() as session:
        folder = catalogue.folder_id(session, hot, b"Anna/caf\xe9")
        session.add(ColdFolder(cold_drive_id=cold, folder_id=folder, fingerprint=b""))
        facts = {"cold_drive_id": cold, "folder_id": folder, "name": b"a.jpg", "modified_ns": 1, "digest": b"\x01" * 32}
        session.add(ColdFile(size=7, proven=now(), **facts))
        session.add(OldVersion(size=5, day=date(2026, 11, 2), why="replaced", stored_as=b"x", **facts))
    path = f"/backup/{cold}/files?source=HOT-1"
    (top,) = admin("GET", path).json["folders"]
    (inner,) = admin("GET", f"{path}&path_hex={top['path_hex']}").json["folders"]
    assert (top["name"], inner["name"]) == ("Anna", "caf\ufffd")
    (file,) = admin("GET", f"{path}&path_hex={inner['path_hex']}").json["files"]
    assert (file["name"], file["size"], file["day"]) == ("a.jpg", 7, None)
    then = admin("GET", f"{path}&path_hex={inner['path_hex']}&day=2026-11-01").json["files"]
    assert [(row["size"], row["day"]) for row in then] == [(5, "2026-11-02")]
    older = admin("GET", f"/backup/{cold}/versions?source=HOT-1&path_hex={file['path_hex']}").json
    assert [(row["why"], row["put_away"]) for row in older] == [("replaced", None)]
    wanted = {"source": "HOT-1", "path_hex": file["path_hex"], "version": older[0]["version"]}
    assert admin("POST", f"/backup/{cold}/restore", wanted | {"version": 99}).status_code == 404
    assert admin("POST", f"/backup/{cold}/restore", wanted).status_code == 202
    assert admin("GET", f"{path}&path=../etc").status_code == 404
    assert admin("GET", f"/backup/{cold}/files").json["problems"].keys() == {"source"}


def test_what_a_copy_would_do_is_said_without_switching_the_drive_on(admin: Caller, hot: int, cold: int) -> None:
    assert " new, 0 changed, 0 deleted" in admin("GET", f"/backup/{cold}/plan").json["text"]

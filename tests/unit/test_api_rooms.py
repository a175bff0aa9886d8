"""What each room of the API does."""

import time
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import delete

from appliance import plugin
from appliance.db import Database
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.jobs import schedule, service
from appliance.jobs.models import Job, JobState
from appliance.jobs.plan import Plan, Rhythm
from appliance.manifest import Manifest, Option
from appliance.people.models import ApiToken, Role
from appliance.words import Message
from console.api import auth
from tests.callers import PASSWORD, Caller


@pytest.fixture
def job(db: Database) -> int:
    with db.writing() as session:
        made = service.start(session, "backup.run", title=Message("Copy to {drive}", {"drive": "Blue"}), lock="cold:1")
    return made.id


def test_an_admin_adds_changes_and_removes_people(admin: Caller) -> None:
    cleo = admin("POST", "/people", {"name": "Cleo", "password": PASSWORD}).json
    assert (cleo["role"], cleo["state"], cleo["folder"]) == ("member", "active", "Cleo")
    path = f"/people/{cleo['id']}"
    change = {"name": "Cleopatra", "emoji": "🐍", "colour": "rose", "role": "admin", "enabled": False}
    changed = admin("PATCH", path, change).json
    assert (changed["name"], changed["role"], changed["state"]) == ("Cleopatra", "admin", "disabled")
    assert admin("PATCH", path, {"name": "Anna"}).json["problems"].keys() == {"name"}
    assert admin("PUT", f"{path}/password", {"new_password": "short"}).json["problems"].keys() == {"new_password"}
    assert admin("POST", f"{path}/removal", {"fate": "burn"}).status_code == 422
    handed = admin("POST", f"{path}/removal", {"fate": "hand_over", "heir": admin.user.id})
    assert handed.json["job"]["kind"] == "people.hand_over"
    assert admin("POST", f"{path}/removal", {"fate": "hand_over", "heir": admin.user.id}).status_code == 409
    alone = admin("PATCH", f"/people/{admin.user.id}", {"role": "member"})
    assert (alone.status_code, alone.json["error"]) == (409, "last_admin")


def test_a_person_sees_themselves_and_changes_their_own_things(member: Caller, admin: Caller) -> None:
    assert member("GET", f"/people/{member.user.id}").json["name"] == "Ben"
    assert member("GET", f"/people/{admin.user.id}").status_code == 403
    wrong = member("PUT", "/session/password", {"old_password": "x", "new_password": "three blue boats"})
    assert (wrong.status_code, wrong.json["error"]) == (422, "wrong_password")
    good = member("PUT", "/session/password", {"old_password": PASSWORD, "new_password": "three blue boats"})
    assert good.status_code == 204
    assert member("PUT", "/session/picture", {"colour": "green", "emoji": "🐻"}).json["emoji"] == "🐻"


def test_sign_ins_are_listed_and_ended(app: Flask, member: Caller) -> None:
    for _ in range(3):
        client = app.test_client()
        client.post("/api/v1/session", json={"name": "Ben", "password": PASSWORD})
    listed = client.get("/api/v1/session/sign-ins").json
    assert [row["here"] for row in listed].count(True) == 1 and len(listed) == 3
    other = next(row["id"] for row in listed if not row["here"])
    assert member("DELETE", f"/session/sign-ins/{other}").status_code == 204
    assert member("DELETE", f"/session/sign-ins/{other}").status_code == 404
    assert member("DELETE", "/session/sign-ins").status_code == 204
    assert client.get("/api/v1/session").status_code == 401


def test_signing_in_badly_is_401_and_then_429(app: Flask, member: Caller) -> None:
    client = app.test_client()
    statuses = [client.post("/api/v1/session", json={"name": "Ben", "password": "wrong"}).status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2


def test_tokens_are_created_listed_and_revoked(member: Caller, admin: Caller) -> None:
    made = member("POST", "/tokens", {"name": "camera"}).json
    assert made["text"].startswith("everpx_")
    assert [row["name"] for row in member("GET", "/tokens").json] == ["camera", "test"]
    assert "text" not in member("GET", "/tokens").json[0]
    assert admin("DELETE", f"/tokens/{made['token']['id']}").status_code == 404
    assert member("DELETE", f"/tokens/{made['token']['id']}").status_code == 204
    assert member("DELETE", "/session").status_code == 204  # its own token
    assert member("GET", "/session").status_code == 401


def test_a_token_that_another_process_revoked_is_remembered_for_two_seconds_at_most(
    member: Caller, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert member("GET", "/session").status_code == 200
    with db.writing() as session:
        session.execute(delete(ApiToken))
    later = time.monotonic() + auth.REMEMBERED_S
    monkeypatch.setattr(auth.time, "monotonic", lambda: later)
    assert member("GET", "/session").status_code == 401


def test_whoever_was_disabled_here_is_out_at_once(member: Caller, admin: Caller) -> None:
    assert member("GET", "/session").status_code == 200
    assert admin("PATCH", f"/people/{member.user.id}", {"enabled": False}).status_code == 200
    assert member("GET", "/session").status_code == 401


def test_jobs_are_watched_by_everybody_and_stopped_by_an_admin(admin: Caller, member: Caller, job: int) -> None:
    assert [row["title"] for row in member("GET", "/jobs").json["active"]] == ["Copy to Blue"]
    assert member("POST", f"/jobs/{job}/cancel").status_code == 403
    assert admin("POST", f"/jobs/{job}/pause").json["state"] == "paused"
    assert admin("POST", f"/jobs/{job}/resume").json["state"] == "waiting"
    assert admin("GET", f"/jobs/{job}/log").json == []
    assert admin("POST", f"/jobs/{job}/cancel").json["state"] == "cancelled"
    assert admin("POST", f"/jobs/{job}/cancel").status_code == 409
    assert member("GET", f"/jobs/{job}").json["finished"].endswith("Z")
    assert admin("GET", "/jobs/999/log").status_code == 404


def test_schedules_are_told_and_changed_in_plain_words(admin: Caller, db: Database) -> None:
    with db.writing() as session:
        row = schedule.upsert(session, "backup.run", "cold:1", Plan(Rhythm.DAILY), title=Message("Copy"))
    assert admin("GET", "/schedules").json[0]["words"] == "Every day at 03:00"
    weekly = {"rhythm": "weekly", "time": "04:30", "days": ["sunday"]}
    assert admin("PUT", f"/schedules/{row.id}", weekly).json["words"] == "Every Sunday at 04:30"
    bad = admin("PUT", f"/schedules/{row.id}", {"rhythm": "weekly", "time": "25:00"})
    assert set(bad.json["problems"]) == {"time", "days"}
    assert admin("PUT", f"/schedules/{row.id}", {"rhythm": "by_hand"}).json["enabled"] is False
    assert admin("PUT", "/schedules/99", {"rhythm": "by_hand"}).status_code == 404


def test_settings_are_read_and_changed_and_the_change_is_told(admin: Caller) -> None:
    keys = {row["key"]: row for row in admin("GET", "/settings").json}
    assert "station.time_zone" in keys
    assert admin("PUT", "/settings/station.time_zone", {"value": "Asia/Shanghai"}).json["value"] == "Asia/Shanghai"
    bad = admin("PUT", "/settings/station.time_zone", {"value": "Mars/Olympus"})
    assert set(bad.json["problems"]) == {"station.time_zone"}
    assert admin("PUT", "/settings/station.time_zone", {"value": 7}).status_code == 422
    assert admin("PUT", "/settings/no.such", {"value": 7}).status_code == 404
    told = admin("GET", "/events?kind=settings.").json
    assert [(row["text"], row["actor"]) for row in told] == [("The setting “Time zone” was changed.", "Anna")]


def test_events_are_paged_backwards(admin: Caller, caller: Callable[..., Caller]) -> None:
    for number in range(5):
        caller(f"Person {number}", Role.MEMBER)
    first = admin("GET", "/events?kind=people.added&limit=4").json
    second = admin("GET", f"/events?kind=people.added&limit=4&before={first[-1]['id']}").json
    assert len(first) == 4 and len(second) == 2 and first[-1]["id"] > second[0]["id"]


def test_an_issue_can_be_put_aside_and_one_without_a_fix_says_so(admin: Caller, db: Database) -> None:
    with db.writing() as session:
        finding = health.Finding("test", Severity.WARNING, Message("Something."), Message("Do this."))
        issue = health.tell(session, finding)
        session.flush()
    assert [row["text"] for row in admin("GET", "/health").json] == ["Something."]
    assert admin("PUT", f"/health/{issue.id}/quiet", {"days": 7}).json["quiet_until"]
    assert admin("PUT", f"/health/{issue.id}/quiet", {"days": 0}).json["quiet_until"] is None
    assert admin("POST", f"/health/{issue.id}/fix").status_code == 404


def test_plugins_are_switched_and_configured(admin: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Option("port", "Port", "number", 80, minimum=1, maximum=99)
    loud = Option("loud", "Loud", "switch", False)
    found = {"bell": Manifest("bell", "plugins.bell", "Bell", "Rings.", 1, options=(port, loud))}
    monkeypatch.setattr(plugin, "found", lambda: found)
    changed = admin("PATCH", "/plugins/bell", {"enabled": True, "options": {"loud": True}}).json
    assert changed["enabled"] is True
    assert {o["key"]: o["value"] for o in changed["options"]} == {"port": 80, "loud": True}
    kept = admin("PATCH", "/plugins/bell", {"options": {"port": 8}}).json
    assert {o["key"]: o["value"] for o in kept["options"]} == {"port": 8, "loud": True}
    assert set(admin("PATCH", "/plugins/bell", {"options": {"port": 100}}).json["problems"]) == {"port"}
    assert set(admin("PATCH", "/plugins/bell", {"options": {"prot": 1}}).json["problems"]) == {"options.prot"}
    assert admin("PATCH", "/plugins/nothing", {}).status_code == 404


def test_a_finished_job_is_told_with_its_error(admin: Caller, db: Database, job: int) -> None:
    with db.writing() as session:
        row = session.get_one(Job, job)
        row.state, row.error_code, row.error = JobState.FAILED, "out_of_space", Message("No room.")
    assert admin("GET", "/jobs").json["recent"][0]["error"] == "No room."

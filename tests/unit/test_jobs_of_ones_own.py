"""A job that works on what is somebody's own tells everybody else that it is going on, and none of its words."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from appliance.db import Database
from appliance.jobs import service
from appliance.jobs.models import Job, JobLog, JobState
from appliance.words import Message
from tests.browsers import Browser
from tests.callers import Caller

SECRET = "Divorce"


@pytest.fixture
def bens(db: Database, member: Caller) -> int:
    """Ben imports from a folder of his own; everything that a job can say says its name."""
    said = Message("Importing from {name}", {"name": f"Ben/{SECRET}"})
    with db.writing() as session:
        others = "Importing photos"
        job = service.start(session, "x", title=said, lock="x", asked_by=member.user.id, told_others=others)
        session.flush()
        words = {"stage": said, "error": said, "result": {"unsafe": [SECRET]}, "state": JobState.RUNNING, "percent": 40}
        session.execute(update(Job).where(Job.id == job.id).values(**words))
        session.add(JobLog(job_id=job.id, message=said))
    return job.id


def test_others_read_that_it_is_going_on(bens: int, app: Flask, admin: Caller, caller: Callable[..., Caller]) -> None:
    carla, anna = caller("Carla"), Browser(app, "Anna")
    for who in (admin, carla):
        (job,) = who("GET", "/jobs").json["active"]
        assert job["title"] == "Importing photos" and job["percent"] == 40
        for address in ("/jobs", f"/jobs/{bens}"):
            assert SECRET not in who("GET", address).text
    assert admin("GET", f"/jobs/{bens}/log").json == []
    for page in ("/", "/activity/", "/activity/drawer", f"/activity/{bens}"):
        text = anna.get(page).text
        assert "Importing photos" in text and SECRET not in text, page
    assert SECRET not in admin("POST", f"/jobs/{bens}/cancel").text


def test_who_asked_reads_all_of_it_and_nothing_is_lost_in_the_row(
    bens: int, app: Flask, db: Database, admin: Caller, member: Caller
) -> None:
    Browser(app, "Anna").get("/activity/")
    (job,) = member("GET", "/jobs").json["active"]
    assert SECRET in job["title"] and job["result"] == {"unsafe": [SECRET]}
    ben = Browser(app, "Ben")
    assert SECRET in ben.get("/activity/").text and SECRET in ben.get("/").text
    with db.writing() as session:
        assert SECRET in str(session.get_one(Job, bens).title)


def test_what_has_ended_tells_others_no_more(bens: int, db: Database, app: Flask, admin: Caller) -> None:
    with db.writing() as session:
        session.execute(update(Job).values(state=JobState.FAILED))
    assert SECRET not in admin("GET", "/jobs").text
    assert SECRET not in Browser(app, "Anna").get("/activity/").text


def test_a_taken_lock_does_not_tell_either(bens: int, db: Database, admin: Caller) -> None:
    with db.writing() as session, pytest.raises(service.AlreadyRunning) as told:
        service.start(session, "x", title=Message("Mine"), lock="x", asked_by=admin.user.id)
    assert SECRET not in str(told.value)

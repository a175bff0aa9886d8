"""The sign of life on the wire: heard, refused, without an answer, held back; and each is shown."""

import socket
from datetime import timedelta
from typing import Any

import pytest

from appliance.db import Database, now
from appliance.health import service as issues
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from appliance.words import Message
from plugins.notify import health, heartbeat, jobs, web, whole_station
from plugins.notify.models import NotifyStation

pytestmark = pytest.mark.component


@pytest.fixture
def progress(db: Database, places: Places, anna: User) -> Progress:
    """A job at work."""
    with db.writing() as session:
        job = Job(kind="notify.send", title=Message("test"), lock="notify", state=JobState.RUNNING)
        session.add(job)
    return Progress(db, lambda verb, request: {}, places, job)


def give(progress: Progress, address: str = "") -> NotifyStation:
    """One round of the job; with an address, after an admin entered it."""
    if address:
        with progress.db.writing() as session:
            form = {"signal": address, "signal_hours": "6"}
            whole_station.save_signal(session, progress.places, By(), form)
    jobs._sign_of_life(progress)
    with progress.db.reading() as session:
        return session.get_one(NotifyStation, 1)


def shift(db: Database, **back: float) -> None:
    """Let time pass."""
    with db.writing() as session:
        row = session.get_one(NotifyStation, 1)
        assert row.signal_tried is not None
        row.signal_tried -= timedelta(**back)
        if row.signal_failing:
            row.signal_failing -= timedelta(**back)


def found(db: Database, places: Places) -> list[str]:
    with db.reading() as session:
        context = HealthContext(session, lambda *_: {}, places, None)
        return [str(finding.message) for finding in health.signal_failing(context)]


def test_it_is_given_every_few_hours_and_not_more_often(progress: Progress, web_server: Any) -> None:
    server, seen, _ = web_server
    row = give(progress, f"http://127.0.0.1:{server.server_port}/alive?key=1")
    assert row.signal_arrived is not None and row.signal_problem is None
    give(progress)
    assert [(method, path) for method, path, _, _ in seen] == [("GET", "/alive?key=1")]
    shift(progress.db, hours=6)
    give(progress)
    assert len(seen) == 2


def test_an_error_is_shown_tried_again_in_half_an_hour_and_told_in_two(progress: Progress, web_server: Any) -> None:
    server, seen, handler = web_server
    handler.status = 500
    row = give(progress, f"http://127.0.0.1:{server.server_port}/alive")
    assert str(row.signal_problem) == "127.0.0.1 answered with an error (500)." and row.signal_failing
    give(progress)
    assert len(seen) == 1 and found(progress.db, progress.places) == []
    shift(progress.db, hours=2.1)
    give(progress)
    assert len(seen) == 2
    assert found(progress.db, progress.places) == ["The sign of life does not reach 127.0.0.1."]
    handler.status = 200
    shift(progress.db, minutes=31)
    assert give(progress).signal_failing is None and found(progress.db, progress.places) == []


def test_nobody_there_and_no_answer_are_told_apart(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "ANSWER_WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        row = give(progress, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert str(row.signal_problem) == "127.0.0.1 does not answer in time."
        port = silent.getsockname()[1]
    row = give(progress, f"http://127.0.0.1:{port}/")
    assert str(row.signal_problem) == "127.0.0.1 cannot be reached."
    row = give(progress, "http://169.254.169.254/")
    assert "a place where no messages are sent" in str(row.signal_problem)


def test_a_station_that_is_not_well_says_nothing(progress: Progress, web_server: Any) -> None:
    server, seen, _ = web_server
    with progress.db.writing() as session:
        issues.tell(session, Finding("backup_overdue", Severity.WARNING, Message("No copy."), Message("Look.")))
    row = give(progress, f"http://127.0.0.1:{server.server_port}/alive")
    assert str(row.signal_problem) == "No copy." and row.signal_failing is None and seen == []
    with progress.db.writing() as session:
        assert heartbeat.not_well(session) is not None
        issues.settle(session, "backup_overdue")
    shift(progress.db, minutes=31)
    assert give(progress).signal_problem is None and len(seen) == 1


def test_a_clock_that_was_ahead_does_not_silence_it(progress: Progress, web_server: Any) -> None:
    server, seen, _ = web_server
    give(progress, f"http://127.0.0.1:{server.server_port}/alive")
    with progress.db.writing() as session:
        session.get_one(NotifyStation, 1).signal_tried = now() + timedelta(days=3650)
    give(progress)
    assert len(seen) == 2

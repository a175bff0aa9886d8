"""What does not arrive is a finding, until it does."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from appliance.db import Database, now
from appliance.jobs import service as jobs
from appliance.people.audit import By
from appliance.people.models import User
from appliance.places import Places
from appliance.words import Message
from plugins.notify import whole_station
from plugins.notify.models import NotifyChannel, NotifyStation
from tests.component.health_page import HealthPage
from tests.component.notify.steps import add, attempt, tell

pytestmark = pytest.mark.component


@pytest.mark.finding("notify_failing", "notify_signal_failing")
def test_what_does_not_arrive_is_on_the_health_page_until_it_does(
    db: Database, places: Places, anna: User, web_server: Any, health_page: HealthPage
) -> None:
    server, seen, handler = web_server
    at = f"http://127.0.0.1:{server.server_port}"
    channel = add(db, places, anna, "webhook", address=f"{at}/hook", secret="sixteen letters!")
    with db.writing() as session:
        whole_station.save_signal(session, places, By(), {"signal": f"{at}/alive", "signal_hours": "6"})
    handler.status = 503
    tell(db, "trouble", "Trouble.")
    assert attempt(db, places) and attempt(db, places, now() + timedelta(hours=1))
    _send(db)
    with db.writing() as session:
        row = session.get_one(NotifyChannel, channel)
        assert row.failing is not None and _station(session).signal_failing is not None
        row.failing = _station(session).signal_failing = now() - timedelta(hours=3)
    assert {"notify_failing", "notify_signal_failing"} <= set(health_page.look())
    handler.status = 200
    with db.writing() as session:
        _station(session).signal_tried = None
    assert attempt(db, places, now() + timedelta(hours=2)) == ""
    _send(db)
    health_page.no_longer("notify_failing", "notify_signal_failing")
    assert seen


def _station(session: Session) -> NotifyStation:
    return session.get_one(NotifyStation, 1)


def _send(db: Database) -> None:
    """The job, in a process of its own as always."""
    with db.writing() as session:
        waiting = [job.id for job in jobs.active(session) if job.kind == "notify.send"]
        if not waiting:
            waiting = [jobs.start(session, "notify.send", title=Message("Send"), lock="notify.send").id]
    for job_id in waiting:
        runner = [sys.executable, "-m", "appliance.jobs.runner", str(job_id)]
        subprocess.run(runner, check=True, capture_output=True, timeout=60)

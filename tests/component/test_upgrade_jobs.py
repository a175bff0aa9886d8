"""The whole way by jobs: fetched from an address, cut off and gone on with, installed, restarted into, written down."""

import pytest

from appliance import events
from appliance.db import Database
from appliance.jobs.models import Job, JobState
from appliance.people.audit import By
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Phase
from plugins.upgrade import jobs, outcome, service
from tests.component.drive_station import Station
from tests.component.test_upgrade_root import Bed, bed
from tests.unit.test_upgrade_pieces import Server, web

__all__ = ["bed", "web"]
pytestmark = pytest.mark.component


def test_from_an_address_to_the_restart_and_the_history(
    bed: Bed, web: Server, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FETCH_AGAIN", 3)
    station = Station(db, bed.here, bed.root, bed.root.loops)
    content = bed.rauc.bundle("1.2.0").read_bytes()
    web.serve("/good.raucb", content, sent=len(content) // 2)

    def installed(path: str, when: str) -> Job:
        with db.writing() as session:
            job = service.start_install(session, bed.here, By(), address=f"{web.address}{path}", when=when)
        return station.run(job)

    missing = installed("/none.raucb", service.LATER)
    assert (missing.state, missing.error_code) == (JobState.FAILED, "upgrade_not_there")
    done = installed("/good.raucb", service.QUIET)
    assert done.state is JobState.DONE, done.error
    assert [path for path, _ in web.asked].count("/good.raucb") == 2 and web.asked[-1][
        1
    ] == f"bytes={len(content) // 2}-"
    with db.reading() as session:
        told = service.state(session, bed.here)
        assert told.staged and told.restarts_at is not None and bed.rauc.reboots() == 0
    with db.writing() as session:
        job = service.start_restart(session, bed.here, By())
    assert station.run(job).state is JobState.DONE
    assert bed.rauc.reboots() == 1 and bed.rauc.trying() == "B"
    noted = bed.rauc.record()
    assert noted is not None
    attempt.write(bed.here.upgrade, noted.at(Phase.KEPT))
    for _ in range(2):
        with db.writing() as session:
            outcome.record(session, bed.here)
    with db.reading() as session:
        kinds = [one.kind for one in events.listing(session, room="upgrade")]
        assert kinds.count("upgrade.kept") == 1 and service.state(session, bed.here).restarts_at is None
    with db.writing() as session:  # the restart that was planned for the night finds that all is done
        again = service.start_restart_when_free(session, None)
    assert station.run(again).result == {"restarts": False} and bed.rauc.reboots() == 1

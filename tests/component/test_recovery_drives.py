"""A station whose card died: the copies that its drives carry bring everything back (F22, F24)."""

import json

import pytest

from appliance import events, recovery
from appliance.backup import station_copy
from appliance.db import Database, migrate
from appliance.drives.models import DriveRole
from appliance.drives.rescue import within_reach
from appliance.people.models import User
from tests.component.drive_station import Station

pytestmark = pytest.mark.component


def test_a_lost_database_comes_back_from_a_drive_that_nobody_had_mounted(station: Station) -> None:
    cold_device = station.loops.make("Green")
    drive = station.erase(station.loops.make("Blue"), "ext4")
    station.erase(cold_device, "ext4", DriveRole.COLD)
    station.settle()
    with station.db.writing() as session:
        session.add(User(name="Anna", folder="Anna", password_hash="x"))
        events.record(session, "test.known", "Known.")
    station_copy.write(station.db, station.mount(drive.id))
    station.root("drives.unmount", {"tag": "HOT-1"})
    station.db.close()
    recovery.remember_owner(station.places)
    for file in station.places.data.glob("everpx.db*"):
        file.unlink()

    recovery.prepare(station.places)
    migrate(station.places.database)
    told = json.loads(recovery.report_path(station.places).read_text())
    assert "HOT-1" in told["from"]
    again = Database(station.places.database)
    with again.reading() as session:
        assert [user.name for user in session.query(User)] == ["Anna"]
    again.close()
    assert not (station.places.mounts / "HOT-1.json").exists()  # let go of again
    station.settle()
    assert station.mount(drive.id).read_only is False


def test_a_drive_of_another_station_is_left_alone(station: Station) -> None:
    station.erase(station.loops.make("Blue"), "ext4")
    station.root("drives.unmount", {"tag": "HOT-1"})
    mine = json.loads(station.places.identity.read_text())
    station.places.identity.write_text(json.dumps(mine | {"station_id": "another"}))
    with within_reach(station.places, station.root):
        assert not (station.places.mounts / "HOT-1.json").exists()

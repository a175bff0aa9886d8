"""What a drive has behind it after some time in a family: noted by the services that note it every day."""

import math
import os
from datetime import timedelta
from types import SimpleNamespace

from sqlalchemy import delete

from appliance.db import Database, now
from appliance.drives import inventory, smart_history, space
from appliance.drives.models import Drive, SmartSample, SpaceSample
from tests.browser.running_station import RunningStation


def lived_with(station: RunningStation, drive_id: int, days: int, *, knows: bool = True) -> None:
    """So many days of a warm summer, a slowly filling drive, some bad spots lately; ``knows``: it tells its health."""
    db = Database(station.data / "everpx.db")
    today = now()
    with db.writing() as session:
        drive = session.get_one(Drive, drive_id)
        free, here = drive.free, drive.last_here
        found = inventory.Found(device="sda1", disk="sda", sequence=1, kind="hdd")
        for day in range(days - 1, -1, -1):
            moment = today - timedelta(days=day)
            said = {
                "known": True,
                "passed": True,
                "power_cycles": 10 + (days - day) // 3,
                "power_on_hours": 4000 + 24 * (days - day),
                "temperature_c": round(37 + 9 * math.sin((days - day) / 58) + (day * 7) % 5),
                "reallocated": 3 if day > 40 else 3 + (40 - day) // 5,
                "pending": 0,
                "uncorrectable": 0,
                "crc_errors": 2,
            }
            if knows:
                smart_history.keep(session, drive, inventory.replace(found, health_details=said), moment)
            size = drive.size // 4096
            used = round(size * (0.25 + 0.5 * (days - day) / days + 0.01 * math.sin(day / 9)))
            full = SimpleNamespace(f_blocks=size, f_bfree=size - used, f_bavail=size - used, f_frsize=4096)
            space.keep_space(session, drive, full, moment.date())  # type: ignore[arg-type]
        drive.free, drive.last_here = free, here
    _close(db, station)


def forgotten(station: RunningStation, drive_id: int) -> None:
    """As if it were new again."""
    db = Database(station.data / "everpx.db")
    with db.writing() as session:
        for table in (SmartSample, SpaceSample):
            session.execute(delete(table).where(table.drive_id == drive_id))
    _close(db, station)


def _close(db: Database, station: RunningStation) -> None:
    """What root wrote belongs to the station's user."""
    db.close()
    owner = station.data.stat()
    for path in station.data.glob("everpx.db*"):
        os.chown(path, owner.st_uid, owner.st_gid)

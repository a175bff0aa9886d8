"""F27: a computer of the family encrypts everything that it can reach over SMB.  The copy stops before COLD is on."""

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.backup import runs
from appliance.backup import service as backup
from appliance.backup.models import BackupRun, RunState
from appliance.drives.models import PowerState
from appliance.jobs.models import JobState
from tests.backup_bed import files_below
from tests.component.drive_station import Station
from tests.component.health_page import HealthPage
from tests.component.samba import PASSWORD, USER, samba
from tests.component.test_backup_station import Pair

pytestmark = pytest.mark.component
FOLDERS, EACH = 50, 200  # ten thousand files
FILES = FOLDERS * EACH
NOISE = 1500  # bytes


def fill(top: Path) -> None:
    """The family's photos."""
    for folder in range(FOLDERS):
        place = top / f"Anna/Photos/{folder}"
        place.mkdir(parents=True)
        for number in range(EACH):
            (place / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(100))


def encrypt(port: int, noise: Path, *, rename: bool) -> None:
    """As ransomware does it: noise in place of each file, mostly under another name."""
    script = ["prompt OFF", f"lcd {noise}"]
    for number in range(FILES):
        (noise / str(number)).write_bytes(os.urandom(NOISE))
        folder, name = divmod(number, EACH)
        if name == 0:
            script.append(f"cd \\Anna\\Photos\\{folder}")
        script.append(f"put {number} {name}.jpg.locked" if rename else f"put {number} {name}.jpg")
        if rename:
            script.append(f"del {name}.jpg")
    words = ["smbclient", "//127.0.0.1/photos", "-p", str(port), "-U", f"{USER}%{PASSWORD}"]
    done = subprocess.run(words, input="\n".join(script), capture_output=True, text=True, timeout=300, check=True)
    assert "NT_STATUS" not in done.stdout, done.stdout[-500:]


@pytest.mark.finding("backup_braked")
@pytest.mark.parametrize("rename", [True, False], ids=["renamed to *.locked", "under their names"])
def test_a_share_that_is_encrypted_stops_the_copy_before_the_cold_drive_is_on(
    station: Station, tmp_path: Path, rename: bool, health_page: HealthPage
) -> None:
    pair = Pair(station)
    fill(pair.top)
    assert pair.copy().state is JobState.DONE
    station.loops.pull("cold")  # it lies in a drawer
    station.settle()
    kept = files_below(pair.top)
    asked = station.root.log.read_text()
    (tmp_path / "noise").mkdir()
    with samba(tmp_path / "samba", pair.top, writable=True) as port:
        encrypt(port, tmp_path / "noise", rename=rename)
    assert len(files_below(pair.top)) == FILES and not kept.items() & files_below(pair.top).items()

    job = pair.copy()
    assert (job.state, job.result) == (JobState.DONE, {"braked": True}), job.error
    assert pair.last().state is RunState.BRAKED and pair.power() is PowerState.OFF
    assert "COLD" not in station.root.log.read_text().removeprefix(asked), "nobody touched the COLD drive"
    said = f"{FILES} of {FILES} files are gone" if rename else "no longer look like photos"
    assert said in str(pair.last().brake)
    assert said in str(health_page.sees("backup_braked").issue.message)
    with station.db.reading() as session:
        proven = session.scalars(select(BackupRun.id).where(BackupRun.state == RunState.PROVEN)).all()
    assert pair.copy().result == {"braked": True}, "the next night does not do it after all"
    assert len(proven) == 1
    station.loops.plug("cold")
    station.look()
    assert pair.on_cold() == kept
    with station.db.writing() as session:
        backup.answer(session, pair.last().id, runs.STOP)
    health_page.no_longer("backup_braked")

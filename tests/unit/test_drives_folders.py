"""Folder drives: the same drives room where there is no root."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from appliance import identity
from appliance.db import Database
from appliance.drives import folder_drives, inventory, mounts, power, service
from appliance.drives.layout import MARKER
from appliance.drives.models import COLOURS, Drive, DriveRole, PowerState
from appliance.drives.mounts import DriveGone, DriveMissing
from appliance.drives.watch import Watch
from appliance.errors import ApplianceError, Conflict, Invalid, NotFound
from appliance.jobs import runner
from appliance.jobs.models import Job, JobState
from appliance.jobs.progress import Progress
from appliance.places import Places
from tests.folder_root import FolderRoot

HOT, COLD = DriveRole.HOT, DriveRole.COLD
Run = Callable[[Job], Job]


@pytest.fixture
def run(db: Database, places: Places, folder_root: FolderRoot) -> Run:
    """Run a job to its end, in this process."""
    identity.create(places)

    def now(job: Job) -> Job:
        claimed = runner.claim(db, job.id)
        assert claimed is not None
        runner.run(db, Progress(db, folder_root, places, claimed), claimed)
        with db.reading() as session:
            return session.get_one(Job, job.id)

    return now


@pytest.fixture
def adopt(db: Database, places: Places, folder_root: FolderRoot, run: Run) -> Callable[..., Drive]:
    """``adopt("blue")`` plugs in a folder drive and hands it over."""

    def hand_over(name: str, role: DriveRole = HOT) -> Drive:
        device = folder_root.make(name)
        inventory.refresh(places, folder_root)
        with db.writing() as session:
            job = service.adopt(session, places, device=device, role=role)
        ended = run(job)
        assert ended.state is JobState.DONE, ended.error
        with db.reading() as session:
            return session.get_one(Drive, ended.result["drive_id"])

    return hand_over


def test_a_folder_is_handed_over_used_pulled_and_plugged_in_again(
    adopt: Callable[..., Drive], db: Database, places: Places, folder_root: FolderRoot
) -> None:
    drive = adopt("blue")
    with db.reading() as session:
        (mount,) = mounts.hot_mounts(session, places)
        assert mount == mounts.mount_of(session, places, drive.id)
    assert (mount.path / MARKER).is_file() and (mount.path / ".everpx/incoming").is_dir()
    folder_root.pull("blue")
    with pytest.raises(DriveGone):
        mount.check()
    inventory.refresh(places, folder_root)
    mounts.ensure_hot(db, folder_root, places)
    with db.reading() as session, pytest.raises(DriveMissing):
        mounts.mount_of(session, places, drive.id)
    folder_root.plug("blue")
    inventory.refresh(places, folder_root)
    mounts.ensure_hot(db, folder_root, places)
    with db.reading() as session:
        assert mounts.mount_of(session, places, drive.id).path == mount.path


def test_an_empty_folder_at_the_place_of_a_drive_is_not_the_drive(
    adopt: Callable[..., Drive], db: Database, places: Places, folder_root: FolderRoot
) -> None:
    drive = adopt("blue")
    folder_root.pull("blue")
    (places.folder_drives / "blue").mkdir()
    inventory.refresh(places, folder_root)
    mounts.ensure_hot(db, folder_root, places)
    with db.reading() as session, pytest.raises(DriveMissing):
        mounts.mount_of(session, places, drive.id)
    assert list((places.folder_drives / "blue").iterdir()) == []


def test_erasing_a_folder_needs_the_phrase(db: Database, places: Places, folder_root: FolderRoot, run: Run) -> None:
    device = folder_root.make("old stuff")
    keepsake = places.folder_drives / "old stuff/keepsake"
    keepsake.write_text("x")
    inventory.refresh(places, folder_root)
    with db.writing() as session, pytest.raises(Invalid, match="correct"):
        service.erase(session, places, device=device, role=HOT, filesystem="ext4", typed="yes")
    assert keepsake.exists()
    with db.writing() as session:
        job = service.erase(session, places, device=device, role=HOT, filesystem="ext4", typed=" Erase  OLD stuff ")
    assert run(job).state is JobState.DONE and not keepsake.exists()


def test_a_cold_folder_is_in_use_only_for_the_block(
    adopt: Callable[..., Drive], db: Database, places: Places, folder_root: FolderRoot
) -> None:
    drive = adopt("cold", COLD)
    with db.writing() as session:
        from appliance.jobs import service as jobs
        from appliance.words import Message

        job = jobs.start(session, "trial", title=Message("x"), lock="cold:1")
    claimed = runner.claim(db, job.id)
    assert claimed is not None
    progress = Progress(db, folder_root, places, claimed)
    with pytest.raises(ZeroDivisionError), power.cold_drive(progress, drive.id) as mount:
        mount.check()
        assert 1 / 0
    with db.reading() as session:
        assert session.get_one(Drive, drive.id).power_state is PowerState.OFF
        with pytest.raises(DriveMissing):
            mounts.mount_of(session, places, drive.id)
    with pytest.raises(NotFound), power.cold_drive(progress, 99):
        pass


def test_power_moves_never_skip_a_step(adopt: Callable[..., Drive], db: Database) -> None:
    drive = adopt("cold", COLD)
    for state in (PowerState.MOUNTED, PowerState.UNMOUNTED, PowerState.FLUSHING):
        with pytest.raises(Conflict):
            power.move(db, drive.id, state)
    power.move(db, drive.id, PowerState.SPINNING_UP)
    power.move(db, drive.id, PowerState.MOUNTED)
    with pytest.raises(Conflict):
        power.move(db, drive.id, PowerState.OFF)


def test_every_wrong_field_of_a_change_is_named_at_once(adopt: Callable[..., Drive], db: Database) -> None:
    drive = adopt("blue")
    with db.writing() as session, pytest.raises(Invalid) as wrong:
        service.change(session, drive.id, name="x" * 61, colour="pink", full_below_percent=99, power_driver="magic")
    assert set(wrong.value.problems) == {"name", "colour", "full_below_percent", "power_driver"}
    with db.writing() as session:
        service.change(session, drive.id, name="  Oma’s  drive ", colour="rose", full_below_percent=20)
    with db.reading() as session:
        row = service.get(session, drive.id)
        assert (row.name, row.colour, row.full_below_percent) == ("Oma’s drive", "rose", 20)


def test_colours_run_out_gracefully(adopt: Callable[..., Drive]) -> None:
    colours = [adopt(f"drive{n}").colour for n in range(6)]
    assert colours == [*COLOURS, "blue"]


def test_before_the_first_look_nothing_is_known(db: Database, places: Places) -> None:
    identity.create(places)
    with pytest.raises(FileNotFoundError):
        inventory.load(places)
    with db.reading() as session:
        assert not service.overview(session, places).known
        with pytest.raises(service.NotPluggedIn):
            service.adopt(session, places, device="sda1", role=HOT)


def test_the_list_survives_being_saved(places: Places, folder_root: FolderRoot) -> None:
    folder_root.make("blue")
    now = inventory.refresh(places, folder_root)
    assert inventory.load(places) == now and len(now.found) == 1


def test_a_folder_that_comes_or_goes_is_news(places: Places, folder_root: FolderRoot) -> None:
    with closing(Watch(places)) as news:
        while news.changed():
            pass
        folder_root.make("blue")
        assert news.changed()
        while news.changed():
            time.sleep(0.05)
        folder_root.pull("blue")
        assert news.changed()


@pytest.mark.parametrize("there", [True, False])
def test_who_waits_for_a_folder_drive_is_told(places: Places, folder_root: FolderRoot, there: bool) -> None:
    if there:
        places.folder_drives.mkdir(exist_ok=True)
    else:
        places.folder_drives.rmdir()
    with closing(Watch(places)) as news:
        while news.changed():
            time.sleep(0.05)
        began = time.monotonic()
        late = threading.Timer(0.3, lambda: (places.folder_drives / "blue").mkdir(parents=True))
        late.start()
        while not news.changed():
            news.wait(30)
        late.join()
    assert 0.2 < time.monotonic() - began < 2


@pytest.mark.parametrize("name", ["../data", ".hidden", "a/b", "x\n", "", "🎞"])
def test_a_folder_drive_is_a_plain_name_below_its_parent(folder_root: FolderRoot, name: str) -> None:
    with pytest.raises(ApplianceError):
        folder_root("drives.look", {"device": f"folder:{name}"})


def test_a_link_is_no_folder_drive(places: Places, folder_root: FolderRoot, tmp_path: Path) -> None:
    (places.folder_drives / "link").symlink_to(tmp_path)
    assert folder_root("drives.survey", {}) == {"drives": []}
    with pytest.raises(ApplianceError):
        folder_root("drives.look", {"device": "folder:link"})


def test_root_has_no_folder_drives(places: Places, folder_root: FolderRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    device = folder_root.make("blue")
    monkeypatch.undo()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert folder_drives.survey(places.folder_drives) == []
    with pytest.raises(ApplianceError):
        folder_drives.find(places.folder_drives, device)

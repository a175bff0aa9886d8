"""Causes of findings about copies: late, cut off, rotten on either drive."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from blake3 import blake3
from sqlalchemy import delete, select, update

from appliance.backup import medium, service
from appliance.backup.models import BackupRun, ColdFile, Drill
from appliance.db import now
from appliance.drives.models import Drive, DriveState
from appliance.jobs.models import Job, JobState
from appliance.library.models import Folder, StoredFile
from tests.backup_bed import flip
from tests.component.finding_bed import FindingBed, finding

PHOTO = "Anna/Photos/sea.jpg"
FOLDER, NAME = b"Anna/Photos", b"sea.jpg"


def copy(bed: FindingBed) -> Job:
    """A copy onto green, as by the button; green is there."""
    with bed.db.writing() as session:
        service.start(session, bed.green.id)
    return bed.work()[-1]


def photo(bed: FindingBed, name: str = PHOTO) -> Path:
    """One on blue."""
    path = bed.top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff\xd8\xff" + os.urandom(5000))
    return path


def flip_on_green(bed: FindingBed, name: str = PHOTO) -> None:
    """In its copy, on the medium."""
    green = bed.station.drive(bed.green.id)
    request = {"device": bed.loops.devices["green"], "tag": green.tag, "filesystem_uuid": green.filesystem_uuid}
    place = Path(bed.root("drives.mount", request)["path"])
    flip(place / bed.blue.tag / name)
    bed.root("drives.unmount", {"tag": green.tag})


def unread_for_long(bed: FindingBed) -> None:
    """As if nobody had read the copies for months."""
    with bed.db.writing() as session:
        session.execute(update(ColdFile).values(proven=now() - timedelta(days=200)))


@finding("backup_overdue")
def late(bed: FindingBed) -> Iterator[None]:
    photo(bed)
    with bed.db.writing() as session:
        session.get_one(Drive, bed.green.id).handed_over -= timedelta(days=300)
        for run in session.scalars(select(BackupRun)):
            run.started -= timedelta(days=300)
            run.finished = run.finished - timedelta(days=300) if run.finished else None
    yield
    bed.press("backup_overdue")
    yield


@finding("backup_failed")
def pulled_while_copying(bed: FindingBed) -> Iterator[None]:
    photo(bed)
    real = medium.digest_of_copy
    with bed.patch.context() as patch:

        def pull(path: bytes, *rest: object) -> bytes:
            if "green" in bed.loops.devices:
                bed.loops.pull("green")
            return real(path, *rest)  # type: ignore[arg-type]

        patch.setattr(medium, "digest_of_copy", pull)
        assert copy(bed).state is JobState.FAILED
    bed.station.settle()
    yield
    bed.loops.plug("green")
    bed.station.settle()
    bed.press("backup_failed")
    yield


@finding("copies_damaged")
def rotten_on_both(bed: FindingBed) -> Iterator[None]:
    path = photo(bed)
    assert copy(bed).state is JobState.DONE
    good = path.read_bytes()
    flip_on_green(bed)
    flip(path)
    unread_for_long(bed)
    assert copy(bed).result["lost"] == 1
    yield
    facts = path.stat()
    path.write_bytes(good)  # the original is back, from wherever
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    bed.press("copies_damaged")
    yield


@finding("backup_skipped", "files_damaged")
def rotten_before_its_copy(bed: FindingBed) -> Iterator[None]:
    path = photo(bed)
    facts = path.stat()
    with bed.db.writing() as session:
        folder = session.scalars(select(Folder).where(Folder.path == FOLDER)).one()
        session.execute(delete(StoredFile).where(StoredFile.folder_id == folder.id))
        digest = blake3(path.read_bytes()).digest()  # as the library noted it when it came
        values = {"size": facts.st_size, "modified_ns": facts.st_mtime_ns, "digest": digest}
        session.add(StoredFile(folder_id=folder.id, name=NAME, **values))
    good = path.read_bytes()
    flip(path)
    assert copy(bed).result["skipped"] == 1
    yield
    path.write_bytes(good)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with bed.db.writing() as session:
        session.execute(update(StoredFile).values(damaged=False))  # what a repair from another copy writes
    assert copy(bed).state is JobState.DONE
    yield


@finding("drill_failed")
def does_not_come_back(bed: FindingBed) -> Iterator[None]:
    photo(bed)
    assert copy(bed).state is JobState.DONE
    flip_on_green(bed)
    with bed.db.writing() as session:
        service.start_drill(session, bed.green.id)
    assert bed.work()[-1].state is JobState.DONE
    yield
    unread_for_long(bed)
    assert copy(bed).result["repaired"] == 1
    bed.press("drill_failed")
    yield


@finding("drill_overdue")
def never_practised(bed: FindingBed) -> Iterator[None]:
    with bed.db.writing() as session:
        session.execute(delete(Drill))
        session.get_one(Drive, bed.green.id).handed_over = now() - timedelta(days=300)
    yield
    bed.press("drill_overdue")
    yield


@finding("cold_untrustworthy")
def keeps_nothing(bed: FindingBed) -> Iterator[None]:
    real = medium.digest_of_copy
    photo(bed, "Anna/Photos/bad.jpg")

    def other(path: bytes, *rest: object) -> bytes:
        return b"\0" * 32 if b"COLD" in path and path.endswith(b"bad.jpg") else real(path, *rest)  # type: ignore[arg-type]

    with bed.patch.context() as patch:
        patch.setattr(medium, "digest_of_copy", other)
        assert copy(bed).error_code == "cold_untrustworthy"
    yield
    with bed.db.writing() as session:  # a person replaces it
        session.get_one(Drive, bed.green.id).state = DriveState.RETIRED
    yield
    with bed.db.writing() as session:
        session.get_one(Drive, bed.green.id).state = DriveState.ACTIVE
    assert copy(bed).state is JobState.DONE

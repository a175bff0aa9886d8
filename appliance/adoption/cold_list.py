"""What a COLD drive holds, written down anew from the drive itself: its manifest, and the map of names beside it.

A manifest that is there is true (docs/drive-format.md), so its files count as proven on the day it was written.  One
that was put aside by a run that was cut off is not: each of its files is read and compared first.  What no manifest
names is left where it is; the next copy meets it and keeps it.
"""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.backup import catalogue, manifest, medium
from appliance.db import Database
from appliance.drives import layout
from appliance.drives.models import Drive, DriveRole
from appliance.drives.mounts import Mount
from appliance.jobs.progress import Progress
from appliance.library.listing import UNKNOWN
from appliance.words import N_, Message

ESCAPED = re.compile(rb"\\([nr\\])")
PLAIN = {b"n": b"\n", b"r": b"\r", b"\\": b"\\"}
TOGETHER = 5000  # files whose rows are committed at once


class Claim(NamedTuple):
    """A line of a manifest, taken apart."""

    tag: str  # of the HOT drive that it is a copy of
    place: bytes  # below the tag, as COLD has it
    digest: bytes


def claims(cold: Mount) -> tuple[list[Claim], bool, datetime]:
    """(what the drive says it holds, whether that can be believed, since when)."""
    for name, is_true in ((layout.MANIFEST, True), (manifest.WITHDRAWN, False)):
        path = cold.path / name
        if path.is_file():
            with path.open("rb") as lines:
                found = [claim for line in lines if (claim := parse(line.rstrip(b"\n"))) is not None]
            return found, is_true, datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return [], True, datetime.now(UTC)


def parse(line: bytes) -> Claim | None:
    """A line as b3sum writes it; None for anything else, such as a path that leads out of the drive."""
    escaped = line.startswith(b"\\")
    digest, _, path = line.removeprefix(b"\\").partition(b"  ")
    if escaped:
        path = ESCAPED.sub(lambda found: PLAIN[found[1]], path)
    tag, _, place = path.partition(b"/")
    role, dash, number = tag.partition(b"-")
    parts = place.split(b"/")
    if role != b"HOT" or not dash or not number.isdigit() or not place or {b"", b".", b".."} & set(parts):
        return None
    try:
        return Claim(tag.decode(), place, bytes.fromhex(digest.decode("ascii")))
    except ValueError:
        return None


def rebuild(progress: Progress, cold: Mount) -> dict[str, int]:
    """Fill the rows of a mounted COLD drive; how many files it holds and how many of its list it lacks."""
    listed, is_true, moment = claims(cold)
    names = manifest.read_names(cold.path)
    counts = {"files": 0, "missing": 0}
    for at in range(0, len(listed), TOGETHER):
        progress.step(
            Message(N_("Finding out what {drive} holds"), {"drive": cold.name}), at, len(listed), unit="files"
        )
        some = listed[at : at + TOGETHER]
        held = [found for claim in some if (found := _found(cold, claim, is_true)) is not None]
        _record(progress.db, cold, held, names, moment)
        counts["files"] += len(held)
        counts["missing"] += len(some) - len(held)
        cold.check()
    return counts


def _found(cold: Mount, claim: Claim, is_true: bool) -> tuple[Claim, os.stat_result] | None:
    """The file behind a line; None when it is not there, or is not what a doubtful line says."""
    path = os.fsencode(cold.path) + b"/" + claim.tag.encode() + b"/" + claim.place
    try:
        facts = os.lstat(path)
        if not is_true and medium.digest_of_copy(path) != claim.digest:
            return None
    except OSError:
        return None
    return claim, facts


def _record(
    db: Database,
    cold: Mount,
    held: Iterable[tuple[Claim, os.stat_result]],
    names: dict[bytes, bytes],
    moment: datetime,
) -> None:
    with db.writing() as session:
        for (tag, folder_place), group in groupby(held, lambda one: (one[0].tag, one[0].place.rpartition(b"/")[0])):
            hot_id = hot_row(session, tag)
            path = manifest.original_of(names, folder_place)
            (folder_id,) = catalogue.ensure_folders(session, hot_id, [path]).values()
            moved = None if path == folder_place else folder_place
            folder = {"cold_drive_id": cold.drive_id, "folder_id": folder_id, "fingerprint": UNKNOWN}
            catalogue.record_folders(session, [folder | {"stored_as": moved}])
            catalogue.record_files(session, list(_rows(group, cold.drive_id, folder_id, names, moment)))


def _rows(
    group: Iterable[tuple[Claim, os.stat_result]],
    cold_id: int,
    folder_id: int,
    names: dict[bytes, bytes],
    moment: datetime,
) -> Iterator[dict[str, Any]]:
    for claim, facts in group:
        stored = claim.place.rpartition(b"/")[2]
        name = manifest.original_of(names, claim.place).rpartition(b"/")[2]
        yield {
            "cold_drive_id": cold_id,
            "folder_id": folder_id,
            "name": name,
            "stored_as": None if name == stored else stored,
            "size": facts.st_size,
            "modified_ns": facts.st_mtime_ns,
            "digest": claim.digest,
            "proven": moment,
            "since": None,
        }


def hot_row(session: Session, tag: str) -> int:
    """The HOT drive of this label; a lost one gets a row, so that what it held can be brought back to another."""
    number = int(tag.partition("-")[2])
    known = session.scalar(select(Drive.id).where(Drive.role == DriveRole.HOT, Drive.number == number))
    if known is not None:
        return known
    nobody = f"lost-{tag}-{session.scalar(select(func.count()).select_from(Drive))}"
    lost = Drive(
        marker_id=nobody,
        role=DriveRole.HOT,
        number=number,
        name=tag,
        colour="amber",
        filesystem="unknown",
        filesystem_uuid=nobody,
        size=0,
    )
    session.add(lost)
    session.flush()
    return lost.id

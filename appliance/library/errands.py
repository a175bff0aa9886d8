"""Moving and copying, as somebody asks for it: a rename where it is one, at once what is small, else a job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from appliance.db import Database
from appliance.errors import Invalid
from appliance.jobs import service
from appliance.library import carrying, folders, moving, room
from appliance.library.bin import split
from appliance.library.carried_plan import Errand, measure
from appliance.library.folders import Place
from appliance.people.models import User
from appliance.words import N_, Message

JOB = "library.carry"
AT_ONCE_FILES, AT_ONCE_BYTES = 50, 64 << 20  # what somebody waits for
TITLES = {True: N_("Copying {count} things to {drive}"), False: N_("Moving {count} things to {drive}")}


@dataclass(frozen=True)
class Outcome:
    """Where the things are now, or the job that brings them there; names of files that had to stay."""

    places: list[Place] = field(default_factory=list)
    job_id: int | None = None
    left: list[str] = field(default_factory=list)


def run(db: Database, user: User, things: Sequence[Place], into: Place, *, keep: bool, at_once: bool = True) -> Outcome:
    """Bring files and folders of one drive into a folder; ``keep``: the originals stay.

    ``at_once``: what is small is copied here and now, by this process and as its user.

    Raises Invalid, IntoItself, NotFound, OutOfSpace, NotWritable, DriveGone, AlreadyRunning.
    """
    source = things[0].mount
    if source.drive_id == into.mount.drive_id and not keep:
        return Outcome(moving.move(db, user, things, into))
    paths = _checked(user, things, into, keep=keep)
    files = size = 0
    for place in things:
        counted = measure(place, AT_ONCE_FILES)
        files, size = files + counted[0], size + counted[1]
    if into.mount.read_only or (source.read_only and not keep):
        raise room.NotWritable(drive=(into.mount if into.mount.read_only else source).name)
    if at_once and files <= AT_ONCE_FILES and size <= AT_ONCE_BYTES:
        done = carrying.carry(db, Errand(user.id, source, into.mount, paths, into.path, keep), carrying.Silent())
        return Outcome([Place(into.mount, path) for path in done.places], left=done.left)
    arguments = {
        "user_id": user.id,
        "source_id": source.drive_id,
        "target_id": into.mount.drive_id,
        "paths": [quote(path) for path in paths],
        "into": quote(into.path),
        "keep": keep,
    }
    title = Message(TITLES[keep], {"count": len(paths), "drive": into.mount.name})
    with db.writing() as session:
        lock = f"{JOB}:{user.id}"
        job = service.start(
            session, JOB, title=title, lock=lock, arguments=arguments, asked_by=user.id, told_others=N_("Moving files")
        )
    return Outcome(job_id=job.id)


def _checked(user: User, things: Sequence[Place], into: Place, *, keep: bool) -> tuple[bytes, ...]:
    if len(things) > moving.MOST:
        raise Invalid({"paths": N_("Choose at most 1000 at once.")})
    for place in things:
        folders.changeable(user, place)
        same = place.mount.drive_id == into.mount.drive_id
        if same and (into.path == place.path or into.path.startswith(place.path + b"/")):
            words = moving.CopiedIntoItself if keep else moving.IntoItself
            raise words(name=folders.shown(split(place.path)[1]))
    return tuple(dict.fromkeys(place.path for place in things))

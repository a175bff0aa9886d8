"""``everpx library``."""

import os

import click
from sqlalchemy import func, select

from appliance.cli.jobs import started
from appliance.cli.people import named
from appliance.cli.speech import Here, Said, answers
from appliance.drives.mounts import hot_mounts
from appliance.errors import Invalid
from appliance.jobs import standing
from appliance.jobs.models import Job
from appliance.library import errands, folders
from appliance.library.models import Media, MediaKind, PreviewState, StoredFile
from appliance.library.safety import safety


@click.group()
def library() -> None:
    """Photos, videos and files."""


@library.command()
@answers
def stats(here: Here) -> Said:
    """How much there is."""
    with here.db.reading() as session:
        files, total = session.execute(select(func.count(), func.sum(StoredFile.size))).one()
        kinds = {kind: count for kind, count in session.execute(select(Media.kind, func.count()).group_by(Media.kind))}
        waiting = session.scalar(select(func.count()).where(Media.preview == PreviewState.WAITING))
        safe = safety(session)
    data = {
        "files": files,
        "bytes": total or 0,
        "photos": kinds.get(MediaKind.PHOTO, 0),
        "videos": kinds.get(MediaKind.VIDEO, 0),
        "previews_waiting": waiting,
        "on_one_drive_only": safe.on_one_drive_only,
    }
    return Said(data, [f"{name.replace('_', ' ')}: {value:,}" for name, value in data.items()])


@library.command()
@answers
def index(here: Here) -> Said:
    """Look through every HOT drive for what changed on another computer."""
    with here.db.writing() as session:
        return started(standing.start_index_now(session))


def _carrying(name: str, words: str, *, keep: bool) -> None:
    @library.command(name, help=words)
    @click.argument("things", nargs=-1, required=True, metavar="HOT-1/PATH...")
    @click.argument("into", metavar="HOT-1/FOLDER")
    @click.option("--for", "person", required=True, metavar="NAME", help="Whose files they are; what they may, it may.")
    @answers
    def command(here: Here, *, things: tuple[str, ...], into: str, person: str) -> Said:
        with here.db.reading() as session:
            user, mounts = named(session, person), hot_mounts(session, here.places)
        places = []
        for word in (*things, into):
            tag, _, path = word.partition("/")
            places.append(folders.reached(user, mounts, tag, os.fsencode(path.rstrip("/"))))
        *chosen, target = places
        if any(place.mount != chosen[0].mount for place in chosen):
            raise Invalid({"things": "Take them from one drive at a time."})
        done = errands.run(here.db, user, chosen, target, keep=keep, at_once=False)
        if done.job_id is None:
            shown = [f"{place.mount.tag}/{os.fsdecode(place.path)}" for place in done.places]
            return Said({"job": None, "places": shown}, shown)
        with here.db.reading() as session:
            return started(session.get_one(Job, done.job_id))


_carrying("copy", "Copy files and folders into a folder, also of another drive; a job does it.", keep=True)
_carrying(
    "move", "Move files and folders. Between drives each is copied and proven before the original goes.", keep=False
)

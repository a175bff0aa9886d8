"""``everpx library``."""

import click
from sqlalchemy import func, select

from appliance.cli.jobs import started
from appliance.cli.speech import Here, Said, answers
from appliance.jobs import standing
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

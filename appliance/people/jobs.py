"""Long work of the people room."""

from appliance.db import Database
from appliance.drives.models import Drive, DriveState
from appliance.drives.mounts import Mount, hot_drives, mount_for
from appliance.errors import Invalid
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.people import handover
from appliance.people.audit import By, note
from appliance.people.models import User, UserState
from appliance.people.service import HAND_OVER
from appliance.words import N_, Message


@job_kind(HAND_OVER, N_("Give the files of {name} to {heir}"))
def hand_over(progress: Progress, *, user_id: int, heir_id: int) -> None:
    """Move a person's files to another, drive by drive.  Every HOT drive must be here before the first is touched."""
    db = progress.db
    with db.reading() as session:
        user, heir = session.get_one(User, user_id), session.get_one(User, heir_id)
        drives = [drive for drive in hot_drives(session) if drive.state is not DriveState.FAILED]
    if heir.state is not UserState.ACTIVE:
        raise Invalid({"heir": N_("Choose who gets the files.")})
    mounts = [(drive, mount_for(progress.places, drive)) for drive in drives]
    for number, (drive, mount) in enumerate(mounts):
        stage = Message(N_("Moving the folder on {drive}"), {"drive": drive.name})
        progress.step(stage, number, len(mounts), unit="drives")
        name = _move_on(progress, drive, mount, user, heir)
        old, new = user.folder.encode(), f"{heir.folder}/Files/{name}".encode()
        for done in handover.move_rows(db, drive.id, old, new, heir_id):
            progress.step(stage, done, 0, unit="folders")
    for done in handover.give_rest(db, user_id, heir_id):
        progress.got_on()
        progress.step(N_("Moving the photos to their new timeline"), done, 0, unit="photos")
    handover.give_words(db, user_id, heir_id)
    _finish(db, progress, user_id, heir_id)


def _move_on(progress: Progress, drive: Drive, mount: Mount, user: User, heir: User) -> str:
    """Rename on one drive, if there is anything; the name it got there, now or in an earlier attempt."""
    noted: str = progress.checkpoint.get(drive.tag, "")
    if not handover.is_there(mount, user.folder):
        return noted or f"From {user.folder}"
    name = handover.free_name(mount, heir.folder, f"From {user.folder}")
    progress.keep(**{drive.tag: name})
    handover.move_folder(mount, user.folder, heir.folder, name)
    progress.broker("drives.flush", {"tag": drive.tag})
    progress.log(N_("{drive}: the files are in “{folder}” now."), {"drive": drive.name, "folder": name})
    return name


def _finish(db: Database, progress: Progress, user_id: int, heir_id: int) -> None:
    with db.writing() as session:
        user, heir = session.get_one(User, user_id), session.get_one(User, heir_id)
        user.state, user.password_hash = UserState.REMOVED, ""
        template = N_("The files of {name} belong to {heir} now.")
        note(session, By(progress.asked_by), "handed_over", template, name=user.name, heir=heir.name)

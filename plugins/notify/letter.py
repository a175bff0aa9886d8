"""The monthly letter: how the family's photos are, in sentences.  Every number is asked of the rows at that moment.

An admin's letter is about the whole family and its drives, a member's about their own photos.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.backup import runs
from appliance.backup.models import ColdFile, Drill
from appliance.drives.models import Drive, DriveRole, DriveState, SpaceSample
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.library.models import Media, StoredFile
from appliance.library.safety import Safety, safety
from appliance.people.models import Role, User
from appliance.places import Places
from appliance.words import N_, Message
from plugins.notify.texts import Part, Text

MONTH = timedelta(days=30)
SEEN_FOR = timedelta(days=14)  # how long a drive's space has to be known before anybody looks ahead
FAR_AHEAD = timedelta(days=3650)
HOURS_A_YEAR = 8766


def write(session: Session, places: Places, user: User, moment: datetime) -> Text:
    """The letter to one person, as of now."""
    admin = user.role is Role.ADMIN
    whose = None if admin else user.id
    state = safety(session, whose)
    parts = [Part(tuple(_photos(session, state, whose, moment)), Message(N_("Your photos and videos")))]
    if admin:
        if lines := tuple(_drives(session, places, moment)):
            parts.append(Part(lines, Message(N_("Your drives"))))
        if lines := tuple(_open(session)):
            parts.append(Part(lines, Message(N_("What needs you"))))
    first = parts[0].lines[0]
    subject = Message(N_("Monthly letter: {first}"), {"first": first})
    return Text(subject if state.total else Message(N_("The monthly letter from your station")), tuple(parts))


def counted(one: str, many: str, count: int, **fields: object) -> Message:
    """A sentence with a number in it."""
    return Message(one if count == 1 else many, {"count": count, **fields})


def _photos(session: Session, state: Safety, whose: int | None, moment: datetime) -> Iterator[Message]:
    if not state.total:
        yield Message(N_("There are none yet."))
        return
    alone = state.on_one_drive_only
    if alone:
        one, many = N_("{count} of {total} is on one drive only."), N_("{count} of {total} are on one drive only.")
        yield counted(one, many, alone, total=state.total)
    else:
        copies = _copies(session, state.total, whose)
        one, many = N_("It has {copies} copies."), N_("All {count} photos and videos have {copies} copies.")
        yield counted(one, many, state.total, copies=copies)
    yield counted(N_("One came in this month."), N_("{count} came in this month."), _new(session, whose, moment))


def _new(session: Session, whose: int | None, moment: datetime) -> int:
    wanted = (select(func.count()).select_from(StoredFile).join(Media, Media.file_id == StoredFile.id)).where(
        StoredFile.added >= moment - MONTH
    )
    return session.scalar(wanted if whose is None else wanted.where(Media.user_id == whose)) or 0


def _copies(session: Session, total: int, whose: int | None) -> int:
    """On how many drives each is at least: HOT, one proven copy, and every further COLD drive that has them all."""
    colds = session.scalars(select(Drive).where(Drive.role == DriveRole.COLD, Drive.state == DriveState.ACTIVE)).all()
    if len(colds) == 1:
        return 2
    return max(2, 1 + sum(_held_by(session, drive.id, whose) >= total for drive in colds))


def _held_by(session: Session, cold_id: int, whose: int | None) -> int:
    wanted = (
        select(func.count())
        .select_from(Media)
        .join(StoredFile, StoredFile.id == Media.file_id)
        .join(
            ColdFile,
            (ColdFile.folder_id == StoredFile.folder_id)
            & (ColdFile.name == StoredFile.name)
            & (ColdFile.digest == StoredFile.digest),
        )
        .where(ColdFile.cold_drive_id == cold_id)
    )
    return session.scalar(wanted if whose is None else wanted.where(Media.user_id == whose)) or 0


def _drives(session: Session, places: Places, moment: datetime) -> Iterator[Message]:
    inventory = health.read_inventory(places)
    found = inventory.found if inventory else ()
    running = {f.mark.marker_id: f.health_details.get("power_on_hours") for f in found if f.mark}
    rows = select(Drive).where(Drive.state != DriveState.RETIRED).order_by(Drive.role.desc(), Drive.number)
    for drive in session.scalars(rows):
        yield _age(drive, running.get(drive.marker_id), moment)
        if drive.role is DriveRole.COLD:
            yield from _proof(session, drive, moment)
        if full := _full_in(session, drive, moment):
            yield full


def _age(drive: Drive, hours: int | None, moment: datetime) -> Message:
    """By the drive's own count of hours where it has one and was always on, else since it came to this station."""
    days = max(0, (moment - drive.handed_over).days)
    fields = {"tag": drive.tag, "drive": drive.name}
    if drive.role is DriveRole.HOT and hours:
        days = max(days, hours * 365 // HOURS_A_YEAR)
    if days >= 730:
        return Message(N_("{tag} ({drive}) is {years} years old."), fields | {"years": days // 365})
    if days >= 60:
        return Message(N_("{tag} ({drive}) is {months} months old."), fields | {"months": days // 30})
    if days >= 2:
        return Message(N_("{tag} ({drive}) is new: it came {days} days ago."), fields | {"days": days})
    return Message(N_("{tag} ({drive}) is new."), fields)


def _proof(session: Session, drive: Drive, moment: datetime) -> Iterator[Message]:
    last = runs.last_proven(session, drive.id)
    if last is None:
        yield Message(N_("{tag} has no proven copy yet."), {"tag": drive.tag})
        return
    fields = {"tag": drive.tag, "ago_seconds": max(0, round((moment - last).total_seconds()))}
    yield Message(N_("The copy on {tag} was last proven {ago_seconds} ago."), fields)
    drill = session.scalars(
        select(Drill).where(Drill.cold_drive_id == drive.id).order_by(Drill.id.desc()).limit(1)
    ).first()
    if drill is not None:
        fields = {"tag": drive.tag, "good": drill.good, "tried": drill.tried}
        yield Message(N_("Practice: {good} of {tried} files came back from {tag} unharmed."), fields)


def _full_in(session: Session, drive: Drive, moment: datetime) -> Message | None:
    """By what the last three months took; None where that says nothing."""
    since = (moment - 3 * MONTH).date()
    wanted = select(SpaceSample).where(SpaceSample.drive_id == drive.id, SpaceSample.day >= since)
    rows = session.scalars(wanted.order_by(SpaceSample.day)).all()
    if not rows or rows[-1].day - rows[0].day < SEEN_FOR or rows[-1].used <= rows[0].used:
        return None
    first, last = rows[0], rows[-1]
    left = (last.day - first.day) * ((last.size - last.used) / (last.used - first.used))
    if left > FAR_AHEAD:
        return None
    months = max(1, round(left.days / 30.4))
    return Message(N_("At this pace {tag} is full in about {months} months."), {"tag": drive.tag, "months": months})


def _open(session: Session) -> Iterator[Message]:
    return (issue.message for issue in health.issues(session) if issue.severity is not Severity.NOTICE)

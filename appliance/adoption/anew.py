"""Beginning anew with an earlier station's drives, where no copy of its database can be read any more.

The box is claimed as a new one, and the drives are believed by their markers; what is on them is found out by a job:
people by their folders, photos with their titles and albums by the index, what a COLD drive holds by its manifest.

What is true if the plug is pulled here: the first admin and the drives' rows are one commit; the job is a row in it.
"""

from sqlalchemy.orm import Session

from appliance import events, identity, recovery, starts
from appliance.adoption.earlier import NothingToTakeOver
from appliance.broker.client import Broker
from appliance.db import Database
from appliance.drives import inventory, mounts
from appliance.drives.inventory import Found
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole
from appliance.drives.service import next_colour
from appliance.jobs import service as jobs
from appliance.people import service as people
from appliance.people.models import User
from appliance.places import Places
from appliance.words import N_, Message

REBUILD = "adoption.rebuild"


def begin_anew(
    db: Database, broker: Broker, places: Places, *, code: str, name: str, password: str, address: str
) -> User:
    """The first admin of this box, with the earlier station's drives.  Raises what ``people.claim`` raises, and
    NothingToTakeOver."""
    theirs = _drives(places)
    if not theirs:
        raise NothingToTakeOver()
    with db.writing() as session:
        user = people.claim(session, identity.load(places), code, name, password, address)
        for station_id in dict.fromkeys(mark.station_id for _, mark in theirs):
            identity.take_place_of(places, station_id)
        starts.inherit(places)
        for found, mark in theirs:
            _add(session, found, mark)
        title = Message(N_("Find out what is on the drives of the earlier station"))
        jobs.start(session, REBUILD, title=title, lock=REBUILD, asked_by=user.id)
    recovery.remember_owner(places)
    inventory.refresh(places, broker)
    mounts.ensure_hot(db, broker, places)
    return user


def _drives(places: Places) -> list[tuple[Found, Marker]]:
    """Drives of earlier stations, each marker once: of two that carry the same, neither is believed."""
    found = [(one, one.mark) for one in inventory.load(places).found if one.mark is not None]
    marks = [mark.marker_id for _, mark in found]
    return [(one, mark) for one, mark in found if marks.count(mark.marker_id) == 1]


def _add(session: Session, found: Found, mark: Marker) -> None:
    drive = Drive(
        marker_id=mark.marker_id,
        role=DriveRole(mark.role),
        number=mark.number,
        name=mark.name,
        colour=next_colour(session),
        filesystem=found.filesystem,
        filesystem_uuid=mark.filesystem_uuid,
        model=found.title,
        serial=found.serial,
        size=found.capacity or found.size,
    )
    session.add(drive)
    session.flush()
    events.record(
        session, "drive.adopted", N_("{drive} ({tag}) of an earlier station is used here."), drive=drive.name,
        tag=drive.tag,
    )  # fmt: skip

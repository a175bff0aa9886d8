"""Drives by the API: what is plugged in, what was handed over, and what may be done with it.

Whatever takes longer than a moment answers 202 with a job to watch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance.drives import service, smart_history
from appliance.drives.identity import Verdict, VerdictKind
from appliance.drives.inventory import Found
from appliance.drives.models import Drive, DriveRole, DriveState, PowerState, SpaceSample
from appliance.words import Message
from console.access import admin_only, me
from console.api.jobs import JobView, job_view
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class PluggedIn:
    """A drive that is plugged in right now; what is unknown is null, "" or ``unknown``."""

    device: str
    disk: str
    title: str
    model: str
    vendor: str
    serial: str
    kind: str
    bus: str
    size: int
    filesystem: str
    filesystem_uuid: str
    label: str
    capacity: int | None
    free: int | None
    used: int | None
    read_only: bool
    dirty: bool | None
    health: str
    health_details: Mapping[str, Any]
    temperature_c: int | None
    power: str
    mounted_as: str | None


@dataclass(frozen=True)
class DriveView:
    """A drive that was handed over; ``plugged_in`` is null while it is away or switched off."""

    id: int
    tag: str
    role: DriveRole
    name: str
    colour: str
    state: DriveState
    filesystem: str
    model: str
    serial: str
    size: int
    free: int | None
    full_below_percent: int
    power_driver: str
    power_state: PowerState
    write_errors: int
    handed_over: datetime
    last_here: datetime | None
    plugged_in: PluggedIn | None


@dataclass(frozen=True)
class StrangerView:
    """A drive that is plugged in and not (yet) one of ours, with what may be done with it and why."""

    plugged_in: PluggedIn
    verdict: VerdictKind
    text: Message
    hint: Message
    can_adopt: bool
    can_format: bool


@dataclass(frozen=True)
class Drives:
    """``known`` is false until somebody has looked at what is plugged in: unknown is not empty."""

    known: bool
    drives: list[DriveView]
    strangers: list[StrangerView]


@dataclass(frozen=True)
class Adoption:
    """Hand a drive over with everything on it; ``device`` as listed."""

    device: str
    role: DriveRole
    name: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Erasure:
    """Format a drive and hand it over; ``typed`` is the phrase that the confirmation asks for."""

    device: str
    role: DriveRole
    filesystem: str
    typed: str
    name: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Device:
    """A drive that is plugged in, by its kernel name as listed."""

    device: str


@dataclass(frozen=True)
class ConfirmationView:
    """What erasing would destroy, and the phrase to type."""

    title: str
    names: list[str]
    names_total: int
    used: int | None
    size: int
    phrase: str


@dataclass(frozen=True)
class DriveChange:
    """Only the fields that are sent are changed."""

    name: str | None = None
    colour: str | None = None
    full_below_percent: int | None = None
    power_driver: str | None = None


@dataclass(frozen=True)
class Retirement:
    """``replaced_by``: the id of the drive that took its place, if one did."""

    replaced_by: int | None = None


@dataclass(frozen=True)
class SpaceView:
    """How full a drive was on a day."""

    day: date
    used: int
    size: int


@dataclass(frozen=True)
class HealthView:
    """What a drive said of its own health once; what it does not say is null."""

    at: datetime
    passed: bool
    hours: int | None
    cycles: int | None
    reallocated: int | None
    pending: int | None
    uncorrectable: int | None
    crc_errors: int | None
    percent_used: int | None
    temperature_c: int | None


def plugged_in_view(found: Found) -> PluggedIn:
    """A drive of the live list as the API shows it."""
    return PluggedIn(**{name: getattr(found, name) for name in PluggedIn.__dataclass_fields__})


def drive_view(drive: Drive, found: Found | None) -> DriveView:
    """A row, and what is plugged in for it."""
    names = [name for name in DriveView.__dataclass_fields__ if name != "plugged_in"]
    return DriveView(
        **{name: getattr(drive, name) for name in names}, plugged_in=plugged_in_view(found) if found else None
    )


def _stranger_view(found: Found, judged: Verdict) -> StrangerView:
    return StrangerView(
        plugged_in_view(found), judged.kind, judged.message, judged.hint, judged.can_adopt, judged.can_format
    )


def _one(session: Session, drive_id: int) -> DriveView:
    drive = service.get(session, drive_id)
    pairs = service.overview(session, station().places).drives
    return drive_view(drive, next((found for row, found in pairs if row.id == drive_id), None))


@route("GET", "/drives", summary="Every drive: handed over, and plugged in", access=admin_only)
def listing() -> Drives:
    """Live: what is unplugged is gone within two seconds."""
    with station().db.reading() as session:
        here = service.overview(session, station().places)
        drives = [drive_view(drive, found) for drive, found in here.drives]
    return Drives(here.known, drives, [_stranger_view(*stranger) for stranger in here.strangers])


@route("GET", "/drives/<int:drive_id>", summary="One drive that was handed over", access=admin_only)
def one(drive_id: int) -> DriveView:
    """Also a retired one."""
    with station().db.reading() as session:
        return _one(session, drive_id)


@route("GET", "/drives/<int:drive_id>/space", summary="How full a drive was, day by day", access=admin_only)
def space(drive_id: int) -> list[SpaceView]:
    """Oldest first, two years at most."""
    newest = select(SpaceSample).where(SpaceSample.drive_id == drive_id).order_by(SpaceSample.day.desc()).limit(731)
    with station().db.reading() as session:
        service.get(session, drive_id)
        rows = list(session.scalars(newest))
    return [SpaceView(row.day, row.used, row.size) for row in reversed(rows)]


@route("GET", "/drives/<int:drive_id>/health", summary="What a drive said of its health over time", access=admin_only)
def health(drive_id: int) -> list[HealthView]:
    """Oldest first."""
    with station().db.reading() as session:
        service.get(session, drive_id)
        rows = list(smart_history.samples(session, drive_id))
    names = HealthView.__dataclass_fields__
    return [HealthView(**{name: getattr(row, name) for name in names}) for row in reversed(rows)]


@route("PATCH", "/drives/<int:drive_id>", summary="Rename, recolour, set the alarm or the switch", access=admin_only)
def change(drive_id: int, body: DriveChange) -> DriveView:
    """All of it or none."""
    with station().db.writing() as session:
        service.change(
            session,
            drive_id,
            name=body.name,
            colour=body.colour,
            full_below_percent=body.full_below_percent,
            power_driver=body.power_driver,
            asked_by=me().id,
        )
        session.flush()
        return _one(session, drive_id)


@route("POST", "/drives/adopt", summary="Hand a drive over with its files", access=admin_only, status=202)
def adopt(body: Adoption) -> JobView:
    """Nothing on it is changed but for our marker file."""
    with station().db.writing() as session:
        wanted = {"device": body.device, "role": body.role, "name": body.name, "colour": body.colour}
        return job_view(service.adopt(session, station().places, **wanted, asked_by=me().id))  # type: ignore[arg-type]


@route("POST", "/drives/confirmation", summary="What erasing a drive would destroy", access=admin_only)
def confirmation(body: Device) -> ConfirmationView:
    """Show it to a person before asking them to type the phrase."""
    found, _ = service.plugged_in(station().places, body.device)
    shown = service.confirmation(found)
    return ConfirmationView(shown.title, list(shown.names), shown.names_total, shown.used, shown.size, shown.phrase)


@route("POST", "/drives/format", summary="Erase a drive and hand it over", access=admin_only, status=202)
def erase(body: Erasure) -> JobView:
    """Destroys everything on it."""
    with station().db.writing() as session:
        job = service.erase(
            session,
            station().places,
            device=body.device,
            role=body.role,
            filesystem=body.filesystem,
            typed=body.typed,
            name=body.name,
            colour=body.colour,
            asked_by=me().id,
        )
        return job_view(job)


@route("POST", "/drives/repair", summary="Check and repair a drive", access=admin_only, status=202)
def repair(body: Device) -> JobView:
    """For one that was not switched off properly."""
    with station().db.writing() as session:
        return job_view(service.repair(session, station().places, body.device, me().id))


@route("POST", "/drives/confirm", summary="Say that this is the drive it claims to be", access=admin_only, status=202)
def confirm(body: Device) -> JobView:
    """For one in a new case."""
    with station().db.writing() as session:
        return job_view(service.confirm_same(session, station().places, body.device, me().id))


@route("POST", "/drives/<int:drive_id>/eject", summary="Let a drive go", access=admin_only, status=202)
def eject(drive_id: int) -> JobView:
    """It may be unplugged when the job is done."""
    with station().db.writing() as session:
        return job_view(service.eject(session, drive_id, me().id))


@route("POST", "/drives/<int:drive_id>/use", summary="Use an ejected drive again", access=admin_only, status=202)
def use(drive_id: int) -> JobView:
    """While it is still plugged in."""
    with station().db.writing() as session:
        return job_view(service.use_again(session, drive_id, me().id))


@route("POST", "/drives/<int:drive_id>/retire", summary="Use a drive no longer", access=admin_only)
def retire(drive_id: int, body: Retirement) -> DriveView:
    """Its files stay on it."""
    with station().db.writing() as session:
        service.retire(session, drive_id, replaced_by=body.replaced_by, asked_by=me().id)
        session.flush()
        return _one(session, drive_id)

"""Smart plugs by the API: find them, hang drives on them, try and switch them, and what they used."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from appliance.words import Message
from console.access import admin_only, me
from console.api.jobs import JobView, job_view
from console.api.routes import Room
from console.station import station
from plugins.smart_plugs import energy, service
from plugins.smart_plugs.models import PlugKind, SmartPlug

room = Room(plugin="smart_plugs")


@dataclass(frozen=True)
class PlugView:
    """``on`` and ``watts`` as it said when it last answered; ``problem`` is null when all is well."""

    id: int
    kind: PlugKind
    name: str
    model: str
    host: str
    meter: bool
    on: bool | None
    watts: float | None
    answered: datetime | None
    problem: Message | None
    drive_ids: list[int]


@dataclass(frozen=True)
class Chosen:
    """``place``: which of the finished search's ``result.seen``, counted from 0."""

    job_id: int
    place: int
    name: str = ""


@dataclass(frozen=True)
class Hanging:
    """Everything that hangs on the plug; a drive that is always on is refused."""

    drive_ids: list[int]


@dataclass(frozen=True)
class Wanted:
    """Off takes the same care as after a copy: what is in use keeps its power."""

    on: bool


@dataclass(frozen=True)
class MonthView:
    """``hours``: by drive id, as text."""

    month: str
    kwh: float
    hours: dict[str, float]


def _view(session: Session, plug: SmartPlug) -> PlugView:
    return PlugView(
        plug.id, plug.kind, plug.name, plug.model, plug.host, plug.has_meter, plug.is_on, plug.watts,
        plug.answered, plug.problem, [drive.id for drive in service.drives_on(session, plug.id)],
    )  # fmt: skip


@room.route("GET", "/plugs", summary="Every smart plug", access=admin_only)
def plugs() -> list[PlugView]:
    """As they answered last; nobody asks them for this."""
    with station().db.reading() as session:
        return [_view(session, plug) for plug in service.every(session)]


@room.route("POST", "/search", summary="Look for smart plugs", access=admin_only, status=202)
def search() -> JobView:
    """The job's result lists what answered."""
    with station().db.writing() as session:
        return job_view(service.start_discovery(session, me().id))


@room.route("POST", "/plugs", summary="Take in a plug that was found", access=admin_only, status=201)
def add(body: Chosen) -> PlugView:
    """One that is here already only gets its new address."""
    with station().db.writing() as session:
        return _view(session, service.add_found(session, body.job_id, body.place, body.name, me().id))


@room.route("PUT", "/plugs/<int:plug_id>/drives", summary="Say what hangs on a plug", access=admin_only)
def hang(plug_id: int, body: Hanging) -> PlugView:
    """All of it or none."""
    with station().db.writing() as session:
        service.assign(session, plug_id, set(body.drive_ids), me().id)
        return _view(session, service.get(session, plug_id))


@room.route("POST", "/plugs/<int:plug_id>/test", summary="Try a plug", access=admin_only, status=202)
def test(plug_id: int) -> JobView:
    """On, wait for its drives, off, proof."""
    with station().db.writing() as session:
        return job_view(service.start_test(session, plug_id, me().id))


@room.route("POST", "/plugs/<int:plug_id>/switch", summary="Switch a plug", access=admin_only, status=202)
def switch(plug_id: int, body: Wanted) -> JobView:
    """By hand."""
    with station().db.writing() as session:
        return job_view(service.start_switch(session, plug_id, on=body.on, asked_by=me().id))


@room.route("GET", "/energy", summary="Hours and energy of the last twelve months", access=admin_only)
def used() -> list[MonthView]:
    """Oldest first."""
    with station().db.reading() as session:
        told = energy.year(session)
    return [
        MonthView(month, told.kwh(month), {str(one.drive.id): one.hours.get(month, 0.0) for one in told.drives})
        for month in told.months
    ]

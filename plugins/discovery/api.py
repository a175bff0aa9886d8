"""Being found, by the API: names and addresses, what is announced, other stations."""

from dataclasses import dataclass

from appliance.words import Message
from console.access import admin_only, me
from console.api.jobs import JobView, job_view
from console.api.routes import Room
from console.station import station
from plugins.discovery import service, state

room = Room(plugin="discovery")


@dataclass(frozen=True)
class FoundView:
    """``host`` is the name in force; another than ``wanted`` while that belongs to another device.

    ``addresses`` are where browsers at home find the console, by its name first; none while only this computer reaches
    it.  ``announced`` are kinds of services, such as "_smb._tcp"; ``windows``: whether Windows is told as well.
    """

    host: str
    wanted: str
    addresses: list[str]
    announced: list[str]
    windows: bool
    problem: Message | None


@dataclass(frozen=True)
class OtherView:
    """Another Everpx station on this network."""

    name: str
    host: str
    address: str
    url: str


@dataclass(frozen=True)
class Names:
    """``name`` is what stands before ".local"."""

    name: str
    workgroup: str = "WORKGROUP"


def _view(found: state.State) -> FoundView:
    problem = Message.from_json(found.problem["message"]) if found.problem else None
    urls = [found.url(way) for way in found.ways]
    return FoundView(found.host, f"{found.wanted}.local", urls, list(found.kinds), found.windows, problem)


@room.route("GET", "/names", summary="How this station is found on the network")
def names() -> FoundView:
    """As the worker last saw it."""
    return _view(state.load(station().places))


@room.route("PUT", "/names", summary="Choose the name under which it is found", access=admin_only)
def rename(body: Names) -> FoundView:
    """In force when this answers; on any failure nothing is kept."""
    here = station()
    with here.db.writing() as session:
        given = {"name": body.name, "workgroup": body.workgroup}
        return _view(service.rename(session, here.broker, here.places, **given))


@room.route("GET", "/stations", summary="Other stations on this network")
def others() -> list[OtherView]:
    """As they were when somebody last looked around."""
    found = state.load(station().places).others
    return [OtherView(one.name, one.host, one.address, one.url) for one in found]


@room.route("POST", "/look", summary="Look around on the network", access=admin_only, status=202)
def look() -> JobView:
    """Announce anew, and ask who else is there; a few seconds."""
    with station().db.writing() as session:
        return job_view(service.start_looking(session, me().id))

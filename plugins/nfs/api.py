"""NFS by the API: devices, what each may, what is served under which address, and a try."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from appliance.words import Message
from console.access import admin_only, by, me
from console.api.jobs import JobView, job_view
from console.api.routes import Room
from console.station import station
from plugins.nfs import service
from plugins.nfs.models import NfsDevice

room = Room(plugin="nfs")


@dataclass(frozen=True)
class Right:
    """``may``: "see" or "change"."""

    drive_id: int
    folder: str
    may: str


@dataclass(frozen=True)
class DeviceView:
    """A device, or a home network, and the folders that it gets."""

    id: int
    name: str
    address: str
    rights: list[Right]


@dataclass(frozen=True)
class NewDevice:
    """``address``: such as 192.168.1.20, or a network such as 192.168.1.0/24."""

    name: str
    address: str


@dataclass(frozen=True)
class Rights:
    """Everything that the device gets; what is not named it gets no longer."""

    rights: list[Right]


@dataclass(frozen=True)
class FolderView:
    """A folder that can be given; ``here`` is false while its drive is not connected."""

    drive_id: int
    drive: str
    folder: str
    here: bool


@dataclass(frozen=True)
class ExportView:
    """A folder that is served right now; devices ask for ``path``."""

    drive: str
    folder: str
    path: str


@dataclass(frozen=True)
class Served:
    """``server``: "kernel", "ganesha", or "" while nothing is served; ``problem`` is null when all is well."""

    server: str
    port: int
    exports: list[ExportView]
    problem: Message | None
    neighbours: list[str]


def _view(session: Session, device: NfsDevice) -> DeviceView:
    given = [Right(one.drive_id, one.folder, "change" if one.change else "see")
             for one in service.rights_of(session, device.id)]  # fmt: skip
    return DeviceView(device.id, device.name, device.address, given)


@room.route("GET", "/devices", summary="Devices that may be given folders", access=admin_only)
def devices() -> list[DeviceView]:
    """By name."""
    with station().db.reading() as session:
        return [_view(session, one) for one in service.devices(session)]


@room.route("POST", "/devices", summary="List a device", access=admin_only, status=201)
def add(body: NewDevice) -> DeviceView:
    """It gets nothing yet."""
    with station().db.writing() as session:
        return _view(session, service.add(session, by(), name=body.name, address=body.address))


@room.route("PUT", "/devices/<int:device_id>/rights", summary="Say what a device gets", access=admin_only)
def allow(device_id: int, body: Rights) -> DeviceView:
    """In force when this answers; on any failure nothing is kept."""
    here = station()
    with here.db.writing() as session:
        given = {service.key(one.drive_id, one.folder): one.may for one in body.rights}
        nothing = {service.key(one.drive_id, one.folder): "nothing" for one in service.rights_of(session, device_id)}
        service.allow(session, here.broker, here.places, by(), device_id, nothing | given)
        return _view(session, service.device(session, device_id))


@room.route("DELETE", "/devices/<int:device_id>", summary="Shut a device out", access=admin_only, status=204)
def drop(device_id: int) -> None:
    """It is out when this answers."""
    here = station()
    with here.db.writing() as session:
        service.drop(session, here.broker, here.places, by(), device_id)


@room.route("GET", "/folders", summary="Folders that can be given", access=admin_only)
def folders() -> list[FolderView]:
    """Those at the top of each HOT drive that is here, and those that were given before."""
    here = station()
    with here.db.reading() as session:
        return [FolderView(one.drive_id, one.tag, one.folder, one.here) for one in service.rooms(session, here.places)]


@room.route("GET", "/exports", summary="What is served right now", access=admin_only)
def exports() -> Served:
    """As the worker last saw to it."""
    told = service.state(station().places)
    listed = [ExportView(one["tag"], one["folder"], one["name"]) for one in told["served"]]
    problem = Message.from_json(told["problem"]["message"]) if told["problem"] else None
    return Served(told["server"], service.port(), listed, problem, told["neighbours"])


@room.route("POST", "/test", summary="Try what is served", access=admin_only, status=202)
def test() -> JobView:
    """The job's result names what is served, and what is missing because its drive is."""
    with station().db.writing() as session:
        return job_view(service.start_test(session, me().id))

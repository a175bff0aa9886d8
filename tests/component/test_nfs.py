"""NFS by a real ganesha in network namespaces, asked by a real NFS 4.2 client and by libnfs; drives are loops."""

import os
import pwd
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance import plugin
from appliance.broker import services
from appliance.broker.protocol import BadRequest, build
from appliance.db import Database
from appliance.drives.models import Drive
from appliance.errors import ApplianceError, Invalid
from appliance.health import service as health
from appliance.health.service import HealthContext
from appliance.people.audit import By
from appliance.places import Places
from appliance.station.processes import Supervisor
from plugins.nfs import client, privileged, service
from plugins.nfs.client import Refused
from tests.component.drive_station import Station
from tests.component.guest_house import guest_house
from tests.component.health_page import HealthPage
from tests.component.home_network import Computer, home_network
from tests.component.loop_drives import USER, LoopDrives, Root
from tests.component.nfs_reader import Reader

pytestmark = pytest.mark.component
ACCESS, NOENT, ROFS = 13, 2, 30
PORT = "22049"


@dataclass
class House:
    """A station with a HOT drive, two computers, and nobody who may anything yet."""

    here: Places
    db: Database
    root: Root
    drives: Station
    drive: Drive
    me: Computer
    others: list[Computer]
    supervisor: Supervisor

    @property
    def folder(self) -> Path:
        """The HOT drive."""
        return self.here.mounts / self.drive.tag

    def device(self, name: str, address: str) -> int:
        """List one."""
        with self.db.writing() as session:
            return service.add(session, By(), name=name, address=address).id

    def allow(self, device: int, **folders: str) -> None:
        """``Anna="change"``."""
        form = {f"may:{self.drive.id}:{folder.replace('_', ' ')}": word for folder, word in folders.items()}

        def body() -> None:
            with self.db.writing() as session:
                service.allow(session, self.root, self.here, By(), device, form)

        self.me.do(body)

    def settle(self) -> dict[str, Any]:
        """As the chores do it."""

        def body() -> dict[str, Any]:
            with self.db.reading() as session:
                service.settle(session, self.root, self.here)
            return service.state(self.here)

        answer: dict[str, Any] = self.me.do(body)
        return answer

    def findings(self) -> list[str]:
        """What health says."""

        def body() -> list[str]:
            with self.db.reading() as session:
                return [one.code for one in service.not_served(HealthContext(session, self.root, self.here, None))]

        answer: list[str] = self.me.do(body)
        return answer

    def as_(self, other: Computer, body: Callable[[Reader], Any]) -> Any:
        """Ask from another computer."""

        def there() -> Any:
            with Reader(self.me.address, int(PORT)) as reader:
                reader.begin()
                return body(reader)

        return other.do(there)


@pytest.fixture
def kept(
    places: Places, monkeypatch: pytest.MonkeyPatch, program: Callable[[str], str]
) -> Iterator[tuple[list[Computer], Supervisor]]:
    """The network, and a launcher whose guests live in the station's place in it; before root starts."""
    for name in ("ganesha.nfsd", "ip", "nfs-ls"):
        program(name)
    monkeypatch.setenv("EVERPX_NFS_PORT", PORT)
    with home_network(third=True) as computers:
        wrapped = Supervisor.start

        def inside(self: Supervisor, one: Any) -> None:
            computers[0].do(lambda: wrapped(self, one)) if one.guest else wrapped(self, one)

        monkeypatch.setattr(Supervisor, "start", inside)
        monkeypatch.setattr("appliance.station.processes._die_with", lambda *_: lambda: None)
        with guest_house(places.run, monkeypatch) as supervisor:
            yield computers, supervisor


@pytest.fixture
def house(kept: tuple[list[Computer], Supervisor], station: Station, loops: LoopDrives) -> House:
    (me, *others), supervisor = kept
    drive = station.adopt(loops.make("Blue"))
    made = House(station.places, station.db, station.root, station, drive, me, others, supervisor)
    user = pwd.getpwnam(USER)
    for name in ("Anna", "Ben", "Familie Müller"):
        (made.folder / name).mkdir()
        (made.folder / name / "hello.txt").write_text(f"from {name}")
        for place in (made.folder / name, made.folder / name / "hello.txt"):
            os.chown(place, user.pw_uid, user.pw_gid)
    station.root("drives.flush", {"tag": drive.tag})
    return made


def refused(status: int, body: Callable[[], Any]) -> None:
    with pytest.raises(Refused) as caught:
        body()
    assert caught.value.status == status


def test_a_device_sees_changes_or_gets_nothing_as_it_was_chosen(house: House) -> None:
    television, laptop = house.others
    tv, desk = house.device("Television", television.address), house.device("Laptop", laptop.address)
    house.allow(tv, Anna="see", Familie_Müller="see")
    house.allow(desk, Anna="change")
    assert house.findings() == []
    assert house.as_(television, lambda nfs: nfs.names("HOT-1/Anna")) == ["hello.txt"]
    assert house.as_(television, lambda nfs: nfs.read("HOT-1/Anna", "hello.txt")) == b"from Anna"
    assert (
        house.as_(television, lambda nfs: nfs.read("HOT-1/Familie Müller", "hello.txt"))
        == "from Familie Müller".encode()
    )
    refused(ROFS, lambda: house.as_(television, lambda nfs: nfs.write("HOT-1/Anna", "new", b"x")))
    refused(ROFS, lambda: house.as_(television, lambda nfs: nfs.remove("HOT-1/Anna", "hello.txt")))
    data = os.urandom(20_000_000)
    house.as_(laptop, lambda nfs: nfs.write("HOT-1/Anna", "film", data))
    assert (house.folder / "Anna/film").read_bytes() == data
    assert (house.folder / "Anna/film").stat().st_uid == pwd.getpwnam(USER).pw_uid  # whoever it said it was
    assert house.as_(laptop, lambda nfs: nfs.read("HOT-1/Anna", "film")) == data
    for path in ("HOT-1/Ben", "HOT-1/Familie Müller"):
        shut_out(house, laptop, path)
    assert not (house.folder / "Anna/new").exists()


def shut_out(house: House, other: Computer, path: str) -> None:
    """Neither seen nor read, by any status that means no."""
    with pytest.raises(Refused) as caught:
        house.as_(other, lambda nfs: nfs.read(path, "hello.txt"))
    assert caught.value.status in (ACCESS, NOENT, 1)


def test_a_device_that_is_not_listed_gets_nothing_and_one_that_is_shut_out_neither(house: House) -> None:
    listed, stranger = house.others
    device = house.device("Player", listed.address)
    house.allow(device, Anna="change")
    assert house.as_(listed, lambda nfs: nfs.names("HOT-1/Anna")) == ["hello.txt"]
    shut_out(house, stranger, "HOT-1/Anna")
    house.allow(device, Anna="see")
    refused(ROFS, lambda: house.as_(listed, lambda nfs: nfs.write("HOT-1/Anna", "new", b"x")))
    house.allow(device, Anna="nothing", Ben="see")
    shut_out(house, listed, "HOT-1/Anna")
    assert house.as_(listed, lambda nfs: nfs.names("HOT-1/Ben")) == ["hello.txt"]

    def drop() -> None:
        with house.db.writing() as session:
            service.drop(session, house.root, house.here, By(), device)

    house.me.do(drop)
    with pytest.raises(OSError):  # nobody is left to serve: nothing listens
        house.as_(listed, lambda nfs: nfs.names(""))
    assert not services.is_running(privileged.GANESHA)


def test_nobody_climbs_out_of_a_folder(house: House) -> None:
    listed = house.others[0]
    (house.folder / "Anna/link").symlink_to("/etc")
    house.allow(house.device("Player", listed.address), Anna="change")

    def climb(nfs: Reader) -> None:
        anna = nfs.find("HOT-1/Anna")
        for name in ("..", ".", "../Ben"):
            with pytest.raises(Refused):
                nfs.up(anna, name)
        with pytest.raises(Refused):
            nfs.up(nfs.find("HOT-1/Anna/link"), "passwd")
        assert nfs.names("") == ["HOT-1"] and nfs.names("HOT-1") == ["Anna"]

    house.as_(listed, climb)


def test_only_version_4_2_unless_older_devices_are_wished_for(house: House, program: Callable[[str], str]) -> None:
    """libnfs is a client that media players have; it knows 4.0."""
    listed = house.others[0]
    house.allow(house.device("Player", listed.address), Anna="see")
    words = [program("nfs-ls"), f"nfs://{house.me.address}/HOT-1/Anna?version=4&nfsport={PORT}"]
    assert "hello.txt" not in listed.run(*words).stdout
    assert client.answers(house.me.address, int(PORT)) is False  # not from here: another network
    assert listed.do(lambda: client.answers(house.me.address, int(PORT)))
    with house.db.writing() as session:
        from appliance import plugin

        plugin.configure(session, "nfs", {"older": "on"})
    house.settle()
    assert "hello.txt" in listed.run(*words).stdout
    assert house.as_(listed, lambda nfs: nfs.names("HOT-1/Anna")) == ["hello.txt"]
    shut = house.others[1].run(*words)
    assert "hello.txt" not in shut.stdout


def test_what_lies_on_a_pulled_drive_is_withdrawn_and_comes_back_with_it(house: House) -> None:
    listed = house.others[0]
    house.allow(house.device("Player", listed.address), Anna="change")
    (device,) = house.drives.loops.devices
    assert [one.txt for one in service.announced()] == [("path=/HOT-1/Anna",)]
    house.drives.loops.pull(device)
    house.drives.settle()  # as the worker does when the kernel tells
    told = house.settle()
    assert told["served"] == [] and service.announced() == []
    assert not os.path.ismount(house.folder)  # nobody held it
    with pytest.raises(OSError):
        house.as_(listed, lambda nfs: nfs.write("HOT-1/Anna", "lost", b"x"))
    assert not house.folder.exists() or not any(house.folder.iterdir())
    assert house.findings() == []
    house.drives.loops.plug(device)
    house.drives.settle()
    told = house.settle()
    assert told["served"]
    assert house.as_(listed, lambda nfs: nfs.read("HOT-1/Anna", "hello.txt")) == b"from Anna"
    house.as_(listed, lambda nfs: nfs.write("HOT-1/Anna", "kept", b"x"))
    assert (house.folder / "Anna/kept").read_bytes() == b"x"


def test_a_drive_in_use_by_a_device_can_be_let_go_of(house: House) -> None:
    """Ejected while a device holds a file open: root withdraws the folders first, then nobody holds the drive."""
    listed = house.others[0]
    house.allow(house.device("Player", listed.address), Anna="change")

    def hold_and_eject() -> None:
        with Reader(house.me.address, int(PORT)) as nfs:
            nfs.begin()
            nfs._open("HOT-1/Anna", "hello.txt", write=True)
            house.root("drives.unmount", {"tag": house.drive.tag})

    listed.do(hold_and_eject)
    assert not os.path.ismount(house.folder)
    assert house.settle()["served"] == []


def test_a_folder_that_is_gone_or_a_link_is_not_served_and_the_others_are(house: House) -> None:
    listed = house.others[0]
    house.allow(house.device("Player", listed.address), Anna="see", Ben="see")
    (house.folder / "Anna").rename(house.folder / "Anne")
    (house.folder / "Anna").symlink_to("/etc")
    told = house.settle()
    assert [one["folder"] for one in told["served"]] == ["Ben"]
    assert house.as_(listed, lambda nfs: nfs.names("HOT-1")) == ["Ben"]


def test_what_the_server_does_not_accept_leaves_everything_as_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = house.others[0]
    device = house.device("Player", listed.address)
    house.allow(device, Anna="see")
    broken = house.here.run / "nfs/ganesha.conf"
    before = broken.read_text()
    with pytest.raises(ApplianceError):
        monkeypatch.setenv("EVERPX_USER", USER)
        privileged.grounds.swap(broken, before.replace("Squash =", "Sqash ="), lambda: None, privileged._try_out)
    assert broken.read_text() == before
    assert house.as_(listed, lambda nfs: nfs.names("HOT-1/Anna")) == ["hello.txt"]


@pytest.fixture
def switched_on(house: House) -> None:
    """As an admin does it, before the console starts."""
    with house.db.writing() as session:
        plugin.switch(session, "nfs", on=True)


@pytest.mark.finding("nfs_silent", "nfs_not_served")
def test_a_server_that_hangs_or_does_not_start_is_found(
    house: House, switched_on: None, health_page: HealthPage
) -> None:
    health_page.looks = lambda: house.me.do(lambda: health.run_all(house.db, house.root, house.here))
    house.allow(house.device("Player", house.others[0].address), Anna="see")
    assert house.findings() == []
    services.stop(privileged.GANESHA)
    assert house.findings() == ["nfs_silent"]
    health_page.sees("nfs_silent")
    house.settle()
    assert house.findings() == []
    health_page.no_longer("nfs_silent")
    services.stop(privileged.GANESHA)
    with house.me.do(_occupy):  # by another program on this computer
        house.settle()
        health_page.sees("nfs_not_served")
    house.settle()
    health_page.no_longer("nfs_not_served")


def _occupy() -> socket.socket:
    other = socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(("", int(PORT)))
    other.listen()
    return other


@pytest.mark.parametrize(
    "address", ["", "192.168.1", "8.8.8.8", "0.0.0.0/0", "10.0.0.0/8", "192.168.1.5/24", "*", "everybody", "224.0.0.1",
                "192.168.1.2 (rw) *", "fd00::/8", "192.168.1.20\n*(rw)"],
)  # fmt: skip
def test_an_address_that_is_none_of_a_home_is_refused_by_form_and_root(db: Database, address: str) -> None:
    with pytest.raises(Invalid), db.writing() as session:
        service.add(session, By(), name="X", address=address)
    export = {"tag": "HOT-1", "folder": "Anna", "clients": [{"address": address}]}
    with pytest.raises(BadRequest):
        build(privileged.Apply, {"exports": [export]})


@pytest.mark.parametrize(
    ("tag", "folder"), [("HOT-1", "../x"), ("HOT-1", ".everpx"), ("HOT-1", 'a"\n}'), ("COLD-1", "a"), ("/etc", "")]
)
def test_root_takes_no_path_and_no_configuration(tag: str, folder: str) -> None:
    export = {"tag": tag, "folder": folder, "clients": [{"address": "192.168.1.2"}]}
    with pytest.raises(BadRequest):
        build(privileged.Apply, {"exports": [export]})


def test_the_kernels_own_parser_reads_what_we_write_for_it(
    tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """exportfs, in a view of its own; this kernel has no server, but the program reads and checks all the same."""
    top = tmp_path / "run/drives/HOT-1"
    (top / "Anna & (co) #1").mkdir(parents=True)
    exports, state = tmp_path / "exports.d", tmp_path / "state"
    for place in (exports, state):
        place.mkdir()
    both = (privileged.Client("192.168.1.20", True), privileged.Client("192.168.7.0/24"))
    export = privileged.Export("HOT-1", "Anna & (co) #1", both)
    monkeypatch.setenv("EVERPX_USER", USER)
    text = privileged.kernel_exports([privileged.Place(export, top, top / export.folder, "")])
    (exports / "everpx.exports").write_text(text)
    script = (
        'mkdir -p /etc/exports.d && mount --bind "$1" /etc/exports.d && mount --bind "$2" /var/lib/nfs && '
        'mount -t tmpfs none "$3" && mkdir "$3/Anna & (co) #1" && '
        "touch /var/lib/nfs/etab /var/lib/nfs/rmtab && exportfs -ra; exportfs -s; cat /var/lib/nfs/etab"
    )
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        "sh",
        str(exports),
        str(state),
        str(top),
    ]
    program("exportfs")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False,
                          env=os.environ | {"PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}"})  # fmt: skip
    told = done.stdout + done.stderr
    assert "syntax" not in told and "unknown" not in told and "bad" not in told, told
    assert "192.168.1.20(rw" in told and "192.168.7.0/24(ro" in told and "all_squash" in told, told

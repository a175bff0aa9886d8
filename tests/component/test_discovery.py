"""Being found, by real avahi and wsdd2 in network namespaces, asked by real multicast from another computer."""

import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance import identity, plugin, starts
from appliance.broker import services
from appliance.db import Database
from appliance.errors import Invalid
from appliance.health import service as health
from appliance.health.service import HealthContext
from appliance.hookspecs import Announced, hookimpl
from appliance.places import Places
from appliance.station.processes import Supervisor
from plugins.discovery import multicast, privileged, service, state
from tests.component.guest_house import guest_house
from tests.component.health_page import HealthPage
from tests.component.home_network import Computer, home_network
from tests.folder_root import FolderRoot

pytestmark = pytest.mark.component
PROBE = (Path(__file__).parent / "ws_probe.xml").read_text()
GET = (Path(__file__).parent / "ws_get.xml").read_text()


@dataclass
class House:
    """A station that is announced, and the others on its network."""

    here: Places
    db: Database
    root: FolderRoot
    station: Computer
    others: list[Computer]
    supervisor: Supervisor
    offers: list[Announced]

    def settle(self) -> state.State:
        """As the worker's chore does it, inside the station."""

        def body() -> state.State:
            with self.db.reading() as session:
                return service.settle(session, self.root, self.here)

        answer = self.station.do(body)
        assert isinstance(answer, state.State)
        return answer

    def seen_by(self, other: Computer, kind: str) -> dict[str, multicast.Seen]:
        """What a look around finds there."""
        where = [multicast.Interface(other.address)]
        return {one.name: one for one in other.do(lambda: multicast.browse(kind, where, 1.5))}

    def look(self) -> None:
        """Every check, inside the station."""
        self.station.do(lambda: health.run_all(self.db, self.root, self.here))

    def findings(self) -> list[str]:
        """What the health checks say."""

        def body() -> list[str]:
            with self.db.reading() as session:
                context = HealthContext(session, self.root, self.here, None)
                return [one.code for check in (service.not_announced, service.not_heard) for one in check(context)]

        answer: list[str] = self.station.do(body)
        return answer


@pytest.fixture
def house(
    db: Database, places: Places, monkeypatch: pytest.MonkeyPatch, program: Callable[[str], str]
) -> Iterator[House]:
    for name in ("avahi-daemon", "wsdd2", "unshare", "ip"):
        program(name)
    monkeypatch.setenv("EVERPX_LISTEN", "0.0.0.0:8080")
    identity.create(places)
    loaded = plugin.load(db)
    for name, _ in loaded.manager.list_name_plugin():
        if name != "discovery":
            loaded.manager.unregister(name=name)
    offers: list[Announced] = []
    loaded.manager.register(Offering(offers), name="trial")
    with home_network(third=True) as (station, *others):
        wrapped = Supervisor.start

        def inside(self: Supervisor, one: Any) -> None:
            station.do(lambda: wrapped(self, one)) if one.guest else wrapped(self, one)

        monkeypatch.setattr(Supervisor, "start", inside)
        monkeypatch.setattr("appliance.station.processes._die_with", lambda *_: lambda: None)  # the thread ends at once
        with guest_house(places.run, monkeypatch) as supervisor:
            yield House(places, db, FolderRoot(places), station, others, supervisor, offers)


class Offering:
    """A plugin whose offers the test changes."""

    def __init__(self, offers: list[Announced]) -> None:
        self.offers = offers

    @hookimpl
    def announced_services(self, session: object) -> list[Announced]:
        """What the test says."""
        return list(self.offers)


def until(condition: Callable[[], object], seconds: float = 40) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@dataclass
class Rival:
    """Another device on the network with an avahi of its own, as any Linux computer has."""

    process: "subprocess.Popen[bytes]"
    home: Path


def avahi_on(other: Computer, folder: Path, name: str) -> Rival:
    for place in ("conf/services", "run"):
        (folder / place).mkdir(parents=True)
    (folder / "conf/avahi-daemon.conf").write_text(privileged.config(name))
    words = [*privileged._own_view(folder), "/usr/sbin/avahi-daemon", "--no-chroot", "--no-drop-root"]
    process = subprocess.Popen(other.argv(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (folder / "run/socket").exists())
    return Rival(process, folder)


@pytest.fixture
def rival(house: House, tmp_path: Path) -> Iterator[Callable[[Computer, str], Rival]]:
    started: list[Rival] = []

    def start(other: Computer, name: str) -> Rival:
        started.append(avahi_on(other, tmp_path / f"rival-{len(started)}", name))
        return started[-1]

    yield start
    for one in started:
        one.process.terminate()
        one.process.wait(20)


def resolved(one: Rival, name: str) -> str:
    """What a computer's own resolver says of a name (avahi's socket, which nss-mdns asks)."""
    with socket.socket(socket.AF_UNIX) as ask:
        ask.settimeout(10)
        ask.connect(str(one.home / "run/socket"))
        ask.sendall(f"RESOLVE-HOSTNAME-IPV4 {name}\n".encode())
        answer = ask.recv(1024).decode()
    return answer.split()[-1] if answer.startswith("+") else ""


def test_another_computer_finds_its_name_and_what_it_offers(
    house: House, rival: Callable[[Computer, str], Rival]
) -> None:
    house.offers += [
        Announced("_smb._tcp", 445),
        Announced("_adisk._tcp", 9, txt=("sys=waMa=0", "dk0=adVN=Time & <1>")),
    ]
    told = house.settle()
    assert (told.name, told.problem, told.windows) == ("everpx", None, True)
    assert told.addresses == (house.station.address,)
    laptop = rival(house.others[0], "laptop")
    assert until(lambda: resolved(laptop, "everpx.local")) == house.station.address
    seen = house.seen_by(house.others[1], "_http._tcp")["everpx"]
    assert (seen.host, seen.port, seen.addresses[0]) == ("everpx.local", 8080, house.station.address)
    assert seen.txt == {"path": "/"}
    disk = house.seen_by(house.others[1], "_adisk._tcp")["everpx"]
    assert disk.txt == {"sys": "waMa=0", "dk0": "adVN=Time & <1>"}
    assert house.findings() == []


def test_avahis_own_browser_sees_the_services(house: House, tmp_path: Path, program: Callable[[str], str]) -> None:
    """The client that Linux desktops use, over a D-Bus of its own."""
    house.settle()
    bus, rival_home = tmp_path / "bus", tmp_path / "desk"
    config = tmp_path / "bus.conf"
    config.write_text(
        f"<busconfig><type>system</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth><policy context='default'>"
        "<allow user='*'/><allow own='*'/><allow send_type='method_call'/><allow send_destination='*'/>"
        "<allow receive_sender='*'/></policy></busconfig>"
    )
    where = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
    running = [subprocess.Popen([program("dbus-daemon"), f"--config-file={config}", "--nofork", "--nopidfile"])]
    try:
        until(bus.exists)
        for place in ("conf/services", "run"):
            (rival_home / place).mkdir(parents=True)
        text = privileged.config("desk").replace("enable-dbus=no", "enable-dbus=yes")
        (rival_home / "conf/avahi-daemon.conf").write_text(text)
        words = [*privileged._own_view(rival_home), "/usr/sbin/avahi-daemon", "--no-chroot", "--no-drop-root"]
        running.append(subprocess.Popen(house.others[0].argv(*words), env=where))
        until((rival_home / "run/socket").exists)
        browse = [program("avahi-browse"), "--resolve", "--parsable", "--terminate", "_everpx._tcp"]

        def lines() -> list[list[str]]:
            done = subprocess.run(browse, env=where, capture_output=True, text=True, timeout=60, check=False)
            return [line.split(";") for line in done.stdout.splitlines() if line.startswith("=")]

        found = until(lambda: [one for one in lines() if one[2] == "IPv4"])
        mark = identity.load(house.here).station_id[: service.SHORT_ID]
        assert found[0][6:9] == ["everpx.local", house.station.address, "8080"]
        assert f'"id={mark}"' in found[0][9]
    finally:
        for one in reversed(running):
            one.terminate()
            one.wait(20)


def test_what_is_no_longer_offered_is_withdrawn_at_once(house: House) -> None:
    house.offers.append(Announced("_smb._tcp", 445))
    house.settle()
    watching = watch_goodbyes(house.others[0])
    next(watching)
    assert "everpx" in house.seen_by(house.others[0], "_smb._tcp")
    house.offers.clear()  # its drive was pulled
    told = house.settle()
    assert "_smb._tcp" not in told.kinds and not told.windows
    assert "_smb._tcp" in next(watching)  # said by itself, nobody asked: "it is gone"
    until(lambda: not house.seen_by(house.others[0], "_smb._tcp"))
    assert "everpx" in house.seen_by(house.others[0], "_http._tcp")
    assert not services.is_running(privileged.WSDD2)


def watch_goodbyes(other: Computer) -> Iterator[str]:
    """The packets that take a service back (a lifetime of 0 seconds), as they come to another computer."""

    def listen() -> socket.socket:
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind(("", multicast.PORT))
        joined = socket.inet_aton(multicast.GROUP) + socket.inet_aton(other.address)
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        ear.settimeout(30)
        return ear

    with other.do(listen) as ear:
        yield ""
        while True:
            try:
                records = multicast._records(ear.recv(9000))
            except multicast.Nonsense:  # a question
                continue
            for name, kind, _, packet, at in records:
                if kind == multicast.PTR and name == "_smb._tcp.local" and packet[at - 6 : at - 2] == b"\0\0\0\0":
                    yield name


@pytest.mark.finding("name_taken")
def test_two_stations_with_one_name_both_work_and_say_so(
    health_page: HealthPage, house: House, rival: Callable[[Computer, str], Rival]
) -> None:
    health_page.looks = house.look
    first = rival(house.others[0], "everpx")
    assert until(lambda: resolved(first, "everpx.local")) == house.others[0].address
    house.offers.append(Announced("_smb._tcp", 445))
    told = house.settle()
    assert (told.wanted, told.name, told.host) == ("everpx", "everpx-2", "everpx-2.local")
    assert house.findings() == ["name_taken"]
    health_page.sees("name_taken")
    assert resolved(first, "everpx.local") == house.others[0].address
    assert resolved(first, "everpx-2.local") == house.station.address
    assert "-H\0everpx-2" in command_of("wsdd2")
    with house.db.writing() as session:
        renamed = house.station.do(
            lambda: service.rename(session, house.root, house.here, name="Attic.local", workgroup="home")
        )
    assert (renamed.wanted, renamed.name) == ("attic", "attic")
    assert house.findings() == []
    health_page.no_longer("name_taken")
    assert resolved(first, "attic.local") == house.station.address


def command_of(name: str) -> str:
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        words = line.read_text(errors="replace")
        if words.split("\0")[0].endswith(name):
            return words
    return ""


def test_a_name_that_cannot_be_is_refused_and_nothing_changes(house: House) -> None:
    house.settle()
    for name, workgroup in (
        ("", "HOME"),
        ("a b", "HOME"),
        ("x" * 31, "HOME"),
        ("-a", "HOME"),
        ("ok", "A" * 16),
        ("localhost", "A"),
    ):
        with pytest.raises(Invalid), house.db.writing() as session:
            service.rename(session, house.root, house.here, name=name, workgroup=workgroup)
    assert state.load(house.here).name == "everpx"


def test_a_cable_that_was_pulled_and_comes_back(house: House) -> None:
    house.settle()
    house.station.link("down")
    assert house.seen_by(house.others[0], "_http._tcp") == {}
    assert house.findings() == []  # no network is not the fault of the name
    house.station.link("up")
    until(lambda: house.seen_by(house.others[0], "_http._tcp"))
    assert house.findings() == []


@pytest.mark.finding("station_twice")
def test_a_second_box_with_this_stations_card_is_told(
    health_page: HealthPage, house: House, rival: Callable[[Computer, str], Rival]
) -> None:
    starts.begin(house.here)
    health_page.looks = house.look
    house.settle()
    house.look()
    assert state.load(house.here).others == ()
    starts.begin(house.here)  # begun anew, and the announcement of the last start is still out
    house.look()
    assert state.load(house.here).others == (), "its own address speaks for it"
    other = rival(house.others[0], "everpx")
    mark = identity.load(house.here).station_id[: service.SHORT_ID]
    announced = other.home / "conf/services/everpx.service"
    announced.write_text(privileged.render((privileged.Offer("_everpx._tcp", 80, "Twin", (f"id={mark}", "start=x")),)))
    other.process.send_signal(signal.SIGHUP)
    until(lambda: "station_twice" in health_page.look())
    other.process.terminate()
    other.process.wait(20)
    health_page.no_longer("station_twice")


def test_other_stations_are_seen_and_cannot_change_the_page(
    house: House, rival: Callable[[Computer, str], Rival]
) -> None:
    other = rival(house.others[0], "grandma")
    offer = privileged.Offer("_everpx._tcp", 80, "Grandma <b>&", ("id=123456789abc", "path=/"))
    (other.home / "conf/services/everpx.service").write_text(privileged.render((offer,)))
    house.settle()
    found = until(lambda: house.station.do(lambda: service.look_around(house.here)).others)
    assert (found[0].name, found[0].url) == ("Grandma <b>&", f"http://{house.others[0].address}")
    assert house.findings() == []


def test_windows_finds_it(house: House) -> None:
    """What the Network folder does: a probe to all, the list of matches, then the description by HTTP."""
    house.offers.append(Announced("_smb._tcp", 445))
    house.settle()
    matches = until(lambda: house.others[0].do(lambda: probe(house.others[0])))
    endpoint = re.search(r"<wsa:Address>(urn:uuid:[0-9a-f-]+)</wsa:Address>", matches)
    where = re.search(rf"http://{re.escape(house.station.address)}:\d+/[0-9a-f-]+", matches)
    assert "pub:Computer" in matches and endpoint and where, matches
    text = GET.format(message=uuid.uuid4(), to=endpoint[1]).encode()

    def described() -> str:
        asking = urllib.request.Request(where[0], text, {"Content-Type": "application/soap+xml"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asking, timeout=20) as answer:
            return str(answer.read().decode())

    said = house.others[0].do(described)
    assert "EVERPX/Workgroup:WORKGROUP" in said and "<wsdp:Manufacturer>Everpx<" in said, said


def probe(other: Computer) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
        ask.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(other.address))
        ask.settimeout(3)
        ask.sendto(PROBE.format(message=uuid.uuid4()).encode(), ("239.255.255.250", 3702))
        try:
            return ask.recv(65536).decode()
        except TimeoutError:
            return ""


def test_hostile_packets_do_no_harm(house: House) -> None:
    house.offers.append(Announced("_smb._tcp", 445))
    house.settle()
    pids = {name: house.supervisor.running[name].process.pid for name in ("avahi", "wsdd2")}
    house.others[0].do(lambda: bombard(house.station.address))
    assert until(lambda: house.seen_by(house.others[1], "_http._tcp"))
    assert until(lambda: house.others[0].do(lambda: probe(house.others[0])))
    assert {name: house.supervisor.running[name].process.pid for name in pids} == pids
    for pid in pids.values():
        rss = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert rss and int(rss[1]) < 20_000


def bombard(address: str) -> None:
    chance, text = random.Random(9), PROBE.format(message=uuid.uuid4()).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gun:
        for number in range(400):
            bent = bytearray(text)
            for _ in range(chance.randint(1, 40)):
                bent[chance.randrange(len(bent))] = chance.randrange(256)
            dns = os.urandom(2) + bytes([chance.choice((0, 0x84)), 0, 0, 1, 0, chance.randrange(9), 0, 0, 0, 9])
            for packet in (os.urandom(chance.randint(0, 1400)), os.urandom(60_000), text[: chance.randrange(900)],
                           bytes(bent), dns + b"\xc0\x0c" * chance.randint(1, 600), dns + os.urandom(200),
                           text.replace(b"Types>", b"Types>" + b"A" * 50_000)):  # fmt: skip
                for port in (5353, 3702, 5355):
                    try:
                        gun.sendto(packet, (address, port))
                    except OSError:
                        time.sleep(0.01)
            if number % 50 == 0:
                time.sleep(0.02)
    for junk in (os.urandom(3000), b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET " + b"/" * 70_000, b""):
        with socket.create_connection((address, 3702), 20) as line:
            line.sendall(junk)


def test_our_own_ear_survives_what_others_say() -> None:
    chance = random.Random(3)
    good = multicast._question("_everpx._tcp.local")
    for _ in range(4000):
        head = bytes([0, 0, 0x84, 0, 0, chance.randrange(2), 0, chance.randrange(255), 0, 0, 0, chance.randrange(255)])
        body = chance.choice((os.urandom(chance.randrange(300)), b"\xc0\x0c" * 100, good[12:] * 3, b"\x3f" * 300))
        try:
            records = multicast._records(head + body)
        except multicast.Nonsense:
            continue
        multicast._sorted_out("_everpx._tcp.local", records)


@pytest.mark.finding("not_announced")
def test_somebody_elses_mdns_is_a_finding_and_not_a_failure(health_page: HealthPage, house: House) -> None:
    health_page.looks = house.look

    def occupy() -> socket.socket:
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("", multicast.PORT))
        return other

    with house.station.do(occupy):
        told = house.settle()
        assert told.problem is not None and told.problem["code"] == "mdns_taken"
        assert house.findings() == ["not_announced"]
        health_page.sees("not_announced")
        assert told.addresses == (house.station.address,)
    assert house.settle().problem is None
    assert house.findings() == []
    health_page.no_longer("not_announced")


@pytest.mark.finding("not_heard")
def test_a_name_that_leads_nowhere_is_told_until_it_leads_here(health_page: HealthPage, house: House) -> None:
    health_page.looks = house.look
    house.settle()
    assert "not_heard" not in health_page.look()
    avahi = house.supervisor.running[privileged.AVAHI.name].process
    os.kill(avahi.pid, signal.SIGSTOP)  # it hangs: it is there, and answers nobody
    try:
        health_page.sees("not_heard")
    finally:
        os.kill(avahi.pid, signal.SIGCONT)
    health_page.no_longer("not_heard")


def test_a_station_for_this_computer_alone_says_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.settle()
    monkeypatch.setenv("EVERPX_LISTEN", "127.0.0.1:8080 [::1]:8080")
    told = house.settle()
    assert (told.name, told.port, told.kinds) == ("", None, ())
    assert not services.is_running(privileged.AVAHI)
    assert house.seen_by(house.others[0], "_http._tcp") == {}
    assert house.findings() == []


def test_avahi_holds_no_drive_and_is_not_root(house: House) -> None:
    """A program with a view of its own keeps what is in it: a drive that was there would stay busy for ever."""
    point = house.here.mounts / "HOT-1"
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(point)], check=True, timeout=20)
    try:
        house.settle()
        pid = house.supervisor.running["avahi"].process.pid
        seen = Path(f"/proc/{pid}/mountinfo").read_text()
        assert str(house.here.run / "discovery/conf") in seen or "/etc/avahi" in seen
        assert str(point) not in seen
        assert Path(f"/proc/{pid}/cmdline").read_text().startswith("/usr/sbin/avahi-daemon")
        assert re.search(r"CapEff:\s+0+$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    finally:
        subprocess.run(["umount", str(point)], check=True, timeout=20)

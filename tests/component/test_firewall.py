"""The image’s firewall in a home of its own: who reaches which port, with the real rules and the units’ own words."""

import re
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.component.home_network import Computer, home_network
from tests.component.test_units import UNITS
from tests.root import need_root

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
RULES = UNITS.parents[1] / "everpx/firewall.nft"
SMB, NFS = UNITS / "everpx-smbd.service", UNITS / "nfs-server.service.d/everpx.conf"
KIN = {"10.86.0.1": "10.86.0.2", "fd00:86::1": "fd00:86::2"}  # the station, and a computer at home
BESIDE = "2001:db8:86::1", "2001:db8:86::2"  # a home's own network of public addresses
FOREIGN = {"10.86.0.1": "203.0.113.9", "2001:db8:86::1": "2001:db8:99::9"}
LISTENING = (22, 80, 443, 445, 2049, 8080)


class Doors:
    """A station with programs behind many ports, and a computer with addresses of the home and of strangers."""

    def __init__(self, station: Computer, other: Computer, third: Computer) -> None:
        self.station, self.other, self.third = station, other, third
        self.listening: list[socket.socket] = station.do(self._listen)

    def _listen(self) -> list[socket.socket]:
        return [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in LISTENING]

    def load(self) -> None:
        """What everpx-firewall.service does."""
        self.station.run("nft", "--file", str(RULES)).check_returncode()

    def unit(self, unit: Path, key: str, ports: str = "") -> None:
        """What systemd runs for one line of a unit, with what the broker wrote into its environment."""
        line = re.search(rf"^{key}=\+?(.*nft.*)$", unit.read_text(), re.MULTILINE)
        assert line
        self.station.run(*(word.replace("${PORTS}", ports) for word in shlex.split(line[1]))).check_returncode()

    def knock(self, at: str, port: int, source: str, by: Computer | None = None) -> str:
        """``open``, ``refused`` or ``silent``."""

        def try_it() -> str:
            family = socket.AF_INET6 if ":" in at else socket.AF_INET
            with socket.socket(family) as one:
                one.settimeout(0.7)
                one.bind((source, 0))
                try:
                    one.connect((at, port))
                except ConnectionRefusedError:
                    return "refused"
                except TimeoutError:
                    return "silent"
            return "open"

        return str((by or self.other).do(try_it))

    def seen(self, who: dict[str, str]) -> dict[int, set[str]]:
        """Every port, as these computers find it."""
        return {port: {self.knock(at, port, source) for at, source in who.items()} for port in LISTENING}

    def asks(self, port: int, to: tuple[str, int], answer_from: str) -> bytes:
        """What the station hears when it asks ``to`` from ``port`` and somebody else answers."""

        def ask() -> socket.socket:
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            one.settimeout(0.7)
            one.bind(("10.86.0.1", port))
            one.sendto(b"who is here?", to)
            return one

        def answer() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.bind((answer_from, 9999))
                one.sendto(b"I am", ("10.86.0.1", port))

        with self.station.do(ask) as asking:
            self.other.do(answer)
            try:
                return bytes(asking.recv(100))
            except TimeoutError:
                return b""


@pytest.fixture
def doors(program: Callable[[str], str]) -> Iterator[Doors]:
    need_root()
    for name in ("nft", "ip"):
        program(name)
    with home_network(third=True) as (station, other, third):
        for one, words in (
            *((station, f"addr add {at}/64 dev eth0 nodad") for at in ("fd00:86::1", BESIDE[0])),
            *((other, f"addr add {at}/64 dev eth0 nodad") for at in ("fd00:86::2", BESIDE[1])),
            (other, "addr add 203.0.113.9/32 dev eth0"),
            (other, "addr add 2001:db8:99::9/128 dev eth0 nodad"),
            (station, "route add 203.0.113.0/24 dev eth0"),
            (station, "-6 route add 2001:db8:99::/64 dev eth0"),
        ):
            one.run("ip", *words.split()).check_returncode()
        there = Doors(station, other, third)
        yield there
        for one in there.listening:
            one.close()


def test_only_the_home_is_let_in_and_only_where_something_is_offered(doors: Doors) -> None:
    assert doors.seen(FOREIGN) == {port: {"open"} for port in LISTENING}, "the test's own network is good"
    doors.load()
    assert doors.seen(KIN) == {port: {"open"} if port in (80, 443) else {"refused"} for port in LISTENING}
    assert doors.seen(FOREIGN) == {port: {"silent"} for port in LISTENING}

    at, source = BESIDE
    assert doors.knock(at, 80, source) == "silent"
    doors.station.run("nft", "add element inet everpx beside_us { 2001:db8:86::/64 }").check_returncode()
    assert doors.knock(at, 80, source) == "open"
    assert doors.seen(FOREIGN) == {port: {"silent"} for port in LISTENING}


def test_a_port_is_open_exactly_while_its_program_runs(doors: Doors) -> None:
    doors.load()
    doors.unit(SMB, "ExecStartPre", "tcp . 445")
    doors.unit(NFS, "ExecStartPre", "tcp . 2049")
    doors.load()  # loading the rules again closes nothing
    seen = doors.seen(KIN)
    assert {port for port, how in seen.items() if how == {"open"}} == {80, 443, 445, 2049}
    assert doors.seen(FOREIGN) == {port: {"silent"} for port in LISTENING}

    doors.unit(SMB, "ExecStartPre", "tcp . 8080")  # somebody chose another port
    assert doors.knock("10.86.0.1", 8080, "10.86.0.2") == "open"
    assert doors.knock("10.86.0.1", 445, "10.86.0.2") == "refused"
    doors.unit(SMB, "ExecStopPost")
    doors.unit(NFS, "ExecStopPost")
    assert {port for port, how in doors.seen(KIN).items() if how == {"open"}} == {80, 443}


def test_who_was_asked_by_shouting_may_answer(doors: Doors) -> None:
    doors.station.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0").check_returncode()
    doors.load()
    assert doors.asks(40001, ("10.86.0.77", 9999), "10.86.0.2") == b"", "nobody asked this one"
    assert doors.asks(40002, ("10.86.0.255", 9999), "10.86.0.2") == b"I am"
    assert doors.asks(40003, ("224.0.0.251", 5353), "10.86.0.2") == b"I am"
    assert doors.asks(40004, ("10.86.0.255", 9999), "203.0.113.9") == b""


def test_a_station_is_no_router(doors: Doors) -> None:
    beyond = "198.51.100.1"
    doors.third.run("ip", "addr", "add", f"{beyond}/32", "dev", "lo").check_returncode()
    doors.station.run("ip", "route", "add", beyond, "via", doors.third.address).check_returncode()
    doors.station.run("sysctl", "-w", "net.ipv4.ip_forward=1").check_returncode()
    doors.other.run("ip", "route", "add", beyond, "via", doors.station.address).check_returncode()
    assert doors.knock(beyond, 80, "10.86.0.2") == "refused", "the way there is good"
    doors.load()
    assert doors.knock(beyond, 80, "10.86.0.2") == "silent"

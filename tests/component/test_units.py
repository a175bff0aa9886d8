"""The units of the image: as closed as they were when last looked at, and the same programs as the launcher's."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.places import Places

pytestmark = pytest.mark.component
ROOT = Path(__file__).parents[2]
UNITS = ROOT / "rootfs/usr/lib/systemd/system"
#: exposure as systemd counts it, 0 (nothing) to 10 (everything); lower it when a unit gets better, never raise it
MOST_EXPOSED = {
    "avahi": 1.5,
    "wsdd2": 1.4,
    "smbd": 4.4,
    "settle": 2.2,
    "trial": 2.8,
    "broker": 4.5,
    "console": 0.7,
    "firewall": 1.6,
    "prepare": 1.1,
    "web": 1.7,
    "worker": 2.9,
}

#: units whose program must be root
ROOTS = {"everpx-broker", "everpx-firewall", "everpx-smbd", "everpx-settle", "everpx-trial"}


@pytest.mark.parametrize("name", sorted(MOST_EXPOSED))
def test_a_unit_is_no_more_exposed_than_it_was(name: str, program: Callable[[str], str]) -> None:
    argv = [
        program("systemd-analyze"),
        "security",
        "--offline=true",
        "--no-pager",
        str(UNITS / f"everpx-{name}.service"),
    ]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
    found = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert found, said[-300:]
    assert float(found[1]) <= MOST_EXPOSED[name]


def test_every_unit_has_its_limit_and_names_a_module_that_exists() -> None:
    units = {path.stem.removeprefix("everpx-"): path.read_text() for path in UNITS.glob("*.service")}
    assert set(units) == set(MOST_EXPOSED)
    for text in units.values():
        for module in re.findall(r"^Exec\w+=.* -m (\S+)", text, re.MULTILINE):
            assert importlib.util.find_spec(module), module


def test_what_starts_early_ends_before_the_card_is_let_go_and_waits_for_nothing_that_starts_late() -> None:
    early = [path for path in UNITS.glob("*.s*") if path.is_file() and "DefaultDependencies=no" in path.read_text()]
    assert {path.name for path in early} >= {"everpx-prepare.service", "everpx-console.service", "everpx-broker.socket"}
    for path in early:
        orders = dict.fromkeys(("After", "Before", "Conflicts"), "")
        for word, units in re.findall(r"^(After|Before|Conflicts)=(.*)$", path.read_text(), re.MULTILINE):
            orders[word] += f" {units}"
        assert "shutdown.target" in orders["Before"] and "shutdown.target" in orders["Conflicts"], path.name
        if "EVERPX_DATA" in path.read_text():
            assert re.search(r"^RequiresMountsFor=.*/var/lib/everpx\b", path.read_text(), re.MULTILINE), path.name
            assert "PrivateTmp=yes" not in path.read_text()  # waits for all folders of the system
        assert all(unit.startswith("everpx-") for unit in orders["After"].split()), path.name
    assert "systemd-tmpfiles --create everpx.conf" in (ROOT / "image/boot/init").read_text()


def test_the_console_waits_for_its_database_and_tells_systemd_once_it_can_be_reached(tmp_path: Path) -> None:
    """The worker, which waits for that word, would otherwise wait ten minutes."""
    unit = (UNITS / "everpx-console.service").read_text()
    assert "Type=notify" in unit and "-m console.serve --when-prepared" in unit
    home = Places(tmp_path / "data", tmp_path / "run")
    home.data.mkdir()
    home.run.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        told = {"EVERPX_DATA": str(home.data), "EVERPX_RUN": str(home.run), "NOTIFY_SOCKET": str(tmp_path / "notify")}
        words = [sys.executable, "-m", "console.serve", "--when-prepared"]
        console = subprocess.Popen(words, env=os.environ | told, cwd=ROOT)
        try:
            with pytest.raises(TimeoutError):
                systemd.recv(100)
            assert list(home.data.iterdir()) == [] and console.poll() is None
            words = [sys.executable, "-m", "appliance.station.prepare"]
            subprocess.run(words, env=os.environ | told, cwd=ROOT, check=True, timeout=60)
            systemd.settimeout(60)
            assert systemd.recv(100) == b"READY=1"
            with socket.socket(socket.AF_UNIX) as visitor:
                visitor.connect(str(home.run / "console.sock"))
        finally:
            console.terminate()
            console.wait(30)


def test_whoever_renders_the_front_door_opens_the_same_ports() -> None:
    said = {}
    for name in ("prepare", "console", "worker"):
        text = (UNITS / f"everpx-{name}.service").read_text()
        said[name] = re.findall(r'"EVERPX_LISTEN=([^"]*)"', text)
    assert set(map(tuple, said.values())) == {("80 [::]:80 443/tls [::]:443/tls",)}


def test_only_these_are_root() -> None:
    for path in UNITS.glob("*.service"):
        as_somebody = re.search(r"^(User=(everpx|avahi)|DynamicUser=yes)$", path.read_text(), re.MULTILINE)
        assert bool(as_somebody) == (path.stem not in ROOTS), path.name


def test_what_root_mounts_is_seen_by_all() -> None:
    """A unit with a mount namespace of its own would keep the drives it mounts to itself."""
    broker = (UNITS / "everpx-broker.service").read_text()
    own_namespace = ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ReadOnlyPaths",
                     "ReadWritePaths", "ProtectKernelTunables", "ProtectControlGroups", "ProtectProc", "ProcSubset",
                     "ProtectKernelLogs", "ProtectKernelModules", "ProtectHostname")  # fmt: skip
    assert [line for line in broker.splitlines() if line.startswith(own_namespace)] == []

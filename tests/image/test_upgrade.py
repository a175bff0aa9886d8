"""Upgrades on the real thing: installed, tried, kept; broken ones come back and say why; the power goes in between."""

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image.build import stamp
from image.build.arch import ARCHES
from image.build.station import Station
from tests.image.machine import Box, Machine
from tests.image.range_server import serving
from tests.image.versions import NEXT, PANICS, UNWELL, Versions, on_a_disk

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]
PYTHON = "/opt/everpx/bin/python"
DATABASE = "/var/lib/everpx/everpx.db"
ROWS = f"""{PYTHON} -c "import sqlite3; rows = sqlite3.connect('file:{DATABASE}?mode=ro', uri=True)
print(rows.execute('select version_num from alembic_version').fetchone()[0])
print(rows.execute('select count(*) from sqlite_master where name = \\"of_the_future\\"').fetchone()[0])" """
ARM = f'{PYTHON} -c "from appliance.upgrade import boot; boot.here().arm()"'


@pytest.fixture(scope="session")
def versions(built: stamp.Built, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return Versions(ARCHES[str(built.facts["arch"])], tmp_path_factory.mktemp("versions"))


class Upgrading:
    """A station with a disk of bundles beside its own."""

    def __init__(self, plug_in: Callable[..., Machine], box: Box, disk: Path) -> None:
        self.plug_in, self.box, self.disk = plug_in, box, disk
        self.machine: Machine

    def with_bundles(self, *bundles: Path) -> "Upgrading":
        disk = on_a_disk(list(bundles), self.disk.with_suffix(".bundles"))
        words = ("-drive", f"file={disk},format=raw,if=none,id=bundles,readonly=on",
                 "-device", "virtio-blk-pci,drive=bundles,serial=bundles")  # fmt: skip
        self.box = replace(self.box, more=(*self.box.more, *words))
        return self

    def start(self) -> None:
        """Plug it in, and wait until its console answers."""
        self.machine = self.plug_in(self.disk, self.box)
        self.machine.guest.wait(600)
        self.settled()

    def settled(self) -> None:
        self.machine.answers("/wizard")
        self.run("mkdir -p /run/bundles; test ! -e /dev/disk/by-id/virtio-bundles || mountpoint -q /run/bundles || "
                 "mount -o ro /dev/disk/by-id/virtio-bundles /run/bundles")  # fmt: skip

    def run(self, command: str, within_s: float = 120) -> str:
        return self.machine.guest.run(command, within_s).strip()

    def install(self, bundle: str) -> None:
        self.run(f"rauc install {bundle}", 900)

    def restart(self, expected: str, *, armed: bool = False) -> None:
        """In order; the loader then says ``expected``."""
        already = self.machine.said().count("EVERPX-GRUB slot")
        self.run(f"{ARM if armed else 'true'} && systemctl reboot")
        self.starts(already + 1, expected)

    def starts(self, number: int, expected: str, within_s: float = 900) -> None:
        """Wait until the loader has spoken so often, and hold what it said last against what is expected."""
        found: list[str] = []

        def spoken() -> bool:
            found[:] = re.findall(r"EVERPX-GRUB (slot=\w trial=\d)", self.machine.said())
            return len(found) >= number

        self.machine.until(f"start number {number}", spoken, within_s)
        assert found[number - 1] == expected

    def again(self) -> None:
        """The shell, after the machine has restarted by itself or in order."""
        self.machine.guest.wait(600)

    def cut(self) -> None:
        self.machine.pull_the_plug()
        self.start()

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("cat /data/upgrade/attempt.json"))
        return found

    @property
    def why(self) -> str:
        def said(message: dict[str, Any]) -> str:
            fields = {k: said(v) if isinstance(v, dict) else v for k, v in message["fields"].items()}
            return str(message["template"].format(**fields))

        return said(self.record["why"])

    @property
    def slot(self) -> str:
        return self.run("sed -n 's/.*rauc.slot=\\([AB]\\).*/\\1/p' /proc/cmdline")

    @property
    def version(self) -> str:
        return str(json.loads(self.run("cat /usr/lib/everpx/release"))["version"])

    def state(self) -> tuple[str, str]:
        return self.slot, str(self.record["state"])


@pytest.fixture
def station(plug_in: Callable[..., Machine], box: Box, stamped: tuple[Station, Path]) -> Iterator[Upgrading]:
    disk = stamped[1]
    yield Upgrading(plug_in, box, disk)
    disk.unlink()
    disk.with_suffix(".bundles").unlink(missing_ok=True)


def test_the_next_version_is_installed_tried_and_kept(station: Upgrading, versions: Versions) -> None:
    """And a power cut before its trial changes nothing (F18)."""
    station.with_bundles(versions.good()).start()
    before = station.version
    assert station.run("systemctl show -p Result --value everpx-settle.service") == "success"
    assert station.run("test -e /run/everpx/trial || echo none") == "none"
    station.install(f"/run/bundles/*-{NEXT}.raucb")
    assert station.state() == ("A", "staged")
    station.cut()
    assert station.state() == ("A", "staged") and station.version == before
    station.restart("slot=A trial=0")
    station.again()
    assert station.state() == ("A", "staged"), "nor does a restart that was not meant for it"
    station.restart("slot=B trial=1", armed=True)
    station.machine.marker(r"EVERPX-INIT slot=B trial=1 root=/dev/\w+6 ")
    station.machine.marker("EVERPX-TRIAL kept")
    station.again()
    assert station.state() == ("B", "kept") and station.version == NEXT
    status = json.loads(station.run("rauc status --output-format=json"))
    assert status["booted"] == "B" and status["boot_primary"] == "root.1"
    assert station.run("test -e /run/everpx/trial || test -e /data/upgrade/before || echo none") == "none"
    station.cut()
    assert station.state() == ("B", "kept"), "for good"
    code, said = station.machine.guest.tried(f"rauc install /run/bundles/*-{NEXT}.raucb", 600)
    assert code == 0, f"into A this time: {said}"
    assert station.record["slot"] == "A"


def test_a_version_that_panics_comes_back_and_says_why(station: Upgrading, versions: Versions) -> None:
    station.with_bundles(versions.panics()).start()
    station.install(f"/run/bundles/*-{PANICS}.raucb")
    station.restart("slot=B trial=1", armed=True)
    station.machine.marker("Kernel panic", 120)
    station.starts(3, "slot=A trial=0")
    station.again()
    station.settled()
    assert station.state() == ("A", "came_back") and "did not start" in station.why
    assert station.run("rauc status --output-format=json | grep -o 'boot_primary\":\"[a-z0-9.]*'").endswith("root.0")


def test_a_version_that_is_not_well_comes_back_with_the_database_as_it_was(
    station: Upgrading, versions: Versions
) -> None:
    station.with_bundles(versions.unwell()).start()
    before = station.run(ROWS)
    assert before.splitlines()[1] == "0"
    station.install(f"/run/bundles/*-{UNWELL}.raucb")
    station.restart("slot=B trial=1", armed=True)
    station.again()
    station.machine.until("the migration", lambda: station.machine.guest.tried(ROWS)[1].strip().endswith("1"), 300)
    assert station.run("stat -c '%U %G %a' /run/everpx/trial") == "root everpx 640"
    station.machine.marker("EVERPX-TRIAL .*console did not answer")
    station.starts(3, "slot=A trial=0")
    station.again()
    station.settled()
    assert station.state() == ("A", "came_back") and "console did not answer" in station.why
    assert station.run(ROWS) == before
    assert station.run(f"stat -c %U {DATABASE}") == "everpx"


def test_the_power_goes_while_it_is_installed(station: Upgrading, versions: Versions) -> None:
    """F14.  Whenever it goes, the version that ran runs, says so, and takes the same bundle afterwards."""
    station.with_bundles(versions.good()).start()
    version = station.version
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(4):
        station.run(f"systemd-run --collect rauc install /run/bundles/*-{NEXT}.raucb".replace("*", "everpx-" + str(
            station.box.arch)))  # fmt: skip
        time.sleep(chance.uniform(0.2, 6 if station.box.arch == "amd64" else 60))
        station.cut()
        assert station.slot == "A" and station.version == version
        state = station.record["state"]
        assert state in ("refused", "staged") and (state == "staged" or "lost its power" in station.why)
    station.install(f"/run/bundles/*-{NEXT}.raucb")
    station.restart("slot=B trial=1", armed=True)
    station.machine.marker("EVERPX-TRIAL kept")


def test_what_is_not_for_this_station_is_refused_with_the_reason(station: Upgrading, versions: Versions) -> None:
    """F19."""
    wrong = versions.refused()
    station.with_bundles(*wrong.values()).start()
    for words, bundle in wrong.items():
        code, said = station.machine.guest.tried(f"rauc install /run/bundles/{bundle.name}", 300)
        assert code != 0 and words in said, said
    assert station.run("test -e /data/upgrade/attempt.json || echo none") == "none", "nothing was begun"
    denied = station.machine.guest.tried(
        "setpriv --reuid=everpx --regid=everpx --clear-groups busctl call de.pengutronix.rauc / "
        "de.pengutronix.rauc.Installer Install s /run/bundles/x"
    )
    assert denied[0] != 0 and "denied" in denied[1].lower(), denied


def test_a_bundle_is_installed_while_it_is_read_from_a_server(station: Upgrading, versions: Versions) -> None:
    with serving(versions.good().parent) as (port, asked):
        station.box = replace(station.box, internet=True)
        station.start()
        station.install(f"http://10.0.2.2:{port}/{versions.good().name}")
        assert station.state() == ("A", "staged") and len(asked) > 10
        assert station.run("ps -C rauc -o user= | sort -u || true") in ("root", "")


def test_a_version_that_hangs_on_trial_comes_back(station: Upgrading, versions: Versions) -> None:
    """F17: nothing gets a turn any more, so nobody feeds the watchdog."""
    station.box = replace(station.box, more=("-device", "i6300esb", "-action", "watchdog=reset"))
    station.with_bundles(versions.good()).start()
    station.install(f"/run/bundles/*-{NEXT}.raucb")
    # a trial that takes its time
    station.restart("slot=B trial=1", armed=True)
    station.again()
    station.run("systemctl stop everpx-trial.service; test -e /run/everpx/trial; test -c /dev/watchdog")
    station.machine.until(
        "the watchdog", lambda: "active" in station.run("cat /sys/class/watchdog/watchdog0/state"), 60, every_s=2
    )
    hog = "setsid chrt -f 99 taskset -c {} sh -c 'while :; do :; done' &"
    # two mercies of the kernel for whoever is starved: a share of each second, and since 6.12 a server of its own
    station.run("mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; "
                "echo -1 >/proc/sys/kernel/sched_rt_runtime_us; "
                "for server in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do echo 0 >$server; done")  # fmt: skip
    station.run(f'systemd-run --collect sh -c "sleep 1; {hog.format(0)} {hog.format(1)} wait"')
    station.starts(3, "slot=A trial=0", 300)
    station.again()
    station.settled()
    assert station.state() == ("A", "came_back") and "stopped before it could show" in station.why

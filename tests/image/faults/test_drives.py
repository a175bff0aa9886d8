"""Drives that are pulled, rot or refuse, in the middle of something (F1, F2, F3, F6, F7, F8)."""

import contextlib
import os
import time
from typing import Any

import pytest
import smbclient
from smbprotocol.exceptions import SMBException

from tests.image import other_computer
from tests.image.drives import Drive
from tests.image.home import OWNER, Refused
from tests.image.life import Life
from tests.photos import jpeg

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]
SLOW = 2_000_000  # bytes a second
LARGE = 1_000_000
MOUNT = "/run/everpx/drives/HOT-1"


def _fill(life: Life, count: int, size: int = LARGE) -> None:
    """Photos of some size, all of them acknowledged."""
    for number in range(count):
        life.home.put(f"new-{number}.jpg", jpeg(100 + number) + os.urandom(size))


def _copying(life: Life) -> tuple[dict[str, Any], dict[str, Any]]:
    """COLD, and a copy onto it that has begun to write."""
    cold = life.home.drive(life.cold.serial)
    assert cold
    job = life.home.ask("POST", f"/backup/{cold['id']}/run")

    def begun() -> bool:
        now = life.home.ask("GET", f"/jobs/{job['id']}")
        return bool(now["state"] == "running" and now["percent"] > 0)

    life.home.until("the copy under way", begun)
    return cold, job


def _plugged(life: Life, drive: Drive) -> bool:
    """Whether the station sees a drive of its own."""
    found = life.home.drive(drive.serial)
    return bool(found and found["plugged_in"])


def test_f1_cold_is_pulled_while_it_is_written(life: Life) -> None:
    _fill(life, 20)
    life.machine.usb.pace(life.cold, SLOW)
    cold, job = _copying(life)
    life.machine.usb.pull(life.cold)
    stopped = life.home.until(
        "the copy to notice", lambda: (now := life.home.ask("GET", f"/jobs/{job['id']}"))["state"] != "running" and now
    )
    assert stopped["state"] in ("interrupted", "waiting", "failed"), stopped
    life.home.check_kept()
    other_computer.proven(life.cold, life.folder)
    life.machine.usb.plug(life.cold)
    life.home.until("COLD seen", lambda: _plugged(life, life.cold))
    if stopped["state"] == "failed":
        job = life.home.ask("POST", f"/backup/{cold['id']}/run")
    life.home.done(job)
    life.home.check_kept()
    life.machine.pull_the_plug()
    assert other_computer.proven(life.cold, life.folder) >= len(life.home.kept)


def test_f2_hot_is_pulled_while_a_computer_writes_to_it(life: Life) -> None:
    door = life.home.share
    share = rf"\\127.0.0.1\{OWNER}"
    smbclient.register_session("127.0.0.1", **door)
    written = []
    with pytest.raises((SMBException, OSError)):
        for number in range(200):
            with smbclient.open_file(rf"{share}\film-{number}.bin", mode="wb", **door) as film:
                film.write(os.urandom(LARGE))
            written.append(number)
            if number == 2:
                life.machine.usb.pull(life.hot)
    with contextlib.suppress(SMBException, OSError, ValueError):
        smbclient.reset_connection_cache()
    life.home.until("HOT away", lambda: not _plugged(life, life.hot))
    life.home.until("nothing mounted there", lambda: life.machine.guest.tried(f"mountpoint -q {MOUNT}")[0] != 0)
    assert life.machine.guest.run(f"find {MOUNT} -type f 2>/dev/null | head").strip() == "", (
        "nothing in the empty place"
    )
    with pytest.raises((Refused, OSError)):
        life.home.put("while-away.jpg", jpeg(77))
    life.home.says("drive_missing")
    life.machine.usb.plug(life.hot)
    life.home.here(life.hot.serial)
    life.home.check_kept()
    life.home.put("back-again.jpg", jpeg(78))
    life.home.check_kept()


def test_f3_both_drives_vanish_at_once(life: Life) -> None:
    _fill(life, 10)
    life.machine.usb.pace(life.cold, SLOW)
    _copying(life)
    life.machine.usb.pull(life.hot, life.cold)

    def gone() -> bool:
        return not any(one["plugged_in"] for one in life.home.ask("GET", "/drives")["drives"])

    life.home.until("both away", gone)
    life.home.says("drives_all_gone")  # one finding, about power and cables
    life.machine.usb.plug(life.hot)
    life.machine.usb.plug(life.cold)
    life.home.here(life.hot.serial)
    life.home.check_kept()
    cold = life.home.drive(life.cold.serial)
    assert cold
    life.home.until("copies at rest", life.home.at_rest, 900)
    life.home.copied(cold)
    life.home.check_kept()


def _sectors(life: Life, name: str) -> range:
    """Where a file lies on the whole drive, in sectors of 512 bytes."""
    found = life.machine.guest.run(f"find {MOUNT} -name {name}").split()[0]
    life.machine.guest.run(f"sync; filefrag -v -b512 {found}")
    line = next(
        line
        for line in life.machine.guest.run(f"filefrag -v -b512 {found}").splitlines()
        if line.strip().startswith("0:")
    )
    first = int(line.split(":")[2].split("..")[0])
    device = life.machine.guest.run(f"findmnt -no SOURCE {MOUNT}").strip()
    start = int(life.machine.guest.run(f"cat /sys/class/block/{device.rpartition('/')[2]}/start 2>/dev/null || echo 0"))
    return range(start + first, start + first + 8)


def test_f6_a_file_on_hot_cannot_be_read_any_more(life: Life) -> None:
    _fill(life, 3)
    life.machine.usb.spoil(life.hot, _sectors(life, "new-1.jpg"), writes=False)
    life.machine.guest.run("sync; echo 3 >/proc/sys/vm/drop_caches")
    cold = life.home.drive(life.cold.serial)
    assert cold
    ended = life.home.ended(life.home.ask("POST", f"/backup/{cold['id']}/run"))
    run = life.home.ask("GET", "/backup/runs")
    log = life.home.ask("GET", f"/jobs/{ended['id']}/log")
    assert "new-1.jpg" in f"{log}{ended}", (ended, log, run)
    life.machine.usb.heal(life.hot)
    life.machine.guest.run("echo 3 >/proc/sys/vm/drop_caches")
    life.home.check_kept()
    life.home.until("copies at rest", life.home.at_rest, 900)
    life.home.copied(cold)
    life.machine.pull_the_plug()
    assert other_computer.proven(life.cold, life.folder) >= len(life.home.kept), "the others, and then this one, too"


def test_f7_cold_refuses_what_is_written(life: Life) -> None:
    _fill(life, 20)
    life.machine.usb.pace(life.cold, SLOW)
    cold, job = _copying(life)
    life.machine.usb.spoil(life.cold, None, reads=False)
    stopped = life.home.until(
        "the copy to stop",
        lambda: (now := life.home.ask("GET", f"/jobs/{job['id']}"))["state"] != "running" and now,
        600,
    )
    assert stopped["state"] != "done", stopped
    life.home.check_kept()
    life.machine.usb.pull(life.cold)
    other_computer.proven(life.cold, life.folder)
    time.sleep(2)
    life.machine.usb.plug(life.cold)
    life.home.until("COLD seen", lambda: _plugged(life, life.cold))
    life.home.until("copies at rest", life.home.at_rest, 900)
    life.home.copied(cold)
    life.home.check_kept()
    life.machine.pull_the_plug()
    assert other_computer.proven(life.cold, life.folder) >= len(life.home.kept)


def test_f8_hot_turns_read_only(life: Life) -> None:
    _fill(life, 2)
    life.machine.usb.spoil(life.hot, None, reads=False)
    refused = 0
    for number in range(30):
        try:
            life.home.put(f"lost-{number}.jpg", jpeg(300 + number))
        except (Refused, OSError):
            refused += 1
            if refused == 2:
                break
    assert refused, "what cannot be written is never acknowledged"
    life.home.says("drive_read_only")
    life.machine.usb.pull(life.hot)
    life.home.until("HOT away", lambda: not _plugged(life, life.hot))
    life.machine.usb.plug(life.hot)
    life.home.here(life.hot.serial)
    life.home.check_kept()

"""Behind a Raspberry Pi's firmware: the card is found, and the slot is the one that the firmware says."""

import base64
import os
import re
from pathlib import Path

import pytest

from image.build.station import Station
from tests.image.machine import Running
from tests.image.raspberry_pi import CARD, Firmware, asked, copied_to_the_other_slot, put_on_data, reboot_flags

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]

RESTART = """
import subprocess, sys
from appliance.upgrade import boot

if "trial" in sys.argv:
    slots = boot.here()
    slots.folder.mkdir(exist_ok=True)
    slots.stage("B")
    slots.arm()
subprocess.run(["systemctl", "reboot"], check=True)
"""
#: what the kernel is asked to say of each call of the firmware: the tag and the first number that comes with it
WATCHED = (
    "kprobe_event=p:told,rpi_firmware_property,tag=%x1:x32,value=+0(%x2):x32 trace_event=kprobes:told tp_printk"
    " ignore_loglevel"
)
#: instead of the station: its drivers, and then this.  The emulated watchdog bites when it is set, and four emulated
#: processors wait for each other where there are fewer real ones
UNIT = """
[Unit]
DefaultDependencies=no
Wants=systemd-udev-trigger.service
After=systemd-udev-trigger.service
[Service]
Type=oneshot
ExecStart=udevadm settle
ExecStart=/opt/everpx/bin/python /data/restart.py {word}
StandardOutput=tty
StandardError=tty
"""
DOES = (
    "systemd.set_credential_binary=systemd.extra-unit.restarts.service:{unit} systemd.unit=restarts.service"
    " systemd.watchdog_device=/dev/none maxcpus=1"
)


def test_a_pi_starts_from_its_card_in_the_slot_that_its_firmware_names(
    stamped: tuple[Station, Path], logs: Path, tmp_path: Path
) -> None:
    _, card = stamped
    os.truncate(card, CARD)
    copied_to_the_other_slot(card)
    for tryboot, slot, root in ((False, "A", 5), (True, "B", 6), (False, "A", 5)):
        log = logs / f"raspberry-pi-{slot}-{tryboot}.log"
        log.unlink(missing_ok=True)
        firmware = Firmware(card, tryboot)
        assert firmware.partition == {"A": 2, "B": 3}[slot]
        machine: Running = firmware.start(tmp_path, log)
        try:
            found = rf"EVERPX-INIT slot={slot} trial=\S* root=/dev/mmcblk0p{root} data=/dev/mmcblk0p7"
            print(f"slot {slot} after {machine.marker(found, 300):.0f} s")
            assert "cannot go on" not in machine.said()
        finally:
            machine.pull_the_plug()


def test_a_restart_for_a_trial_tells_the_firmware_and_no_other_restart_does(
    stamped: tuple[Station, Path], logs: Path, tmp_path: Path
) -> None:
    _, card = stamped
    os.truncate(card, CARD)
    copied_to_the_other_slot(card)
    script = tmp_path / "restart.py"
    script.write_text(RESTART)
    put_on_data(card, script)
    told = r"rpi_firmware_property\S*\) tag=0x38064 value=(\S+)"
    flag = False
    for word, slot, root in (("trial", "A", 5), ("plainly", "B", 6)):
        log = logs / f"raspberry-pi-restarts-{word}-{slot}.log"
        for old in (log, asked(log)):
            old.unlink(missing_ok=True)
        unit = base64.b64encode(UNIT.format(word=word).encode()).decode()
        machine = Firmware(card, flag).start(tmp_path, log, f"{WATCHED} {DOES.format(unit=unit)}")
        try:
            machine.marker(rf"EVERPX-INIT slot={slot} trial=\S* root=/dev/mmcblk0p{root}", 300)
            print(f"driver in slot {slot} after {machine.marker('everpx_tryboot: loading', 600):.0f} s")
            ended = machine.process.wait(600)
        finally:
            machine.pull_the_plug()
        flag = word == "trial"
        assert ended == 0 and "reboot: Restarting system" in machine.said()
        assert re.findall(told, machine.said()) == (["0x1"] if flag else [])
        assert reboot_flags(log) == flag

"""What the station's programs ask of the kernel at work is what their units allow: each unit kills for anything else.

The launcher starts the programs here, so their calls are looked at with strace: only those that some unit forbids.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.component.loop_drives import until
from tests.component.test_third_party import House
from tests.component.test_units import UNITS

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root"),
]
PHOTOS = Path("/usr/share/backgrounds/mate/nature")
WORDS = {"broker": "appliance.broker.daemon", "console": "console.serve", "web": "nginx", "worker": "jobs.worker"}
BIRTHS = ("clone", "clone3", "fork", "vfork")


def sets() -> dict[str, set[str]]:
    """systemd's names for groups of calls, each with the calls in it."""
    said = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    raw: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith("@"):
            raw[line] = group = []
        elif word := line.partition("#")[0].strip():
            group.append(word)

    def flat(name: str) -> set[str]:
        return {call for word in raw[name] for call in (flat(word) if word.startswith("@") else {word})}

    return {name: flat(name) for name in raw}


def allowed(unit: str, groups: dict[str, set[str]]) -> set[str]:
    """As systemd reads the unit's lines: the first is a list of what is allowed, what follows adds or takes away."""
    found: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        calls = {call for word in line.removeprefix("~").split() for call in groups.get(word, {word})}
        found = found - calls if line.startswith("~") else found | calls
    return found


def asked(trace: str) -> dict[str, set[str]]:
    """Unit -> the calls that its program and what it started made.  Lines as ``strace -f`` writes them."""
    unit_of: dict[str, str] = {}
    found: dict[str, set[str]] = {name: set() for name in WORDS}
    for line in trace.splitlines():
        pid, _, rest = line.partition(" ")
        call = re.match(r"\s*(?:<\.\.\. )?(\w+)(?:\(| resumed>)", rest)
        if call is None:
            continue
        unit = unit_of.get(pid)
        if call[1] in BIRTHS:
            if unit and (child := re.search(r"= (\d+)$", rest)):
                unit_of.setdefault(child[1], unit)
        elif call[1] == "execve":
            started = next((name for name, word in WORDS.items() if unit is None and word in rest), None)
            if started:
                unit_of[pid] = started
        elif unit:
            found[unit].add(call[1])
    return found


def test_no_program_is_killed_for_what_it_asks_of_the_kernel(tmp_path: Path, program: Callable[[str], str]) -> None:
    groups = sets()
    may = {name: allowed((UNITS / f"everpx-{name}.service").read_text(), groups) for name in WORDS}
    watched = {call for name in WORDS for call in groups["@known"] - may[name]}
    trace, python = tmp_path / "trace", tmp_path / "python"
    calls = ",".join(["execve", *BIRTHS, *(f"?{call}" for call in sorted(watched - {"execve", *BIRTHS}))])
    python.write_text(
        f"#!/bin/sh\nexec {program('strace')} -D -f -qqq --seccomp-bpf -s 200 -o {trace} -e trace={calls}"
        f' "{shutil.which("python")}" "$@"\n'
    )
    python.chmod(0o755)
    house = House(tmp_path / "data", str(python))
    with house.open() as anna:
        house.hand_over("Blue-drive", "hot", "Blue")
        cold = house.hand_over("Green-drive", "cold", "Green")
        house.new_photo()
        (hot,) = (place for place in house.places.mounts.glob("HOT-*") if place.is_mount())
        for photo in sorted(PHOTOS.glob("*.jpg"))[:2]:
            shutil.copy(photo, hot / "Anna" / "Photos")
        until(lambda: len(anna.api("GET", "/timeline")["items"]) == 3, 60)
        house.ends(anna.api("POST", f"/backup/{cold}/run"))
        until(lambda: house.newest("library.previews")["state"] == "done", 60)
        assert anna.get("/") and anna.get("/photos/") and anna.get("/drives/")
    made = asked(trace.read_text())
    assert all(made[name] & {"prlimit64", "chown", "mount"} or name == "web" for name in WORDS), "strace saw nothing"
    assert {name: sorted(made[name] - may[name]) for name in WORDS} == {name: [] for name in WORDS}

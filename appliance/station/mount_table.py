"""What is mounted where, as the kernel lists it (device numbers miss a bind mount within one filesystem)."""

import re
import time
from pathlib import Path

from appliance.drives.programs import run
from appliance.errors import ProgramFailed

BUSY_FOR_S = 10.0


def mounts() -> list[tuple[str, Path]]:
    """(source, place) of every mount."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [
        (fields[0], Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))) for fields in lines
    ]


def is_mounted(place: Path) -> bool:
    """Whether something is mounted exactly there."""
    return any(place == other for _, other in mounts())


def below(folder: Path) -> list[Path]:
    """Everything mounted below a folder, the deepest first."""
    places = [place for _, place in mounts() if place.is_relative_to(folder)]
    return sorted(places, key=lambda place: len(place.parts), reverse=True)


def release(folder: Path) -> None:
    """Unmount everything below a folder, waiting some seconds for programs that are about to end.

    Raises ProgramFailed for what stays busy; never lazily, so that what was written is on its drive.
    """
    for place in below(folder):
        end = time.monotonic() + BUSY_FOR_S
        while True:
            try:
                run(["umount", str(place)], timeout=300)
                break
            except ProgramFailed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

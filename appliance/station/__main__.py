"""``python -m appliance.station [--data DIR] [--port N]``; ``… plug NAME`` and ``… unplug NAME`` move test drives."""

import argparse
import os
import sys
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.station import launcher, loop_drives
from appliance.station.home import APP

SIZES = {"M": 10**6, "G": 10**9, "T": 10**12}


def size(text: str) -> int:
    """``8G`` as bytes."""
    number, unit = text[:-1], text[-1:].upper()
    if unit not in SIZES or not number.isdigit():
        raise argparse.ArgumentTypeError("give a size such as 500M or 8G")
    return int(number) * SIZES[unit]


def main() -> None:
    """Run a station, or move one of its drives."""
    options = argparse.ArgumentParser(prog="run-station.sh", description="Run an Everpx station on this machine.")
    options.add_argument("--data", type=Path, default=APP / "station", help="where it keeps everything (station/)")
    options.add_argument("--port", type=int, default=8080, help="of the console (8080)")
    options.add_argument("--tls-port", type=int, help="of https (8443, with another --port: none)")
    options.add_argument(
        "--listen", default="127.0.0.1", help="address of the console; 0.0.0.0 opens it to the network"
    )
    options.add_argument("--drive-size", type=size, default=size("8G"), help="of each test drive, sparse (8G)")
    options.add_argument("--folders", action="store_true", help="plain folders as drives, even with root")
    options.add_argument("action", nargs="?", choices=("run", "plug", "unplug"), default="run")
    options.add_argument("drive", nargs="?", help="for plug and unplug: Blue-drive or Green-drive")
    given = options.parse_args()
    os.umask(0o022)
    data = given.data.absolute()
    try:
        if given.action == "run":
            tls_port = given.tls_port or (8443 if given.port == 8080 and given.tls_port is None else 0)
            tls = f"{given.listen}:{tls_port}" if tls_port else ""
            wish = launcher.Wish(data, f"{given.listen}:{given.port}", given.drive_size, given.folders, tls)
            launcher.launch(wish)
        else:
            _move(given.action, loop_drives.image_named(data / "loop-drives", given.drive or ""))
    except ApplianceError as error:
        sys.exit(f"{error}\n{error.hint}".strip())


def _move(action: str, image: Path) -> None:
    if action == "plug":
        print(f"{image.stem} is plugged in as {loop_drives.attach(image)}.")
    elif loop_drives.unplug(image):
        print(f"{image.stem} was pulled.")
    else:
        print(f"{image.stem} is not plugged in.")


if __name__ == "__main__":
    main()

"""``python -m image.build --arch arm64`` builds an image; ``… --stamp N --out DIR`` gives N stations theirs."""

import argparse
import fcntl
import os
import sys
import time
from pathlib import Path

from image.build import image, keys, repack, stamp
from image.build.arch import ARCHES
from image.build.contents import APP
from image.build.programs import BuildFailed


def main() -> None:
    """Build, or stamp."""
    options = argparse.ArgumentParser(prog="build-image.sh", description="Build the image of a station.")
    options.add_argument("--arch", choices=sorted(ARCHES), default="arm64", help="whose processor (arm64)")
    options.add_argument(
        "--out", type=Path, help="where the results go (build/image/ARCH; with --stamp a folder of yours)"
    )
    options.add_argument("--stamp", type=_several, metavar="N", help="make N stations from the image built last")
    options.add_argument("--built", type=Path, help="with --stamp: where that image is (build/image/ARCH)")
    options.add_argument(
        "--keys", type=Path, metavar="DIR", help="whom the image believes about upgrades, and what signs"
    )
    options.add_argument("--repack", metavar="VERSION", help="the files of the build before, under another version")
    options.add_argument("--raw", action="store_true", help="with --stamp: .img instead of .img.gz")
    given = options.parse_args()
    if given.stamp and not given.out:
        options.error("--stamp needs --out DIR")
    os.umask(0o022)
    cache = Path(os.environ.get("CACHE", "/var/tmp/everpx-image"))
    home = APP / "build/image" / given.arch
    out = (given.out or home).absolute()
    try:
        if given.stamp:
            _stamp(given.stamp, stamp.found(given.built or home), out, raw=given.raw)
            return
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"lock-{given.arch}").open("w") as lock:
            _alone(lock.fileno(), cache)
            if given.repack:
                repack.repacked(ARCHES[given.arch], cache, out, given.repack, keys.found(given.keys, cache))
            else:
                image.build(ARCHES[given.arch], cache, out, keys.found(given.keys, cache))
    except BuildFailed as failed:
        sys.exit(f"\nNot built: {failed}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Nothing is left mounted; what was finished is kept for the next time.")


def _several(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a number of stations")
    return int(text)


def _stamp(number: int, built: stamp.Built, out: Path, *, raw: bool) -> None:
    for _ in range(number):
        began = time.monotonic()
        station = stamp.stamp(built, out, raw=raw)
        print(f"{station.station_id}  {time.monotonic() - began:.1f} s", flush=True)


def _alone(lock: int, cache: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BuildFailed(
            f"Another build is at work in {cache}. Wait for it, or give this one another folder: CACHE=DIR"
        ) from None


if __name__ == "__main__":
    main()

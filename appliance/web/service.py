"""Keeping the front door in step with the drives: render, let the real nginx check it, swap, reload.

Runs as the station's own user, like nginx itself: nobody needs root to open a door, and a front door that is not
root's cannot be used to reach what is.  A text that nginx refuses never replaces another; the old door stays open.
"""

import logging
import os
import re
import signal
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from appliance.drives import records
from appliance.drives.layout import INCOMING
from appliance.drives.records import Record
from appliance.durable import write_atomically
from appliance.errors import ProgramFailed
from appliance.places import Places
from appliance.web import certificate, listening
from appliance.web.nginx import Shelf, Site, Tls, render

log = logging.getLogger("everpx.web")
CHECK_TIMEOUT_S = 60  # a second or two, but a slow card may be busy at the start
RESERVE = 1_000_000_000  # bytes; a HOT drive with less takes no upload that names no drive
HTTP2_APART = (1, 25, 1)
CONFIG = "nginx.conf"
STATIC = Path(__file__).parents[2] / "console" / "static"
PAGES = Path(__file__).parent / "pages"


def shelves(mounts: Path) -> tuple[Shelf, ...]:
    """Drives in use: HOT drives that take uploads first, of those the ones with room, then by number."""
    ours = [r for r in records.all_records(mounts) if r.is_live(mounts) and not r.tag.startswith(records.GUEST)]
    found = [Shelf(r.tag, Path(r.path), _takes_uploads(r)) for r in ours]
    return tuple(
        sorted(found, key=lambda s: (not s.uploads, not _has_room(s.path), int(s.tag.partition("-")[2]), s.tag))
    )


def _takes_uploads(record: Record) -> bool:
    """Whether the folder for uploads is really there and ours to write; a symlink in its place is refused."""
    if record.read_only or not record.tag.startswith("HOT-"):
        return False
    incoming = Path(record.path) / INCOMING
    try:
        real = not incoming.parent.is_symlink() and not incoming.is_symlink() and incoming.is_dir()
        return real and os.access(incoming, os.W_OK | os.X_OK)
    except OSError:  # a drive that is being pulled
        return False


def _has_room(place: Path) -> bool:
    try:
        space = os.statvfs(place)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize > RESERVE


def site(places: Places) -> Site:
    """The front door as it should be now."""
    return Site(
        run=places.run,
        static=STATIC,
        pages=PAGES,
        listen=listening.plain(),
        tls=_tls(places),
        shelves=shelves(places.mounts),
    )


def _tls(places: Places) -> Tls | None:
    """Https, where it is listened for and there is a certificate."""
    listen, found = listening.encrypted(), certificate.load(places)
    if not listen or found is None:
        return None
    return Tls(listen, certificate.place(places), found.mark, http2_apart=_version() >= HTTP2_APART)


@cache
def _version() -> tuple[int, ...]:
    """Which nginx this is; the newest when it does not say."""
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, env=_paths())
        if found := re.search(r"nginx/([0-9]+)\.([0-9]+)\.([0-9]+)", said.stderr):
            return tuple(int(part) for part in found.groups())
    return (999,)


def _paths() -> dict[str, str]:
    return os.environ | {"PATH": os.environ.get("PATH", "") + ":/usr/sbin"}


def command(places: Places, config: str = CONFIG) -> list[str]:
    """How nginx is started."""
    home = places.run / "nginx"
    return ["nginx", "-e", "stderr", "-p", str(home), "-c", str(home / config)]


def as_root(places: Places) -> list[str]:
    """What root has to add: its nginx would give the folders to ``nobody``; it leaves them to whose they are."""
    return ["-g", f"user {(places.run / 'nginx').owner()};"] if os.geteuid() == 0 else []


def refresh(places: Places) -> bool:
    """Bring nginx in step with the mounted drives; True when something changed.  Raises ProgramFailed.

    Idempotent and cheap when nothing changed; safe before nginx runs.  A station that is served without nginx has no
    folder for it, and nothing to do here.
    """
    home = places.run / "nginx"
    if not home.is_dir():
        return False
    text = render(site(places)).encode()
    current = home / CONFIG
    before = current.read_bytes() if current.exists() else None
    if before == text:
        return False
    candidate = home / f"candidate-{os.getpid()}.conf"  # more than one chore may be at it
    write_atomically(candidate, text, mode=0o644)
    try:
        if before is not None:  # of the first nginx says at its start what it thinks: there is none to keep instead
            check(places, candidate.name)
        candidate.replace(current)
    finally:
        candidate.unlink(missing_ok=True)
    reload(places)
    return True


def check(places: Places, config: str) -> None:
    """Let the real nginx judge a configuration.  Raises ProgramFailed with its reason."""
    try:
        done = subprocess.run(
            [*command(places, config), *as_root(places), "-t", "-q"],
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            env=_paths(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramFailed(program="nginx", why=str(error)) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "[emerg]" in line]
        raise ProgramFailed(program="nginx", why=lines[0] if lines else f"status {done.returncode}")


def reload(places: Places) -> bool:
    """Tell a running nginx to read its configuration again; False when none runs."""
    try:
        pid = int((places.run / "nginx" / "nginx.pid").read_text())
        if not _is_nginx(pid):
            return False
        os.kill(pid, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    return True


def _is_nginx(pid: int) -> bool:
    """Whether that process is still the one the number was written for."""
    try:
        return "nginx" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False

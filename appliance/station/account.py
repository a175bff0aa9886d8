"""The user under which a station runs, and whether that user can reach the program at all."""

import pwd
import subprocess
import sys
from pathlib import Path

from appliance.drives.programs import run
from appliance.errors import ProgramFailed
from appliance.station.home import APP, USER, CannotStart, Home
from appliance.station.mount_table import is_mounted


def station_user() -> pwd.struct_passwd:
    """The system user ``everpx``, made if absent.  Needs root."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER])
        return pwd.getpwnam(USER)


def can_read(user: pwd.struct_passwd, path: Path) -> bool:
    """Whether that user gets at a file, through every folder above it."""
    done = subprocess.run(
        ["/usr/bin/test", "-r", str(path)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        timeout=10,
        check=False,
    )
    return done.returncode == 0


def show(home: Home) -> Home:
    """Make program and data reachable for the station's user; returns where that user finds them.

    A checkout below ``/root`` is closed to everybody else.  It stays so: it is shown once more inside the station's
    run folder (a bind mount), which only the station's user may enter.
    """
    program = home.run / "app"
    if can_read(home.user, APP / "appliance" / "places.py") and can_read(home.user, home.data):
        return home
    _bind(APP, program)
    _bind(home.data, home.run / "data")
    if not can_read(home.user, program / "appliance" / "places.py"):
        raise CannotStart(
            why=f"The user {USER}, under which the station runs, cannot read the files in {APP}. "
            f"Allow it with: chmod -R go+rX {APP}"
        )
    return Home(home.run / "data", home.run, home.user, home.rooted, home.listen, home.tls)


def _bind(source: Path, place: Path) -> None:
    place.mkdir(exist_ok=True)
    try:
        run(["mount", "--bind", str(source), str(place)])
    except ProgramFailed as error:
        raise CannotStart(
            why=f"The user {USER}, under which the station runs, cannot read {source} ({error}). "
            "Put the program into a folder that everybody may enter, such as /opt/everpx."
        ) from None


def program_folder(home: Home) -> Path:
    """The checkout as the station's user sees it."""
    shown = home.run / "app"
    return shown if is_mounted(shown) else APP


def interpreter(home: Home) -> str:
    """The Python to run, as the station's user sees it.  Raises CannotStart when that user cannot run it."""
    python = Path(sys.executable)
    if python.is_relative_to(APP):
        python = program_folder(home) / python.relative_to(APP)
    if not can_read(home.user, python):
        raise CannotStart(
            why=f"The user {USER}, under which the station runs, cannot run {python.resolve()}. "
            "Make the environment with /usr/bin/python3: delete .venv and run ./run-station.sh again."
        )
    return str(python)

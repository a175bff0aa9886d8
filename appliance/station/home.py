"""Where a launched station lives: what it keeps, what it needs while it runs, and whether it has root."""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.web.listening import TLS
from appliance.words import N_

APP = Path(__file__).parents[2]  # the checkout, or where the package is installed
USER = "everpx"


class CannotStart(ApplianceError):
    """Something on this machine is in the way; ``why`` says what, and what to do."""

    code, status, template = "cannot_start", 503, N_("{why}")


@dataclass(frozen=True)
class Home:
    """One station on this machine.  ``user`` owns its data; with ``rooted`` drives are real block devices."""

    data: Path
    run: Path
    user: pwd.struct_passwd
    rooted: bool
    listen: str = "127.0.0.1:8080"
    tls: str = ""  # where https is answered; "" is nowhere

    @property
    def places(self) -> Places:
        """The same folders as every other process of the station sees them."""
        return Places(self.data, self.run)

    @property
    def loop_drives(self) -> Path:
        """Images that stand in for USB drives."""
        return self.data / "loop-drives"

    @property
    def doors(self) -> str:
        """``EVERPX_LISTEN``."""
        return f"{self.listen} {self.tls}{TLS}" if self.tls else self.listen

    @property
    def identity(self) -> Path:
        """What makes this station itself, as on an image's data partition; root's where root is the broker."""
        return self.data / "identity"

    @property
    def log(self) -> Path:
        """One file per process."""
        return self.data / "log"

    @property
    def claim_code(self) -> Path:
        """Kept by this launcher only, and only until the station has an owner."""
        return self.data / "claim-code.txt"


def run_folder(data: Path, uid: int) -> Path:
    """Where sockets and mount points go: the same for the same data folder, short enough for a socket's name."""
    name = f"everpx-{hashlib.sha256(os.fsencode(data.absolute())).hexdigest()[:8]}"
    if uid == 0:
        return Path("/run") / name
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / (
        name if "XDG_RUNTIME_DIR" in os.environ else f"{name}-{uid}"
    )


def make(home: Home) -> None:
    """Make every folder, owned and closed as on the image.  Raises CannotStart when somebody else's is in the way."""
    _folder(home.data, 0o750, home.user)
    _folder(home.log, 0o755, home.user)
    if home.rooted:
        _folder(home.run, 0o1770, None, group=home.user.pw_gid)
        _folder(home.loop_drives, 0o700, None)
    else:
        _folder(home.run, 0o700, home.user)
        _folder(home.places.folder_drives, 0o750, home.user)
    _folder(home.run / "nginx", 0o700, home.user)
    roots = None if home.rooted else home.user
    _folder(home.identity, 0o700, roots)
    if os.geteuid() == 0:  # it may have been started in the other way before
        for kept in home.identity.iterdir():
            os.chown(kept, 0 if roots is None else roots.pw_uid, -1, follow_symlinks=False)
    _folder(home.run / "services", 0o755, None if home.rooted else home.user)
    for old in (home.run / "services").iterdir():  # wishes of a launcher that was killed, and what programs left
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()


def _folder(path: Path, mode: int, owner: pwd.struct_passwd | None, group: int = 0) -> None:
    """A real folder of that owner (None: root) and mode; data that another user left behind is not taken over."""
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise CannotStart(why=f"{path} is not a folder. Move it away, or choose another place with --data.")
    wanted = (0, group) if owner is None else (owner.pw_uid, owner.pw_gid)
    if os.geteuid() == 0:
        os.chown(path, *wanted)
    elif facts.st_uid != wanted[0]:
        raise CannotStart(
            why=f"{path} belongs to another user (a station was started there as root?). "
            "Run this as that user, or choose another place with --data."
        )
    path.chmod(mode)

"""Sharing as root does it, without a station around: real smbd, real drives' folders, facts instead of rows."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.broker import services
from appliance.drives import attaching, records
from appliance.station.processes import Supervisor
from plugins.smb import privileged
from plugins.smb.facts import Account, Apply, Share
from plugins.smb.nt_hash import nt_hash
from tests.component.guest_house import guest_house
from tests.component.loop_drives import USER
from tests.component.samba import free_port, listens

PASSWORD = "three green kettles"
ANNA, BEN = 1, 2
NAMES = {ANNA: "Anna", BEN: "Ben Müller"}


@dataclass
class Bed:
    """One Samba, with Anna's folder and the family's on HOT-1."""

    run: Path
    house: Supervisor
    port: int = field(default_factory=free_port)

    @property
    def config(self) -> Path:
        """What smbd reads."""
        return self.run / "services/smb/smb.conf"

    def drive(self, tag: str, path: Path | None = None, filesystem: str = "folder") -> Path:
        """Note a drive as root does; a folder unless something is mounted at ``path`` already."""
        place = path or self.run / "drives" / tag
        place.mkdir(parents=True, exist_ok=True)
        (place / records.FOLDER_MARK).write_text(f"uuid-of-{tag}")
        for name in ("Anna", "Family"):
            (place / name).mkdir(exist_ok=True)
            with suppress(PermissionError):  # exFAT: everything has the owner that it was mounted with
                shutil.chown(place / name, USER)
        record = records.Record(
            tag, f"folder:{tag}", 0, filesystem, f"uuid-of-{tag}", str(place), place.stat().st_dev, False,
            records.boot_id(),
        )  # fmt: skip
        records.write(self.run / "drives", record)
        return place

    def apply(self, *shares: Share, people: Sequence[int] = (ANNA, BEN), **more: Any) -> dict[str, Any]:
        """Share exactly these."""
        secret = nt_hash(PASSWORD).hex().upper()
        accounts = tuple(Account(number, NAMES[number], secret) for number in people)
        return privileged.apply(Apply(accounts, shares, port=self.port, only_here=True, **more))

    def up(self) -> None:
        """Until it answers."""
        until(lambda: listens(self.port))

    def client(self, share: str, commands: str, who: int = ANNA) -> tuple[int, str]:
        """Samba's own client."""
        sign_in = f"{NAMES[who]}%{PASSWORD}"
        words = ["smbclient", f"//127.0.0.1/{share}", "-p", str(self.port), "-m", "SMB3", "-U", sign_in, "-c", commands]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr


@contextmanager
def bed(patch: pytest.MonkeyPatch) -> Iterator[Bed]:
    """In a folder with a short name: Samba's processes talk through sockets, whose names are short."""
    run = Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp"))
    run.chmod(0o755)
    patch.setenv("EVERPX_USER", USER)
    try:
        with guest_house(run, patch) as house:
            attaching.mount_root(run / "drives")
            yield Bed(run, house)
            services.stop(privileged.SMBD)
    finally:
        shutil.rmtree(run, ignore_errors=True)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for it; fail when it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """The processes that it started: one for each client, and helpers."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def shared(name: str = "Family", tag: str = "HOT-1", folder: str = "Family", **more: Any) -> Share:
    """A share that Anna may change and Ben may see."""
    return Share(name, tag, folder, **({"changing": (ANNA,), "seeing": (BEN,)} | more))


def kill(pid: int) -> None:
    """Like a crash."""
    os.kill(pid, 9)

"""What root's side of upgrades is asked, what it checks before it looks further, and why it refuses."""

import fcntl
import re
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.upgrade.documents import LARGEST, is_hash, is_name
from appliance.words import N_

NAME = re.compile(r"[0-9a-f]{32}")


class NothingExamined(ApplianceError):
    """Nobody has looked into this bundle, or another has come since."""

    code, status, template = "upgrade_not_examined", 409, N_("Another new version was looked at since.")
    hint = N_("Have the one that you want looked at once more.")


class NothingStaged(ApplianceError):
    """There is no version that waits for a restart."""

    code, status, template = "upgrade_not_staged", 409, N_("No new version waits for a restart.")


class Undecided(ApplianceError):
    """A version waits for its restart, or is being tried."""

    code, status = "upgrade_undecided", 409
    template = N_("Version {version} has been installed and is waiting to be tried.")
    hint = N_("Restart the station, or call it off first.")


class DriveHeld(ApplianceError):
    """A restart now would tear a drive away from somebody."""

    code, status, template = "upgrade_drive_held", 409, N_("A drive is being used for something that takes a while.")
    hint = N_("The station restarts when that has ended. See Activity.")


class CannotRestart(ApplianceError):
    """The restart was not even begun."""

    code, status, template = "upgrade_cannot_restart", 500, N_("The station could not be restarted: {why}")
    hint = N_("The new version still waits. Pull the plug for a moment, then have it restarted once more.")


class CannotDecide(ApplianceError):
    """The process that decides did not come to an end."""

    code, status, template = "upgrade_cannot_decide", 500, N_("The station could not look into the new version: {why}")
    hint = N_("Nothing was changed. Try again; if this stays, restart the station.")


@dataclass(frozen=True)
class Nothing:
    """No words are needed."""


@dataclass(frozen=True)
class Brought:
    """A file that the console has received, by name; ``channel`` when it was announced there, "" from a hand."""

    name: str
    channel: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError("this is not the name of a file that was received")
        if self.channel and not is_name(self.channel):
            raise ValueError("this is not a channel")


@dataclass(frozen=True)
class Chosen:
    """The one that was examined."""

    manifest: str

    def __post_init__(self) -> None:
        if not is_hash(self.manifest):
            raise ValueError("this is not a hash")


@dataclass(frozen=True)
class KeyList:
    """The next list of keys, as it was published."""

    document: str

    def __post_init__(self) -> None:
        if len(self.document) > LARGEST + 1:  # the one more lets the decision say so in words
            raise ValueError("too long")


@dataclass(frozen=True)
class News:
    """A channel file, as it was published."""

    channel: str
    document: str

    def __post_init__(self) -> None:
        if not is_name(self.channel):
            raise ValueError("this is not a channel")
        if len(self.document) > LARGEST + 1:  # the one more lets the decision say so in words
            raise ValueError("too long")


@dataclass(frozen=True)
class Silent:
    """News was asked for just now in vain; whether other addresses answered."""

    network_works: bool


def is_drive_held(run: Path) -> bool:
    """Whether a job holds a drive (``appliance.drives.leases``); the kernel knows."""
    for path in run.glob("drive-*.lease"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False

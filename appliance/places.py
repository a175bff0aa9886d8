"""Where this station keeps its things.  Two folders of its own: what survives a reboot, and what does not.

``EVERPX_DATA`` (default ``/var/lib/everpx``) is small, backed up onto every drive, and never holds media.
``EVERPX_RUN`` (default ``/run/everpx``) holds sockets, the live inventory and the mount points.
``EVERPX_UPGRADE`` (default ``/data/upgrade``) is root's: what became of upgrades.  The station only reads there.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The paths of one station."""

    data: Path
    run: Path
    upgrade: Path = Path("/data/upgrade")

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "everpx.db"

    @property
    def identity(self) -> Path:
        """Station id and the hash of its claim code, written once by the image build."""
        return self.data / "station.json"

    @property
    def secret_key(self) -> Path:
        """The key that signs cookies, mode 0600."""
        return self.data / "secret.key"

    @property
    def broker_socket(self) -> Path:
        """Where the root daemon listens."""
        return self.run / "broker.sock"

    @property
    def prepared(self) -> Path:
        """Is there once this start's database can be opened (``appliance.station.prepare``)."""
        return self.run / "prepared"

    @property
    def inventory(self) -> Path:
        """The live list of drives, rewritten by the worker on every change."""
        return self.run / "inventory.json"

    @property
    def mounts(self) -> Path:
        """Parent of every drive's mount point."""
        return self.run / "drives"

    @property
    def news(self) -> Path:
        """A file for each HOT drive on which something changed that nobody has looked at yet."""
        return self.mounts / ".news"

    @property
    def compiled_pages(self) -> Path:
        """Templates as the console compiled them; may be deleted at any time."""
        return self.data / "pages"

    @property
    def folder_drives(self) -> Path:
        """Plain folders that stand in for drives where there is no root."""
        return self.data / "folder-drives"


def places() -> Places:
    """The station's places, read from the environment."""
    return Places(
        data=Path(os.environ.get("EVERPX_DATA", "/var/lib/everpx")),
        run=Path(os.environ.get("EVERPX_RUN", "/run/everpx")),
        upgrade=Path(os.environ.get("EVERPX_UPGRADE", Places.upgrade)),
    )

"""What the plugin holds in the console's process.  wsgidav is imported at the first request of a device, not before."""

from flask import current_app

from appliance.library.ingest import Ingest
from console.library.receiving import uploads
from console.station import station
from plugins.webdav.changes import Changes
from plugins.webdav.tree import Trees


class Door:
    """Trees, changes, locks and properties of one station."""

    def __init__(self) -> None:
        from wsgidav.lock_man.lock_manager import LockManager

        from plugins.webdav.locks import Locks
        from plugins.webdav.properties import Properties

        here, into_library = station(), _ingest()
        self.trees = Trees(here.db, here.places)
        self.changes = Changes(here.db, into_library)
        self.locks = LockManager(Locks(here.db))
        self.properties = Properties(here.db)
        self.name = "oc" + here.identity.station_id.replace("-", "")[:10]


def _ingest() -> Ingest:
    """The one door of this process, so that finishers of all kinds share their work."""
    return uploads().door


def door() -> Door:
    """Made when the first device comes."""
    found: Door | None = current_app.extensions.get("everpx.webdav")
    if found is None:
        found = current_app.extensions["everpx.webdav"] = Door()
    return found

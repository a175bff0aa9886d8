"""What lies on HOT and is never copied, by name: links, sockets, devices, what cannot be read.  Each is reported.

A run keeps the list for its page, and leaves it on the COLD drive beside the manifest (``.everpx/not-copied.json``).
Both name the first and count all.
"""

import json
from collections.abc import Sequence
from typing import Any

from appliance.backup import manifest
from appliance.backup.plan import NAMED, UNREADABLE, Sheet
from appliance.drives import layout
from appliance.drives.mounts import Mount
from appliance.durable import write_atomically
from appliance.words import N_

LIST = f"{layout.PRIVATE}/not-copied.json"
#: What a kind is called.
KINDS = {
    "symlink": N_("a link to another place"),
    "socket": N_("a socket, by which two programs talk"),
    "fifo": N_("a pipe between two programs"),
    "device": N_("a device, not a file"),
    "drive": N_("another drive, attached inside this one"),
    UNREADABLE: N_("a folder that could not be read completely"),
}


def described(sheets: Sequence[Sheet]) -> dict[str, Any]:
    """How many there are, and the first of them: ``drive``, ``path`` (as in names.json), ``kind``."""
    named = [
        {"drive": sheet.hot.tag, "path": manifest.shown(path), "kind": kind}
        for sheet in sheets
        for path, kind in sheet.others
    ]
    return {"count": sum(s.numbers.others + s.numbers.unreadable for s in sheets), "named": named[:NAMED]}


def write(cold: Mount, sheets: Sequence[Sheet]) -> None:
    """Leave the list on the COLD drive; none when everything was copied."""
    found = described(sheets)
    if found["count"]:
        write_atomically(cold.path / LIST, json.dumps(found, indent=1).encode(), mode=0o644)
    else:
        (cold.path / LIST).unlink(missing_ok=True)

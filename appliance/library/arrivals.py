"""What arrives: whose it is, what it is on its way through the door, and where on the drive it belongs."""

import os
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from urllib.parse import unquote_to_bytes

from appliance.drives.layout import FILES, PHOTOS, VIDEOS
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.library.formats import Format
from appliance.library.models import MediaKind
from appliance.library.names import safe_name
from appliance.library.taken import Taken
from appliance.words import N_

DEEPEST = 16  # folders below <user>/Files


class WrongContent(ApplianceError):
    """What arrived is not what the sender announced."""

    code, status = "wrong_content", 422
    template = N_("“{name}” was damaged on its way: it is not what was announced.")
    hint = N_("Nothing was stored. Send it again.")


class Incomplete(ApplianceError):
    """The file in the spool is not what it should be."""

    code, status = "incomplete_upload", 409
    template = N_("“{name}” did not arrive completely.")
    hint = N_("Nothing was stored. Send it again.")


@dataclass(frozen=True)
class Arrival:
    """Whose file it is and what the sender says of it."""

    user_id: int
    user_folder: str
    name: str
    folder: str = ""  # "" sorts by date; else below <user>/Files; from "/" on: that folder of the drive (exact_folder)
    modified: datetime | None = None
    digest: bytes | None = None  # announced
    taken: datetime | None = None  # when its owner says it was taken; see Ingest._when
    upload_id: str = ""  # the Upload row that ends with it
    path: bytes = b""  # relative to the drive: exactly there, in place of a file that has the name


@dataclass(frozen=True)
class Stored:
    """A file that is safe on HOT.  ``known``: it was there before, and nothing was stored again."""

    file_id: int
    media_id: int | None
    drive_id: int
    path: bytes  # relative to the drive
    digest: bytes
    size: int
    known: bool = False


@dataclass
class Flushed:
    """A file that is durable under its temporary name."""

    arrival: Arrival
    mount: Mount
    root: int
    spool_folder: int
    spool: bytes
    size: int
    modified_ns: int
    digest: bytes
    format: Format | None
    taken: Taken
    zone: tzinfo
    folder: bytes = b""
    name: bytes = b""
    twin: "Flushed | None" = field(default=None, repr=False)  # the same bytes, finishing at the same moment


def exact_folder(folder: str) -> bytes | None:
    """The folder of the drive that somebody chose, as ``/`` and its percent-encoded path; None for other wishes.

    Whether this person reaches it is asked where the wish comes in (``folders.reached``).
    """
    return unquote_to_bytes(folder[1:]) if folder.startswith("/") else None


def folder_for(arrival: Arrival, found: Format | None, when: Taken) -> str:
    """Where a file belongs: ``Anna/Photos/2026/2026-11``; everything but photos and videos in ``Anna/Files``."""
    if (chosen := exact_folder(arrival.folder)) is not None:
        return os.fsdecode(chosen)
    if arrival.folder:
        parts = [part for part in arrival.folder.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        return "/".join([arrival.user_folder, FILES, *(safe_name(part) for part in parts[:DEEPEST])])
    if found is None:
        return f"{arrival.user_folder}/{FILES}"
    kind = PHOTOS if found.kind is MediaKind.PHOTO else VIDEOS
    return f"{arrival.user_folder}/{kind}/{when.wall.year:04d}/{when.wall.year:04d}-{when.wall.month:02d}"

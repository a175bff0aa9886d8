"""The body of a request that brings a file: where it lies, its date, and whether it is what was sent."""

import hashlib
import os
import zlib
from datetime import UTC, datetime

from flask import request

from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError
from appliance.library import room, spool
from appliance.library.contents import BLOCK
from appliance.words import N_
from console.library.receiving import body_on
from plugins.webdav.changes import Changes
from plugins.webdav.tree import Entry, Parts, Place, Tree

HASHES = {"SHA1": "sha1", "SHA256": "sha256", "MD5": "md5"}


class WrongChecksum(ApplianceError):
    """What arrived is not what the client says it sent."""

    code, status = "wrong_checksum", 400
    template = N_("The file was damaged on its way.")
    hint = N_("Nothing was stored. Send it again.")


def store(changes: Changes, tree: Tree, parts: Parts, there: Entry | None) -> None:
    """Make this request's body the file at ``parts``, durably.  ``there``: the file that it replaces."""
    body = landed(tree)
    if body is not None and there is None:
        room.check(body.mount, 0)
        place = Place(body.mount, tree.path_of(parts))
    else:
        place = changes.target(tree, parts, request.content_length or 0, there)
    if body is None:
        body = changes.receive(place.mount, request.stream.read)
    finish(changes, tree, place, body)


def finish(changes: Changes, tree: Tree, place: Place, body: Place, digest: bytes | None = None) -> None:
    """Check what arrived, store it, and remember its checksum."""
    checksum = request.headers.get("OC-Checksum", "").strip()
    if checksum:
        check(body, checksum)
    stored = changes.store(tree, place, body, modified(), digest)
    if checksum and checksum.partition(":")[0].upper() in HASHES:
        changes.keep_checksum(stored, checksum)


def landed(tree: Tree) -> Place | None:
    """The body that nginx has put on one of the drives."""
    for mount in tree.mounts:
        if name := body_on(mount):
            return Place(mount, name)
    return None


def modified() -> datetime | None:
    """``X-OC-MTime``: when the device last changed the file."""
    try:
        return datetime.fromtimestamp(float(request.headers.get("X-OC-MTime", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def check(body: Place, checksum: str) -> None:
    """Raises WrongChecksum, after which the body is gone.  An algorithm that we do not know is not looked at."""
    kind, _, wanted = checksum.partition(":")
    found = _hash(body.mount, body.path, kind.upper())
    if found is not None and found.lower() != wanted.strip().lower():
        spool.discard(body.mount, body.path)
        raise WrongChecksum()


def _hash(mount: Mount, name: bytes, kind: str) -> str | None:
    if kind not in HASHES and kind != "ADLER32":
        return None
    adler, hasher = 1, hashlib.new(HASHES.get(kind, "sha1"), usedforsecurity=False)
    with room.incoming(mount) as (_, folder):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            while block := os.read(fd, BLOCK):
                if kind == "ADLER32":
                    adler = zlib.adler32(block, adler)
                else:
                    hasher.update(block)
        finally:
            os.close(fd)
    return f"{adler:08x}" if kind == "ADLER32" else hasher.hexdigest()

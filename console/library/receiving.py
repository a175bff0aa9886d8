"""What requests that bring files have in common: numbers, dates and hashes in headers, and where the body is.

Behind nginx a body has landed beside its destination before the request gets here; ``X-Everpx-Body-File`` names it and
is believed only then (``BEHIND_NGINX``), since nginx sets or blanks it in every location.  Without nginx bodies are
read from the request, 1 MiB at a time.
"""

import base64
import binascii
from datetime import UTC, datetime

from flask import current_app, request

from appliance import plugin
from appliance.drives.mounts import Mount
from appliance.errors import Invalid
from appliance.hookspecs import WayIn
from appliance.library import spool
from appliance.library.pieces import ALGORITHMS, Check
from appliance.library.uploads import Uploads
from appliance.words import N_


def uploads() -> Uploads:
    """This process's uploads, and through them its door."""
    found: Uploads = current_app.extensions["everpx.uploads"]
    return found


def ways_in() -> list[WayIn]:
    """How photos may come in besides, for templates."""
    return [WayIn(*way) for answer in plugin.call("ways_in") for way in answer or ()]


def body_on(mount: Mount) -> bytes | None:
    """The name of the body that nginx has put on this drive."""
    path = request.headers.get("X-Everpx-Body-File", "")
    return spool.body_name(mount, path) if path and current_app.config["BEHIND_NGINX"] else None


def number(header: str) -> int:
    """A header's whole number.  Raises Invalid."""
    text = request.headers.get(header, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid({header: N_("Enter a whole number.")})
    return int(text)


def checksum() -> Check | None:
    """``Upload-Checksum: sha1 <base64>``."""
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Invalid({"Upload-Checksum": N_("Use blake3 or sha1.")})
    try:
        return algorithm, base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise Invalid({"Upload-Checksum": N_("This is not base64.")}) from None


def moment(text: str | None) -> datetime | None:
    """Milliseconds since 1970, as browsers count, or ISO 8601 with a zone."""
    if not text:
        return None
    try:
        if text.lstrip("-").isdigit():
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise Invalid({"modified": N_("This is not a date.")}) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def digest_in(text: str | None) -> bytes | None:
    """A BLAKE3 hash in hexadecimal.  Raises Invalid."""
    if not text:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Invalid({"digest": N_("This is not a BLAKE3 hash.")})
    return digest

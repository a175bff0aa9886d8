"""Files by REST: one in one request, which are known already, and whether nginx may let a body in."""

import hashlib
import json
import time
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import func, select

from appliance.backup.models import ColdFile
from appliance.drives.mounts import Mount
from appliance.errors import ApplianceError, Conflict, Invalid
from appliance.library import room, spool, tombstones
from appliance.library.arrivals import Arrival, Stored, exact_folder
from appliance.library.models import StoredFile
from appliance.library.uploads import LARGEST, LONGEST_FOLDER, Wanted
from appliance.library.uploads import known as known_of
from appliance.people.models import User
from appliance.words import N_
from console import devices
from console.access import me, public, signed_in
from console.api.routes import read_json
from console.library.receiving import body_on, digest_in, moment, uploads
from console.safe_line import way
from console.station import station

MOST_ASKED = 1000
SHOWN = ("Authorization", "Cookie")
SEEN_FOR_S, MOST_SEEN = 5.0, 1000
_seen: dict[bytes, float] = {}  # when a yes ends


class OtherDrive(Conflict):
    """nginx has put the body on the first drive, and the folder is on another one."""

    code = "other_drive"
    template = N_("This folder is on another drive than a file of one request goes to.")
    hint = N_("Send it by a resumable upload (tus).")


def add_to(blueprint: Blueprint) -> None:
    """Put these addresses beside those of tus: the same rules for who may, and for bodies of any length."""
    blueprint.add_url_rule("/api/v1/files/<path:name>", "put", put, methods=["PUT"])
    blueprint.add_url_rule("/api/v1/known", "known", known, methods=["POST"])
    blueprint.add_url_rule("/internal/upload-allowed", "allowed", allowed)


@signed_in
def put(name: str) -> ResponseReturnValue:
    """One file in one request; answered when it is safe on the drive."""
    user = me()
    arrival = Arrival(
        user_id=user.id,
        user_folder=user.folder,
        name=name,
        folder=request.args.get("folder", "")[:LONGEST_FOLDER],
        modified=moment(request.args.get("modified")),
        digest=digest_in(request.args.get("digest")),
    )
    wanted = Wanted(name, request.content_length or 0, arrival.folder, drive=request.args.get("drive", ""))
    for mount in uploads().shelves.mounts():
        if body := body_on(mount):
            return _described(_take(_same_drive(mount, body, user, wanted), body, arrival))
    mount = uploads().mount_for(user, wanted)
    return _described(_take(mount, spool.receive(mount, request.stream.read, LARGEST), arrival))


def _same_drive(mount: Mount, body: bytes, user: User, wanted: Wanted) -> Mount:
    """The drive that a body has landed on, if it is that of the chosen folder; another one takes it by tus."""
    room.check(mount, 0)
    try:
        if exact_folder(wanted.folder) is not None and uploads().mount_for(user, wanted).tag != mount.tag:
            raise OtherDrive()
    except ApplianceError:
        spool.discard(mount, body)
        raise
    return mount


def _take(mount: Mount, name: bytes, arrival: Arrival) -> Stored:
    try:
        return uploads().door.take(mount, name, arrival)
    except (ApplianceError, OSError):
        spool.discard(mount, name)
        raise


def _described(stored: Stored) -> ResponseReturnValue:
    """What a REST client needs to know of a stored file."""
    path = stored.path.decode("utf-8", "replace")
    facts = {"id": stored.media_id, "path": path, "digest": stored.digest.hex(), "size": stored.size}
    facts |= {"known": stored.known, "copies": 1 + (_cold_copies(stored) if stored.known else 0)}
    return facts, 200 if stored.known else 201


def _cold_copies(stored: Stored) -> int:
    with station().db.reading() as session:
        file = session.get(StoredFile, stored.file_id)
        if file is None:
            return 0
        same = (ColdFile.folder_id == file.folder_id, ColdFile.name == file.name, ColdFile.digest == stored.digest)
        return session.scalar(select(func.count()).select_from(ColdFile).where(*same)) or 0


@signed_in
def known() -> ResponseReturnValue:
    """Which of these files need not be sent: ``{"digests": [hex, …]}``, 1000 at most.

    ``known`` are safe here; ``deleted`` were here, and their owner deleted them.
    """
    asked = read_json()
    listed = asked.get("digests") if isinstance(asked, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_ASKED or not all(isinstance(d, str) for d in listed):
        raise Invalid({"digests": N_("Send a list of at most 1000 hashes.")})
    wanted = [digest for text in listed if (digest := digest_in(text))]
    with station().db.reading() as session:
        safe = known_of(session, uploads().door, me(), wanted)
        gone = tombstones.deleted(session, me().id, wanted) - safe
    return {"known": sorted(digest.hex() for digest in safe), "deleted": sorted(digest.hex() for digest in gone)}


@public
def allowed() -> ResponseReturnValue:
    """nginx asks before it reads an upload: 204, or 401, 413, 503, 507 with the words that the client shall see.

    A yes about a person holds for a few seconds, because a phone asks for every photo; the upload itself is asked anew.
    """
    path = request.headers.get("X-Everpx-Path", "")
    try:
        way.refuse()
        let_in = _let_in(devices.opens(path))
    except ApplianceError as error:
        return _refused(error.status, error.as_json())
    if not let_in:
        return _refused(401, {"error": "not_signed_in", "message": "Please sign in first.", "hint": ""})
    length = request.headers.get("X-Everpx-Length", "")
    needed = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
    try:
        room.check(_drive_of(path, uploads().shelves.mounts()), needed)
    except ApplianceError as error:
        return _refused(error.status, error.as_json())
    return "", 204


def _let_in(device: bool) -> bool:
    """Whether this is somebody; remembered by what they showed.  ``device``: where only a device's password counts."""
    if device:
        return devices.device() is not None
    shown = hashlib.sha256(repr([request.headers.get(name) for name in SHOWN]).encode()).digest()
    moment = time.monotonic()
    if _seen.get(shown, 0) > moment:
        return True
    if not current_user.is_authenticated:
        return False
    if len(_seen) > MOST_SEEN:
        _seen.clear()
    _seen[shown] = moment + SEEN_FOR_S
    return True


def _drive_of(path: str, mounts: list[Mount]) -> Mount:
    """The drive that a body of this address lands on."""
    tag = path.removeprefix("/api/v1/uploads/").partition("/")[0]
    return next((mount for mount in mounts if mount.tag == tag), None) or room.choose(mounts, 0)


def _refused(status: int, words: dict[str, Any]) -> ResponseReturnValue:
    challenge = devices.CHALLENGE if status == 401 else {}
    return words, status, {"X-Everpx-Refusal": json.dumps(words)} | challenge

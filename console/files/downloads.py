"""ZIPs on their way to a browser: a few at a time, told how long they will be (nginx keeps none of it, web.nginx)."""

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Response, current_app
from flask_babel import format_datetime, gettext
from werkzeug.http import dump_options_header

from appliance.errors import ApplianceError, NotFound
from appliance.library import folders, photo_zip, room
from appliance.library.folders import Place
from appliance.library.names import safe_name
from appliance.library.zipping import Part, Say, Zip, parts_of
from appliance.words import N_
from console.access import me
from console.station import station
from console.translate import time_zone

AT_ONCE = 3  # each holds one of the console's threads as long as somebody's download takes
_free = threading.BoundedSemaphore(AT_ONCE)


class Busy(ApplianceError):
    """Others are downloading."""

    code, status = "downloads_busy", 503
    template = N_("Several downloads are already under way.")
    hint = N_("Wait until one of them has finished, then try again.")


def head_of(place: Place, count: int) -> bytes:
    """The first bytes of a file.  Raises NotFound."""
    with room.opened(place.mount) as root:
        fd = folders.open_or_not_found(root, place.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotFound(what="file")
            return os.pread(fd, count, 0)
        finally:
            os.close(fd)


def zipped(places: Sequence[Place], name: str) -> Response:
    """Files and folders as one ZIP.  Raises NotFound, TooMany, DriveGone, Busy."""
    return sent(parts_of(places), name)


def photos(ids: Sequence[int]) -> Response:
    """Photos by their ids as one ZIP, as far as this person may see them.  Raises NotFound, TooMany, DriveMissing."""
    here = station()
    with here.db.reading() as session:
        parts, lost = photo_zip.parts_of(session, here.places, me(), ids)
    return sent(parts, gettext("Photos"), lost)


def sent(parts: Sequence[Part], name: str, lost: Sequence[str] = ()) -> Response:
    """Files as one ZIP; ``lost`` are the names of those that are no longer there.  Raises Busy."""
    archive = Zip(parts, gettext("About this download") + ".txt", _words(name), ZoneInfo(time_zone()), list(lost))
    if not _free.acquire(blocking=False):
        raise Busy()
    let_in = _Once()
    response = current_app.response_class(_until_the_end(archive, let_in), mimetype="application/zip")
    response.call_on_close(let_in)  # also where nobody has read a byte
    response.headers["Content-Length"] = str(archive.length)
    response.headers["Content-Disposition"] = dump_options_header("attachment", {"filename": safe_name(f"{name}.zip")})
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _until_the_end(archive: Zip, let_in: "_Once") -> Iterator[bytes]:
    try:
        yield from archive.stream()
    finally:
        let_in()


class _Once:
    """Lets the next download in when this one is over, however it ended."""

    def __init__(self) -> None:
        self._done = False

    def __call__(self) -> None:
        if not self._done:
            self._done = True
            _free.release()


def _words(name: str) -> Say:
    """What the text at the end says; the words are looked up now, since there is no request later."""
    when = format_datetime(datetime.now().astimezone(), "medium")
    head = gettext("“%(name)s”, downloaded on %(when)s.", name=name, when=when)
    whole = gettext("All of its files are complete.")
    part = gettext("These files changed or vanished meanwhile and are not complete here:")

    def say(files: int, incomplete: Sequence[str]) -> str:
        lines = [head, "", part, *incomplete] if incomplete else [head, "", whole]
        return "\r\n".join(lines) + "\r\n"

    return say

"""What the pages about files have in common: the place that a request names, its address, its title.

Names are bytes; in addresses and forms they are percent-encoded.
"""

from typing import Any
from urllib.parse import quote, unquote_to_bytes

from flask import Blueprint, request, url_for
from flask_babel import gettext

from appliance.drives.layout import FAMILY
from appliance.drives.mounts import Mount, hot_mounts
from appliance.errors import Invalid
from appliance.library import folders
from appliance.library.folders import Place
from appliance.words import N_
from console.access import me
from console.station import station

blueprint = Blueprint("files", __name__, template_folder="templates", url_prefix="/files")
SHOWN = 300  # a page
MOST_CHOSEN = 1000


def mounts() -> list[Mount]:
    """The HOT drives that are here."""
    with station().db.reading() as session:
        return hot_mounts(session, station().places)


def wanted(values: str = "path") -> Place:
    """The place that the request names.  Raises NotFound."""
    tag, path = request.values.get("drive", ""), unquote_to_bytes(request.values.get(values, ""))
    return folders.reached(me(), mounts(), tag, path)


def into(start: Place) -> Place:
    """The folder that things shall go to: ``HOT-2:Anna/Files``, or without a drive on the one they lie on."""
    tag, _, path = request.form.get("into", "").rpartition(":")
    return folders.reached(me(), mounts(), tag or start.mount.tag, unquote_to_bytes(path))


def chosen() -> list[Place]:
    """The things that were ticked.  Raises Invalid, NotFound."""
    names = request.form.getlist("paths")
    if not names:
        raise Invalid({"paths": N_("Choose at least one.")})
    if len(names) > MOST_CHOSEN:
        raise Invalid({"paths": N_("Choose at most 1000 at once.")})
    here, tag, user = mounts(), request.form.get("drive", ""), me()
    return [folders.changeable(user, folders.reached(user, here, tag, unquote_to_bytes(name))) for name in names]


def address(place: Place, endpoint: str = "files.folder", **more: object) -> str:
    """The page of a place."""
    return url_for(endpoint, drive=place.mount.tag, path=quote(place.path), **more)  # type: ignore[arg-type]


def is_family(place: Place) -> bool:
    """Whether it is the top folder that belongs to everybody."""
    return place.path == FAMILY.encode()


def title(place: Place) -> str:
    """What a folder is called."""
    if is_family(place):
        return gettext("Family")
    if b"/" not in place.path:
        return gettext("My files")
    return folders.shown(place.path.rpartition(b"/")[2])


def parents(place: Place) -> list[Place]:
    """The folders on the way to a place and itself, the top first."""
    parts = place.path.split(b"/")
    return [Place(place.mount, b"/".join(parts[: at + 1])) for at in range(len(parts))]


def at(place: Place) -> dict[str, Any]:
    """The same as parts of an address."""
    return {"drive": place.mount.tag, "path": quote(place.path)}

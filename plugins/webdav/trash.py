"""The bin as Nextcloud's clients see it: ``trashbin/<person>/trash``; a MOVE to ``restore`` brings a thing back."""

import html
from urllib.parse import quote

from flask import Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from appliance.drives.mounts import mount_of
from appliance.errors import NotFound
from appliance.library import bin as library_bin
from appliance.library import emptying
from appliance.library.models import BinnedFile
from console.devices import owner
from console.station import station
from plugins.webdav.names import shown

MOST = 1000


def serve(share: str, path: str) -> ResponseReturnValue:
    """One request below ``trashbin/<person>/``."""
    room, _, name = path.strip("/").partition("/")
    if room != "trash" or "/" in name:
        return ("", 207) if room == "restore" and request.method == "PROPFIND" else ("", 404)
    if request.method == "PROPFIND":
        return _listing(f"{share}/trash/", name)
    if request.method == "MOVE" and name:
        return _bring_back(name)
    if request.method == "DELETE":
        return _erase([_find(name)] if name else _mine())
    return "", 405


def _mine() -> list[BinnedFile]:
    wanted = select(BinnedFile).where(library_bin.seen_by(owner().id)).order_by(BinnedFile.id.desc()).limit(MOST)
    with station().db.reading() as session:
        return list(session.scalars(wanted))


def _find(name: str) -> BinnedFile:
    """``<name>.d<number>``: the number is the row's.  Raises NotFound."""
    number = name.rpartition(".d")[2]
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        raise NotFound(what="file")
    with station().db.reading() as session:
        return library_bin.find(session, int(number), owner().id)


def _bring_back(name: str) -> ResponseReturnValue:
    """Back to where it was, whatever name the client proposes; under a number where that is taken."""
    row = _find(name)
    with station().db.reading() as session:
        mount = mount_of(session, station().places, row.drive_id)
    library_bin.bring_back(station().db, mount, row)
    return "", 201


def _erase(rows: list[BinnedFile]) -> ResponseReturnValue:
    for row in rows:
        with station().db.reading() as session:
            mount = mount_of(session, station().places, row.drive_id)
        emptying.erase(station().db, mount, [row])
    return "", 204


def _listing(href: str, name: str) -> ResponseReturnValue:
    rows = [_find(name)] if name else _mine()
    found = [] if name else [_row(href, "<d:resourcetype><d:collection/></d:resourcetype>")]
    if name or request.headers.get("Depth", "1") != "0":
        found += [_row(href + quote(_name(row) + f".d{row.id}"), _properties(row)) for row in rows]
    spaces = 'xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns" xmlns:nc="http://nextcloud.org/ns"'
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<d:multistatus {spaces}>{"".join(found)}</d:multistatus>'
    return Response(body, 207, content_type="application/xml; charset=utf-8")


def _name(row: BinnedFile) -> str:
    return shown(row.path.rpartition(b"/")[2]) or "?"


def _properties(row: BinnedFile) -> str:
    place = (shown(row.path) or "?").removeprefix(f"{owner().folder}/")
    facts = {
        "d:displayname": _name(row),
        "d:getcontentlength": str(row.size),
        "d:getlastmodified": row.binned.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "oc:size": str(row.size),
        "oc:id": f"bin{row.id}",
        "oc:fileid": str(row.id),
        "oc:permissions": "GD",
        "nc:trashbin-filename": _name(row),
        "nc:trashbin-original-location": place,
        "nc:trashbin-deletion-time": str(int(row.binned.timestamp())),
        "nc:has-preview": "false",
    }
    return "<d:resourcetype/>" + "".join(f"<{key}>{html.escape(value)}</{key}>" for key, value in facts.items())


def _row(href: str, properties: str) -> str:
    return (
        f"<d:response><d:href>{html.escape(href)}</d:href><d:propstat><d:prop>{properties}</d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )

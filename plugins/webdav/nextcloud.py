"""What Nextcloud's clients ask apart from files: who this is, what it can do, who they are, and to be let in.

The answers follow the OCS form (``ocs.meta``, ``ocs.data``) as JSON or XML.  What is not there is told as not there: no
sharing between servers, no comments, no apps.
"""

import html
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, contains_eager

from appliance.drives.layout import FAMILY
from appliance.drives.mounts import mount_of
from appliance.errors import NotFound
from appliance.library import previews, room
from appliance.library.catalogue import below
from appliance.library.models import Folder, Media, PreviewState, StoredFile
from appliance.people import device_passwords
from appliance.people.audit import By
from appliance.people.models import User
from console import devices
from console.access import address, public
from console.deliver import deliver
from console.devices import for_devices, owner
from console.station import station
from plugins.webdav.logins import Logins

VERSION = (30, 0, 0)
TEXT = ".".join(map(str, VERSION))
SMALL, LARGE = 320, 1600
FOR_A_DAY = "private, max-age=86400"


def add_to(blueprint: Blueprint) -> None:
    """Put these addresses beside those of the files."""
    add = blueprint.add_url_rule
    add("/status.php", "status", status)
    add("/index.php/login/v2", "login_begin", login_begin, methods=["POST"])
    add("/index.php/login/v2/poll", "login_poll", login_poll, methods=["POST"])
    add("/index.php/login/v2/flow/<key>", "login_page", login_page)
    add("/index.php/core/preview", "preview", preview)
    add("/index.php/core/preview.png", "preview_old", preview)
    add("/ocs/<version>/<path:path>", "ocs", ocs)
    add("/ocs/<version>/core/apppassword", "sign_out", sign_out, methods=["DELETE"])


def logins() -> Logins:
    """The flows of this process."""
    found: Logins = current_app.extensions.setdefault("everpx.logins", Logins())
    return found


@public
def status() -> ResponseReturnValue:
    """The first thing that every client asks."""
    facts = {"installed": True, "maintenance": False, "needsDbUpgrade": False, "extendedSupport": False}
    words = {"version": f"{TEXT}.0", "versionstring": TEXT, "edition": "", "productname": "Everpx"}
    return jsonify(facts | words)


@public
def login_begin() -> ResponseReturnValue:
    """An app wants to be let in."""
    flow, secret = logins().begin(request.user_agent.string[:120], address())
    poll = {"token": secret, "endpoint": url_for(".login_poll", _external=True)}
    return jsonify({"poll": poll, "login": url_for(".login_page", key=flow.key, _external=True)})


@public
def login_page(key: str) -> ResponseReturnValue:
    """What the app opens in a browser: the console's page, which asks who is there first."""
    return redirect(url_for("webdav.grant", key=key))


@public
def login_poll() -> ResponseReturnValue:
    """The app asks how it went; 404 means not yet."""
    found = logins().poll(request.form.get("token", ""))
    if found is None:
        return jsonify([]), 404
    return jsonify({"server": request.host_url.rstrip("/"), "loginName": found[0], "appPassword": found[1]})


@for_devices
def sign_out(version: str) -> ResponseReturnValue:
    """An app that signs out gives its password back."""
    with station().db.writing() as session:
        user = session.get_one(User, owner().id)
        device_passwords.revoke(session, By(user.id, address()), user, g.device_number)
    devices.forget()
    return _told({}, version)


@public
def ocs(version: str, path: str) -> ResponseReturnValue:
    """``/ocs/v1.php/…`` and ``/ocs/v2.php/…``; what the station can do is told to anybody, the rest to devices."""
    if version not in ("v1.php", "v2.php"):
        raise NotFound(what="file")
    if path == "cloud/capabilities":
        return _told(capabilities(), version)
    answer: ResponseReturnValue = _personal(version, path)
    return answer


@for_devices
def _personal(version: str, path: str) -> ResponseReturnValue:
    user = owner()
    if path in ("cloud/user", f"cloud/users/{user.name}"):
        return _told(_about(user), version)
    return _told({}, version, 404 if version == "v2.php" else 998)


def capabilities() -> dict[str, Any]:
    """What clients of Nextcloud may use here."""
    major, minor, micro = VERSION
    number = {"major": major, "minor": minor, "micro": micro, "string": TEXT, "edition": "", "extendedSupport": False}
    return {
        "version": number,
        "capabilities": {
            "core": {"pollinterval": 60, "webdav-root": "remote.php/webdav", "reference-api": False},
            "dav": {"chunking": "1.0"},
            "files": {"bigfilechunking": True, "undelete": True, "versioning": False, "favorites": True},
            "checksums": {"supportedTypes": ["SHA1", "MD5"], "preferredUploadType": "SHA1"},
            "files_sharing": {"api_enabled": False, "public": {"enabled": False}, "resharing": False},
            "theming": {"name": "Everpx", "slogan": "", "color": "#2f6f5e", "url": request.host_url},
        },
    }


def _about(user: User) -> dict[str, Any]:
    from plugins.webdav.changes import used_by
    from plugins.webdav.door import door

    tree = door().trees.of(user)
    free = sum(room.free(mount) for mount in tree.mounts if not mount.read_only)
    used = used_by(tree)
    share = round(100 * used / (used + free), 2) if used + free else 100.0
    quota = {"free": free, "used": used, "total": used + free, "relative": share, "quota": -3}
    names = {"id": user.name, "display-name": user.name, "displayname": user.name}
    return names | {"enabled": True, "email": None, "language": user.language or "en", "groups": [], "quota": quota}


def _told(data: Any, version: str, code: int = 0) -> ResponseReturnValue:
    good = not code
    code = code or (100 if version == "v1.php" else 200)
    meta = {"status": "ok" if good else "failure", "statuscode": code, "message": "OK" if good else "Not found"}
    http = 404 if not good and version == "v2.php" else 200
    whole = {"ocs": {"meta": meta, "data": data}}
    if request.args.get("format") == "json" or "json" in request.headers.get("Accept", ""):
        return jsonify(whole), http
    body = f'<?xml version="1.0"?>\n<ocs>{_as_xml(whole["ocs"])}</ocs>'
    return Response(body, http, content_type="application/xml; charset=utf-8")


def _as_xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{key}>{_as_xml(inner)}</{key}>" for key, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<element>{_as_xml(inner)}</element>" for inner in value)
    if isinstance(value, bool):
        return "1" if value else ""
    return "" if value is None else html.escape(str(value))


@for_devices
def preview() -> ResponseReturnValue:
    """A small picture of a photo or video, by its number or its path."""
    if "file" in request.args:
        from plugins.webdav.door import door
        from plugins.webdav.tree import parts_in

        entry = door().trees.of(owner()).find(parts_in(request.args["file"]))
        file_id = entry.row.file_id if entry and entry.row else 0
    else:
        text = request.args.get("fileId", "")
        file_id = int(text) // 2 if text.isascii() and text.isdigit() and len(text) < 18 and int(text) % 2 == 0 else 0
    with station().db.reading() as session:
        file, media = _photo(session, file_id)
        mount = mount_of(session, station().places, file.folder.drive_id)
    assert file.digest is not None
    wanted = max(request.args.get("x", 0, int), request.args.get("y", 0, int))
    path = previews.path_of(file.digest, SMALL if wanted <= SMALL else LARGE)
    return deliver(mount, path, name=f"{media.id}.webp", mime="image/webp", cache=FOR_A_DAY)


def _photo(session: Session, file_id: int) -> tuple[StoredFile, Media]:
    """A photo in the person's tree that has a preview.  Raises NotFound."""
    mine = or_(below(owner().folder.encode()), below(FAMILY.encode()))
    wanted = (
        select(StoredFile, Media)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .join(Media, Media.file_id == StoredFile.id)
        .options(contains_eager(StoredFile.folder))
        .where(StoredFile.id == file_id, mine, Media.preview == PreviewState.READY, StoredFile.digest.is_not(None))
    )
    found = session.execute(wanted).first()
    if found is None:
        raise NotFound(what="preview")
    return found[0], found[1]

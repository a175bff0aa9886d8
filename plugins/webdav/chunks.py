"""Nextcloud's chunked upload, version 2: a folder, numbered pieces, and a MOVE of ``.file`` to where it belongs."""

import html
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import Response, request
from flask.typing import ResponseReturnValue

from appliance.errors import NotFound
from appliance.library import piece_sets, room, spool
from appliance.library.uploads import LARGEST
from console.devices import owner
from plugins.webdav import bodies
from plugins.webdav.door import door
from plugins.webdav.tree import Entry, Place, Tree, parts_in

WHOLE = ".file"
FILES = "/remote.php/dav/files/"


def serve(share: str, path: str) -> ResponseReturnValue:
    """One request below ``uploads/<person>/``."""
    tree = door().trees.of(owner())
    name, _, piece = path.strip("/").partition("/")
    if not name or "/" in piece:
        raise NotFound(what="upload")
    if request.method == "MKCOL" and not piece:
        piece_sets.begin(room.choose(tree.mounts, _length()), tree.user.id, name)
        return "", 201
    found = piece_sets.find(tree.mounts, tree.user.id, name)
    if request.method == "PUT":
        return _take(tree, found, piece)
    if request.method == "MOVE" and piece == WHOLE:
        return _store(tree, found)
    if request.method == "DELETE" and not piece:
        found.discard()
        return "", 204
    if request.method == "PROPFIND" and not piece:
        return _listing(f"{share}/{name}/", found)
    return "", 405


def _length() -> int:
    """``OC-Total-Length``: of the whole file, as far as the client knows it."""
    text = request.headers.get("OC-Total-Length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _take(tree: Tree, found: piece_sets.PieceSet, piece: str) -> ResponseReturnValue:
    body = bodies.landed(tree)
    if body is None:
        room.check(found.mount, request.content_length or 0)
        body = Place(found.mount, spool.receive(found.mount, request.stream.read, LARGEST))
    try:
        found.add(piece, body.mount, body.path)
    except NotFound:
        spool.discard(body.mount, body.path)
        raise
    return "", 201


def _store(tree: Tree, found: piece_sets.PieceSet) -> ResponseReturnValue:
    """Put the pieces together at their destination, under the conditions of any other PUT."""
    from plugins.webdav.server import Server, answer, prepared
    from plugins.webdav.views import check_name, provider_of

    path = unquote(urlsplit(request.headers.get("Destination", "")).path)
    if not path.startswith(FILES):
        return "", 400
    name, _, path = path.removeprefix(FILES).partition("/")
    check_name(name)
    provider = provider_of(tree.user, FILES + name)

    def put(at: str, there: Entry | None) -> None:
        body, digest = found.assemble(_length() or None)
        place = there.place if there is not None else Place(found.mount, provider.tree.path_of(parts_in(at)))
        bodies.finish(door().changes, provider.tree, place, Place(found.mount, body), digest)
        found.discard()

    made = answer(Server(provider, put), prepared(_as_put(), provider, f"/{path}", tree.user.name))
    return Response(made.body, made.status, made.headers)


def _as_put() -> dict[str, Any]:
    """The request as a PUT; clients tie it to an etag by an ``If`` that names the destination."""
    environ: dict[str, Any] = dict(request.environ) | {"REQUEST_METHOD": "PUT"}
    for header in ("HTTP_DESTINATION", "HTTP_DEPTH"):
        environ.pop(header, None)
    if tied := re.fullmatch(r"<[^>]*>\s*\(\[(.*)\]\)", environ.get("HTTP_IF", "").strip()):
        del environ["HTTP_IF"]
        environ["HTTP_IF_MATCH"] = tied[1]
    return environ


def _listing(href: str, found: piece_sets.PieceSet) -> ResponseReturnValue:
    """What has arrived, so that a client can go on."""
    folder = "<d:resourcetype><d:collection/></d:resourcetype>"
    rows = [_row(href, folder)]
    if request.headers.get("Depth", "1") != "0":
        for piece in found.pieces():
            length = f"<d:resourcetype/><d:getcontentlength>{piece.size}</d:getcontentlength>"
            rows.append(_row(href + piece.name, length))
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<d:multistatus xmlns:d="DAV:">{"".join(rows)}</d:multistatus>'
    return Response(body, 207, content_type="application/xml; charset=utf-8")


def _row(href: str, properties: str) -> str:
    return (
        f"<d:response><d:href>{html.escape(href)}</d:href><d:propstat><d:prop>{properties}</d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )

"""Handing out a file from a drive, ranges included: by nginx (X-Accel-Redirect) where it is in front, else by Flask.

What a member stored may be a web page or a script; it is served so that no browser runs it (sandbox, nosniff, an
attachment unless it is a plain image or video).
"""

from pathlib import Path
from urllib.parse import quote

from flask import Response, current_app, send_file
from werkzeug.http import dump_options_header

from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.library.beneath import resolve

INLINE = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/heic", "image/heif", "image/avif")
INLINE_VIDEO = ("video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/3gpp")


def deliver(mount: Mount, path: bytes, *, name: str, mime: str, download: bool = False, cache: str = "") -> Response:
    """Answer with ``path`` (relative to the mount).  Raises NotFound; never follows a symlink."""
    target = resolve(mount.path, path)
    if target is None:
        raise NotFound(what="file")
    inline = not download and mime in INLINE + INLINE_VIDEO
    behind_nginx = current_app.config["BEHIND_NGINX"]
    response = _by_nginx(mount, target) if behind_nginx else _by_flask(target)
    response.headers["Content-Type"] = mime if inline else "application/octet-stream"
    response.headers["Content-Disposition"] = _disposition("inline" if inline else "attachment", name)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = cache or "private, no-cache"
    return response


def _disposition(kind: str, name: str) -> str:
    """The header with the name twice (RFC 6266): as every program reads it, and whole where it is not ASCII."""
    plain = name.encode("ascii", "replace").decode()
    names = {"filename": plain}
    if plain != name:
        names["filename*"] = "UTF-8''" + quote(name.encode("utf-8", "replace"), safe="")
    return dump_options_header(kind, names)


def _by_flask(target: Path) -> Response:
    """With a mark of our own for this version: what werkzeug makes of a name does not bear every name."""
    facts = target.stat()
    mark = f"{facts.st_mtime_ns:x}-{facts.st_size:x}"
    return send_file(target, "application/octet-stream", conditional=True, etag=mark, download_name="file")


def _by_nginx(mount: Mount, target: Path) -> Response:
    inside = target.relative_to(mount.path)
    response = current_app.response_class()
    response.headers["X-Accel-Redirect"] = "/protected/" + quote(f"{mount.tag}/".encode() + bytes(inside))
    return response

"""One WebDAV request, answered by wsgidav's request server over our provider: only what it does not know is here.

* a body is put in place by the library's door, and may have come through nginx;
* bytes leave by ``console.deliver``, so only the conditions of a GET are looked at;
* every error is told in the form that clients of Nextcloud show to people.
"""

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from wsgidav.dav_error import (
    HTTP_BAD_REQUEST,
    HTTP_CONFLICT,
    HTTP_CREATED,
    HTTP_INTERNAL_ERROR,
    HTTP_METHOD_NOT_ALLOWED,
    HTTP_NO_CONTENT,
    HTTP_NOT_FOUND,
    HTTP_NOT_IMPLEMENTED,
    HTTP_PRECONDITION_FAILED,
    DAVError,
    get_http_status_string,
)
from wsgidav.request_server import RequestServer
from wsgidav.util import get_uri_parent

from plugins.webdav.names import MOVED
from plugins.webdav.resources import FileResource, Provider, told
from plugins.webdav.tree import Entry

Put = Callable[[str, Entry | None], None]  # makes the body the file at this path, in place of that one
SIGNS = "?;#"  # that wsgidav would read as the end of a destination
CONFIG: dict[str, Any] = {"hotfixes": {}, "add_header_MS_Author_Via": True}


@dataclass
class Answer:
    """What the client gets."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Server(RequestServer):  # type: ignore[misc]
    """wsgidav's, with a PUT that never leaves half a file."""

    def __init__(self, provider: Provider, put: Put) -> None:
        super().__init__(provider)
        self.allow_propfind_infinite = False
        self._put = put

    def do_PUT(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """RFC 4918, 9.7; RFC 9110, 9.3.4."""
        path, provider = environ["PATH_INFO"], self._davProvider
        here = provider.get_resource_inst(path, environ)
        parent = provider.get_resource_inst(get_uri_parent(path), environ, known=False)
        if "HTTP_CONTENT_ENCODING" in environ:
            self._fail(HTTP_NOT_IMPLEMENTED)
        if "HTTP_CONTENT_RANGE" in environ:
            self._fail(HTTP_BAD_REQUEST)
        if here is not None and here.is_collection:
            self._fail(HTTP_METHOD_NOT_ALLOWED)
        if parent is None or not parent.is_collection:
            self._fail(HTTP_CONFLICT)
        if here is None and "HTTP_IF_MATCH" in environ:
            self._fail(HTTP_PRECONDITION_FAILED)
        self._evaluate_if_headers(here, environ)
        self._check_write_permission(here or parent, "0", environ)
        with self._write_transaction(here, environ), told():
            self._put(path, here.entry if here else None)
        stored = provider.get_resource_inst(path, environ)
        if stored is None:
            self._fail(HTTP_CONFLICT)  # somebody was quicker to take it away
        start_response(
            f"{HTTP_CREATED} Created" if here is None else f"{HTTP_NO_CONTENT} No Content", headers_of(stored)
        )
        return [b""]

    def conditions(self, environ: dict[str, Any]) -> FileResource:
        """What a GET asks for, if it is to be sent.  Raises DAVError."""
        found = self._davProvider.get_resource_inst(environ["PATH_INFO"], environ)
        if found is None:
            self._fail(HTTP_NOT_FOUND)
        if found.is_collection:
            self._fail(HTTP_METHOD_NOT_ALLOWED)
        self._evaluate_if_headers(found, environ)
        assert isinstance(found, FileResource)
        return found


class _Station:
    """What wsgidav asks of the application: whose address a destination is."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def resolve_provider(self, path: str) -> tuple[str | None, Provider | None]:
        """There is one."""
        share = self._provider.share_path
        return (share, self._provider) if path.startswith(share + "/") else (None, None)


def headers_of(resource: FileResource) -> list[tuple[str, str]]:
    """What clients want to know of a file that they sent, or get."""
    etag = f'"{resource.entry.etag}"'
    number = resource.get_property_value("{http://owncloud.org/ns}id")
    return [
        ("ETag", etag),
        ("OC-ETag", etag),
        ("OC-FileId", number),
        ("X-OC-MTime", "accepted"),
        ("Content-Length", "0"),
    ]


def prepared(environ: dict[str, Any], provider: Provider, path: str, user: str) -> dict[str, Any]:
    """The request as wsgidav wants it."""
    made = dict(environ)
    made["PATH_INFO"] = path
    made["wsgidav.verbose"] = 1
    made["wsgidav.config"] = CONFIG
    made["wsgidav.provider"] = provider
    made["wsgidav.app"] = _Station(provider)
    made["wsgidav.auth.user_name"] = user
    if destination := environ.get("HTTP_DESTINATION"):
        made["HTTP_DESTINATION"] = destination_in(destination)
    return made


def destination_in(header: str) -> str:
    """The path of a Destination header: with signs moved that wsgidav, which decodes it first, would not survive."""
    path = unquote(urlsplit(header).path if "://" in header else header.partition("?")[0].partition("#")[0])
    for sign in SIGNS:
        path = path.replace(sign, chr(MOVED + ord(sign)))
    return path.replace("%", "%25")


def answer(server: Server, environ: dict[str, Any]) -> Answer:
    """Serve one request that is not a GET; what goes wrong is part of the answer."""
    made = Answer(HTTP_INTERNAL_ERROR)

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        made.status, made.headers = int(status.split()[0]), list(headers)

    try:
        made.body = b"".join(server(environ, start_response))
    except DAVError as error:
        return refusal(error)
    return made


def refusal(error: DAVError) -> Answer:
    """An error as clients understand it: with its condition, or with a sentence for people."""
    if error.value in (304, HTTP_NO_CONTENT):
        return Answer(error.value, list(error.add_headers or []))
    if error.err_condition is not None:
        _, body = error.get_response_page()
        return Answer(error.value, [("Content-Type", "application/xml; charset=utf-8")], body)
    words = html.escape(str(error.context_info or get_http_status_string(error)))
    body = (
        '<?xml version="1.0" encoding="utf-8"?>\n<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">'
        f"<s:exception>Everpx</s:exception><s:message>{words}</s:message></d:error>"
    )
    return Answer(error.value, [("Content-Type", "application/xml; charset=utf-8")], body.encode())

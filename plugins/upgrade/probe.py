"""What a family does, tried by the station itself: ``python -m plugins.upgrade.probe``: exit 0, or one sentence.

A version on trial is kept only when this is well: somebody signs in and sees the home page, a photo is listed and its
picture comes, a file is written to each HOT drive and read back, and every share that is on answers.  It is asked for
more than once while the station starts, so it leaves nothing behind, also when the power goes.

Signing in takes a password, and nobody's is known.  So there is an account for the moment of asking, with a random
password, no folder and no rights; what was left of one is removed by the next asking and by the worker.  Photos are
their owner's, so the newest is asked for with a key of its owner's, which is gone with the answer.
"""

import contextlib
import http.client
import json
import os
import secrets
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from appliance import announced, plugin
from appliance.broker.client import Broker, SocketBroker
from appliance.db import Database
from appliance.drives.inventory import load
from appliance.drives.layout import PRIVATE
from appliance.drives.mounts import Mount, hot_mounts
from appliance.errors import ApplianceError
from appliance.health.models import Issue, Severity
from appliance.health.service import HealthContext
from appliance.library.models import Folder, Media, PreviewState, StoredFile
from appliance.people.models import User, UserState
from appliance.places import Places, places
from appliance.upgrade import trial
from appliance.words import N_
from plugins.upgrade import account, standing

PROBE = "upgrade-probe"  # a file on a HOT drive
WITHIN_S = 30
CONNECT_WITHIN_S = 10
SIZE = 1 << 16


class Unwell(ApplianceError):
    """Something that a family does is not possible."""

    code, template = "upgrade_unwell", "{why}"


class NoSignIn(Unwell):
    """The door."""

    template = N_("nobody can sign in ({why}).")


class NoPhoto(Unwell):
    """The library."""

    template = N_("photos are not shown ({why}).")


class NoDrive(Unwell):
    """A HOT drive that was here before."""

    template = N_("the drive {tag} is no longer here.")


class NotWritable(Unwell):
    """A HOT drive takes no file, or gives back another."""

    template = N_("nothing can be stored on the drive {tag} ({why}).")


class ShareSilent(Unwell):
    """Something that is offered to the network."""

    template = N_("“{share}” does not answer ({why}).")


@dataclass(frozen=True)
class Station:
    """What is asked."""

    db: Database
    broker: Broker
    places: Places


class Door:
    """The console at its front door, as a browser meets it."""

    def __init__(self, here: Places) -> None:
        self.headers = {"Host": "localhost", "User-Agent": "Everpx check"}
        with contextlib.suppress(OSError):
            self.headers[trial.HEADER] = trial.place(here).read_text()
        self.port = _port()
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        """One question; where the door leads to its encrypted side, there.  Raises OSError, HTTPException."""
        status, content, leads = self._ask(method, path, body, headers, secure=False)
        if status in (301, 302, 307, 308) and leads.startswith("https://"):
            return self._ask(method, path, body, headers, secure=True)[:2]
        return status, content

    def _ask(self, method: str, path: str, body: object, more: dict[str, str], secure: bool) -> tuple[int, bytes, str]:
        line: http.client.HTTPConnection
        if secure:  # our own certificate, on our own machine: who it is, is not the question
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            line = http.client.HTTPSConnection("127.0.0.1", 443, timeout=WITHIN_S, context=context)
        else:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)
        headers = self.headers | more
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            line.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = line.getresponse()
            content = answer.read(1 << 22)
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, content, answer.headers.get("Location") or ""
        finally:
            line.close()


def _port() -> int:
    """The first plain one; 80 where nobody says (the unit that judges a trial)."""
    plain = [one for one in os.environ.get("EVERPX_LISTEN", "80").split() if not one.endswith("/tls")]
    return int(plain[0].rpartition(":")[2]) if plain else 80


def ask_everything(station: Station) -> None:
    """All of it.  Raises Unwell."""
    plugin.load(station.db)
    _clean(station.db)
    door = Door(station.places)
    sign_in(station, door)
    show_a_photo(station, door)
    use_drives(station)
    ask_shares(station, door)


def sign_in(station: Station, door: Door) -> None:
    """Somebody with a password comes in and sees the home page."""
    with station.db.writing() as session:
        name, password = account.make(session)
    try:
        try:
            status, said = door.ask("POST", "/api/v1/session", {"name": name, "password": password})
            if status != 201:
                raise NoSignIn(why=_why(status, said))
            status, said = door.ask("GET", "/")
            if status != 200 or b"</html>" not in said:
                raise NoSignIn(why=_why(status, said))
        finally:
            _clean(station.db)
    except (OSError, http.client.HTTPException) as error:
        raise NoSignIn(why=str(error) or type(error).__name__) from None


def _clean(db: Database) -> None:
    with db.writing() as session:
        account.clean(session)


def show_a_photo(station: Station, door: Door) -> None:
    """The newest photo of somebody's whose drive is here is listed, and its picture comes."""
    with station.db.reading() as session:
        drives = [mount.drive_id for mount in hot_mounts(session, station.places)]
        found = session.execute(
            select(Media.id, Media.user_id, Media.preview)
            .join(StoredFile, StoredFile.id == Media.file_id)
            .join(Folder, Folder.id == StoredFile.folder_id)
            .join(User, User.id == Media.user_id)
            .where(Folder.drive_id.in_(drives), User.state == UserState.ACTIVE)
            .order_by(Media.id.desc())
            .limit(1)
        ).first()
    if found is None:
        return
    media_id, owner, preview = found
    with station.db.writing() as session:
        text = account.key_of(session, owner)
    try:
        key = {"Authorization": f"Bearer {text}"}
        status, said = door.ask("GET", "/api/v1/timeline?limit=1", **key)
        if status != 200 or not json.loads(said)["items"]:
            raise NoPhoto(why=_why(status, said))
        status, said = door.ask("GET", f"/api/v1/media/{media_id}/preview/320", **key)
        if preview is PreviewState.READY and (status != 200 or not said):
            raise NoPhoto(why=_why(status, said))
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise NoPhoto(why=str(error) or type(error).__name__) from None
    finally:
        _clean(station.db)


def use_drives(station: Station) -> None:
    """Each HOT drive that was here before is here, and gives back what is written to it."""
    with station.db.reading() as session:
        here = hot_mounts(session, station.places)
    for tag in standing.before(station.places).drives:
        if tag not in {mount.tag for mount in here}:
            raise NoDrive(tag=tag)
    for mount in here:
        if not mount.read_only:
            try:
                _write_and_read(mount)
            except OSError as error:
                raise NotWritable(tag=mount.tag, why=error.strerror or str(error)) from None


def _write_and_read(mount: Mount) -> None:
    """Past the kernel's memory, as far as it lets go.  Raises OSError."""
    content, path = secrets.token_bytes(SIZE), mount.path / PRIVATE / PROBE
    path.unlink(missing_ok=True)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, content)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if os.pread(fd, SIZE + 1, 0) != content:
                raise OSError("other bytes came back")
        finally:
            os.close(fd)
    finally:
        path.unlink(missing_ok=True)


def ask_shares(station: Station, door: Door) -> None:
    """Whatever is offered to the network takes a connection, and plugins that serve find nothing new wrong."""
    with station.db.reading() as session:
        for one in announced.collect(session):
            if one.kind.endswith("._tcp") and one.port:
                _connect(one.name or one.kind, one.port)
        for share, why in new_troubles(station, session):
            raise ShareSilent(share=share, why=why)
        if _is_on(session, "webdav"):
            status, said = door.ask("OPTIONS", "/dav/")
            if status >= 500 or status == 404:
                raise ShareSilent(share="WebDAV", why=_why(status, said))


def new_troubles(station: Station, session: Session) -> Iterator[tuple[str, str]]:
    """What plugins with programs of their own find wrong now, and did not before the restart."""
    known = set(standing.before(station.places).issues)
    known |= {f"{code} {subject}" for code, subject in session.execute(select(Issue.code, Issue.subject))}
    try:
        inventory = load(station.places)
    except (OSError, ValueError, KeyError, TypeError):
        inventory = None
    context = HealthContext(session, station.broker, station.places, inventory)
    manifests = plugin.found()
    for name, checks in plugin.call_named("health_checks"):
        if not manifests[name].services:
            continue
        for check in checks or ():
            for finding in check.run(context):
                if finding.severity is not Severity.NOTICE and f"{finding.code} {finding.subject}" not in known:
                    yield manifests[name].title, str(finding.message)


def _connect(name: str, port: int) -> None:
    try:
        socket.create_connection(("127.0.0.1", port), CONNECT_WITHIN_S).close()
    except OSError as error:
        raise ShareSilent(share=name, why=error.strerror or str(error)) from None


def _is_on(session: Session, name: str) -> bool:
    return name in plugin.found() and plugin.is_enabled(session, plugin.found()[name])


def _why(status: int, said: bytes) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(said)["message"]).rstrip(".")
    return str(status)


def main() -> None:
    """Ask, and say what is wrong."""
    here = places()
    db = Database(here.database)
    try:
        ask_everything(Station(db, SocketBroker(here.broker_socket), here))
    except ApplianceError as error:
        print(error)
        sys.exit(1)
    finally:
        db.close()


if __name__ == "__main__":
    main()

"""Getting files back by the API: what a copy holds, older versions, restoring, and practising it."""

from dataclasses import dataclass
from datetime import date, datetime

from appliance.backup import browse, catalogue, service
from appliance.errors import Invalid
from appliance.words import N_
from console.access import admin_only, me
from console.api.jobs import JobView, job_view
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class Restore:
    """What to bring back: ``path`` below the drive ``source`` (a tag like HOT-1); empty for the whole drive.

    ``path_hex`` instead of ``path`` for a name that is not UTF-8.  ``day``: as it was then; ``version``: one of the
    file's older versions; ``to``: the id of another HOT drive.
    """

    source: str
    path: str = ""
    path_hex: str = ""
    day: date | None = None
    version: int | None = None
    to: int | None = None


@dataclass(frozen=True)
class ShelfQuery:
    """A folder of the copy of the drive ``source`` (a tag like HOT-1), as it is or as it was on a ``day``."""

    source: str
    path: str = ""
    path_hex: str = ""
    day: date | None = None


@dataclass(frozen=True)
class CopiedFile:
    """A file that can be brought back by its ``path_hex``, an older version by its ``version`` as well.

    ``day``, ``put_away`` (null where only the day was noted) and ``why`` tell when and why a version left its place.
    """

    name: str
    path_hex: str
    size: int
    digest: str
    version: int | None
    day: date | None
    put_away: datetime | None
    why: str


@dataclass(frozen=True)
class CopiedFolder:
    """A folder inside."""

    name: str
    path_hex: str


@dataclass(frozen=True)
class ShelfView:
    """What a folder of the copy holds."""

    folders: list[CopiedFolder]
    files: list[CopiedFile]


@dataclass(frozen=True)
class DrillView:
    """A restore drill: so many random files were brought back, so many were good."""

    at: datetime
    tried: int
    good: int


def _raw(path: str, path_hex: str) -> bytes:
    """A path as the filesystem has it.  Raises Invalid."""
    if not path_hex:
        return path.strip("/").encode()
    try:
        return bytes.fromhex(path_hex)
    except ValueError:
        raise Invalid({"path_hex": N_("This is not hexadecimal.")}) from None


@route("GET", "/backup/<int:drive_id>/files", summary="What a copy holds, folder by folder", access=admin_only)
def list_files(drive_id: int, query: ShelfQuery) -> ShelfView:
    """From the catalogue: the drive stays off."""
    with station().db.reading() as session:
        service.cold(session, drive_id)
        shelf = browse.browse(session, drive_id, query.source, _raw(query.path, query.path_hex), query.day)
    folders = [CopiedFolder(_shown(name), catalogue.joined(shelf.path, name).hex()) for name in shelf.folders]
    return ShelfView(folders, [_file_view(shelf.path, copy) for copy in shelf.files])


@route("GET", "/backup/<int:drive_id>/versions", summary="Older versions of one file", access=admin_only)
def list_versions(drive_id: int, query: ShelfQuery) -> list[CopiedFile]:
    """Newest first."""
    path = _raw(query.path, query.path_hex)
    with station().db.reading() as session:
        service.cold(session, drive_id)
        found = browse.versions_of(session, drive_id, query.source, path)
    return [_file_view(path.rpartition(b"/")[0], copy) for copy in found]


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _file_view(folder: bytes, copy: browse.Copy) -> CopiedFile:
    path = catalogue.joined(folder, copy.name).hex()
    facts = {name: getattr(copy, name) for name in ("size", "version", "day", "put_away", "why")}
    return CopiedFile(name=_shown(copy.name), path_hex=path, digest=copy.digest.hex(), **facts)


@route("GET", "/backup/<int:drive_id>/drills", summary="Restore drills, newest first", access=admin_only)
def list_drills(drive_id: int) -> list[DrillView]:
    """A year of them."""
    with station().db.reading() as session:
        service.cold(session, drive_id)
        return [DrillView(drill.at, drill.tried, drill.good) for drill in service.drills(session, drive_id)]


@route("POST", "/backup/<int:drive_id>/drills", summary="Practise a restore now", access=admin_only, status=202)
def drill(drive_id: int) -> JobView:
    """A few random files come back to a temporary folder and are compared."""
    with station().db.writing() as session:
        return job_view(service.start_drill(session, drive_id, me().id))


@route("POST", "/backup/<int:drive_id>/restore", summary="Bring files back", access=admin_only, status=202)
def restore(drive_id: int, body: Restore) -> JobView:
    """Nothing is overwritten: a file that differs stays, and the restored one goes beside it."""
    with station().db.writing() as session:
        browse.hot_by_tag(session, body.source)
        job = service.restore(
            session,
            drive_id,
            body.source,
            _raw(body.path, body.path_hex),
            day=body.day,
            version=body.version,
            to_drive_id=body.to,
            asked_by=me().id,
        )
        return job_view(job)

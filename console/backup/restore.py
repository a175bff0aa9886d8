"""Getting files back: from which drive, what it holds (or held on a day), what will happen, and then the job.

Everything but the job reads the catalogue only, so the drive may be off or at somebody else's house while a family
looks for a file.  Names on a drive are bytes; in addresses they are percent-encoded.
"""

from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import quote, unquote_to_bytes
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext, ngettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.backup import browse as catalogue
from appliance.backup import service
from appliance.backup.models import ColdFile
from appliance.backup.older import VANISHED
from appliance.drives.models import Drive
from appliance.drives.mounts import hot_drives
from appliance.errors import Conflict, NotFound
from appliance.library.models import Folder
from console.access import admin_only, me
from console.shell import done, not_done, problems_of, show
from console.station import station
from console.translate import moment, size, time_zone

blueprint = Blueprint("restore", __name__, url_prefix="/restore")
FILES_SHOWN = 300  # a page


@dataclass(frozen=True)
class Place:
    """A file or folder of a copy, as of a day (None: as it is)."""

    drive: Drive
    hot: str  # tag of the drive it was copied from; "" while that is not chosen
    path: bytes
    day: date | None
    version: int | None = None  # one of a file's older versions

    @property
    def name(self) -> str:
        """Its last name, for people."""
        return shown(self.path.rpartition(b"/")[2]) or self.hot

    @property
    def quoted(self) -> str:
        """The path as addresses and forms carry it."""
        return quote(self.path)

    @property
    def parents(self) -> list[tuple[str, str]]:
        """(name, address part) of each folder on the way, the top first."""
        parts = self.path.split(b"/") if self.path else []
        return [(shown(part), quote(b"/".join(parts[: at + 1]))) for at, part in enumerate(parts)]

    def address(self, endpoint: str, path: bytes | None = None) -> str:
        """The same drive and day, another folder or page."""
        wanted = self.path if path is None else path
        day = self.day.isoformat() if self.day else None
        return url_for(f"backup.restore.{endpoint}", drive_id=self.drive.id, hot=self.hot, path=quote(wanted), day=day)

    def below(self, name: bytes) -> bytes:
        """The path of something in this folder."""
        return self.path + b"/" + name if self.path else name


def shown(name: bytes) -> str:
    """A name for people; bytes that are no text are shown as such."""
    return name.decode("utf-8", "backslashreplace")


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """From which drive?"""
    with station().db.reading() as session:
        drives = service.colds(session)
        facts = [(d, service.holds(session, d.id), service.last_proven(session, d.id)) for d in drives]
    if len(drives) == 1:
        return redirect(url_for("backup.restore.browse", drive_id=drives[0].id))
    return show("backup/restore.html", facts=facts)


@blueprint.get("/<int:drive_id>")
@admin_only
def browse(drive_id: int) -> ResponseReturnValue:
    """A folder of the copy."""
    offset = request.args.get("from", 0, int)
    with station().db.reading() as session:
        place, problems = _place(session, drive_id)
        tags = _sources(session, drive_id)
        if not place.hot and len(tags) == 1:
            place = Place(place.drive, tags[0], b"", place.day)
        shelf = catalogue.browse(session, drive_id, place.hot, place.path, place.day) if place.hot else None
    files, folders = (shelf.files, shelf.folders) if shelf else ([], [])
    return show(
        "backup/browse.html",
        status=422 if problems else 200,
        place=place,
        tags=tags,
        folders=[(shown(name), place.address("browse", place.below(name))) for name in folders],
        files=[(shown(f.name), f, place.address("file", place.below(f.name))) for f in files[offset:][:FILES_SHOWN]],
        more=offset + FILES_SHOWN if len(files) > offset + FILES_SHOWN else None,
        count=len(files),
        problems=problems,
        today=datetime.now(ZoneInfo(time_zone())).date(),
    )


@blueprint.get("/<int:drive_id>/file")
@admin_only
def file(drive_id: int) -> ResponseReturnValue:
    """Every version of one file."""
    with station().db.reading() as session:
        place, _ = _place(session, drive_id)
        parent, _, name = place.path.rpartition(b"/")
        current = [f for f in catalogue.browse(session, drive_id, place.hot, parent).files if f.name == name]
        older = catalogue.versions_of(session, drive_id, place.hot, place.path)
    if not current and not older:
        raise NotFound(what="file")
    back = Place(place.drive, place.hot, parent, place.day).address("browse")
    told = [(old, _left(old, has_company=sum(other.day == old.day for other in older) > 1)) for old in older]
    return show("backup/file.html", place=place, now=current[0] if current else None, older=told, back=back)


def _left(old: catalogue.Copy, *, has_company: bool) -> str:
    """When a version left its place: the day, and the time where several left on one day."""
    when = moment(old.put_away) if has_company and old.put_away else format_date(old.day, "medium")
    if old.why == VANISHED:
        return gettext("Deleted by %(day)s", day=when)
    return gettext("Replaced by %(day)s", day=when)


@blueprint.get("/<int:drive_id>/confirm")
@admin_only
def confirm(drive_id: int) -> ResponseReturnValue:
    """What will happen, before it does."""
    return _confirm(drive_id, {})


def _confirm(drive_id: int, problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    with station().db.reading() as session:
        place, _ = _place(session, drive_id)
        if not place.hot:
            raise NotFound(what="page")
        source = catalogue.hot_by_tag(session, place.hot)
        targets = hot_drives(session)
        what = _what(session, place, source)
    return show(
        "backup/confirm.html",
        status=status,
        place=place,
        source=source,
        targets=targets,
        what=what,
        problems=problems,
        back=place.address("browse", place.path.rpartition(b"/")[0]),
    )


@blueprint.post("/<int:drive_id>")
@admin_only
def start(drive_id: int) -> ResponseReturnValue:
    """Bring it back."""
    with station().db.reading() as session:
        place, problems = _place(session, drive_id)
        targets = [drive.id for drive in hot_drives(session)]
    target = request.form.get("to", 0, int)
    if target not in targets:
        problems["to"] = gettext("Choose the drive that the files go to.")
    if problems:
        return _confirm(drive_id, problems, 422)
    try:
        with station().db.writing() as session:
            service.restore(
                session,
                drive_id,
                place.hot,
                place.path,
                day=place.day,
                version=place.version,
                to_drive_id=target,
                asked_by=me().id,
            )
    except Conflict as error:
        return _confirm(drive_id, problems_of(error), error.status)
    return done(gettext("The files are being brought back."), "backup.drive", drive_id=drive_id)


@blueprint.post("/<int:drive_id>/drill")
@admin_only
def drill(drive_id: int) -> ResponseReturnValue:
    """Try it out with files of the station's choice."""
    try:
        with station().db.writing() as session:
            service.start_drill(session, drive_id, asked_by=me().id)
    except Conflict as error:
        return not_done(error, "backup.drive", drive_id=drive_id)
    return done(gettext("The station tries it out in a moment."), "backup.drive", drive_id=drive_id)


def _place(session: Session, drive_id: int) -> tuple[Place, dict[str, str]]:
    """What the address or the form asks for, and what is wrong with it.  Raises NotFound."""
    drive, given = service.cold(session, drive_id), request.values
    problems: dict[str, str] = {}
    day = None
    if text := given.get("day", "").strip():
        try:
            day = date.fromisoformat(text)
        except ValueError:
            problems["day"] = gettext("Write a day like 2026-11-22.")
    path = unquote_to_bytes(given.get("path", "")).strip(b"/")
    if any(part in (b"", b".", b"..") for part in path.split(b"/")) and path:
        raise NotFound(what="folder")
    return Place(drive, given.get("hot", ""), path, day, given.get("version", type=int)), problems


def _sources(session: Session, drive_id: int) -> list[str]:
    """Tags of the drives of which this one holds a copy."""
    held = select(Folder.drive_id).join(ColdFile, ColdFile.folder_id == Folder.id)
    wanted = held.where(ColdFile.cold_drive_id == drive_id).distinct()
    return [drive.tag for drive in session.scalars(select(Drive).where(Drive.id.in_(wanted)).order_by(Drive.number))]


def _what(session: Session, place: Place, source: int) -> str:
    """What comes back, as a sentence.  Raises NotFound."""
    if place.version is not None:
        old = catalogue.version_of(session, place.drive.id, place.hot, place.path, place.version)
        left = moment(old.put_away) if old.put_away else format_date(old.day, "medium")
        return gettext("It comes back as it was until %(when)s (%(size)s).", when=left, size=size(old.size))
    if place.day is not None:
        return gettext("It comes back as it was on the evening of %(day)s.", day=format_date(place.day, "medium"))
    count, bytes_ = _measure(session, place.drive.id, source, place.path)
    return ngettext(
        "%(num)s file (%(size)s) comes back as it is on the copy now.",
        "%(num)s files (%(size)s) come back as they are on the copy now.",
        count,
        size=size(bytes_),
    )


def _measure(session: Session, drive_id: int, hot_id: int, path: bytes) -> tuple[int, int]:
    """How many files, and bytes, of the newest copies lie at or below a path."""
    wanted = (
        select(func.count(), func.coalesce(func.sum(ColdFile.size), 0))
        .join(Folder, Folder.id == ColdFile.folder_id)
        .where(ColdFile.cold_drive_id == drive_id, Folder.drive_id == hot_id)
    )
    if path:
        parent, _, name = path.rpartition(b"/")
        inside = (Folder.path == path) | ((Folder.path > path + b"/") & (Folder.path < path + b"0"))
        wanted = wanted.where(inside | ((Folder.path == parent) & (ColdFile.name == name)))
    count, bytes_ = session.execute(wanted).one()
    return count, bytes_

"""What a source says of its photos becomes what their person says of them: once, and never over what is said here."""

import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.jobs.progress import Progress
from appliance.library import catalogue, locating, notes
from appliance.library.albums.models import Album, AlbumItem
from appliance.library.models import Media
from appliance.people.models import User
from appliance.words import N_
from plugins.importer.models import FileState, ImportFile
from plugins.importer.said import NOTHING, Said, Told

AT_ONCE = 200


def pass_on(progress: Progress, source_id: int, user: User, told: Told, share: tuple[int, int]) -> int:
    """Titles, descriptions, favourites, places and albums, of what is in the library now; how many photos."""
    total, done = len(told.files), 0
    while rows := _waiting(progress, source_id):
        progress.step(N_("Keeping titles and albums"), done, total, unit="photos", share=share)
        with progress.db.writing() as session:
            for row in rows:
                said = told.files.get(os.fsdecode(row.path), NOTHING)
                if said != NOTHING and row.digest is not None:
                    _say(session, user, row.digest, said)
                    done += 1
            session.execute(update(ImportFile).where(ImportFile.id.in_([r.id for r in rows])).values(noted=True))
            if done:
                notes.start_writing(session)
        progress.got_on()
    return done


def _waiting(progress: Progress, source_id: int) -> Sequence[ImportFile]:
    there = ImportFile.state.in_((FileState.DONE, FileState.KNOWN))
    wanted = select(ImportFile).where(ImportFile.source_id == source_id, there, ImportFile.noted.is_(False))
    with progress.db.reading() as session:
        return session.scalars(wanted.limit(AT_ONCE)).all()


def _say(session: Session, user: User, digest: bytes, said: Said) -> None:
    known = catalogue.find_by_digest(session, user.id, user.folder, digest)
    media_id = next((row.media_id for row in known if row.media_id is not None), None)
    if media_id is None:
        return
    media = session.get_one(Media, media_id)
    facts = _fresh(media, said)
    if facts:
        session.execute(update(Media).where(Media.id == media_id).values(**facts, edited=now(), written=False))
    if said.latitude is not None and media.latitude is None:
        place: dict[str, Any] = {"latitude": said.latitude, "longitude": said.longitude}
        place |= locating.named(said.latitude, said.longitude)
        session.execute(update(Media).where(Media.id == media_id).values(**place))
    for title in said.albums:
        _put(session, user, title, digest, media_id)


def _fresh(media: Media, said: Said) -> dict[str, Any]:
    """What nobody has said here yet."""
    told: Mapping[str, Any] = {
        "title": notes.one_line(said.title)[: notes.LONGEST_TITLE],
        "description": said.description.replace("\r\n", "\n").strip()[: notes.LONGEST_DESCRIPTION],
        "favourite": said.favourite,
    }
    return {name: value for name, value in told.items() if value and not getattr(media, name)}


def _put(session: Session, user: User, title: str, digest: bytes, media_id: int) -> None:
    """Into the person's album of this title, which is made if there is none."""
    mine = (Album.user_id == user.id, Album.title == title, Album.filter.is_(None), Album.deleted.is_(None))
    album = session.scalar(select(Album).where(*mine).order_by(Album.id).limit(1))
    if album is None:
        album = Album(uuid=str(uuid.uuid4()), user_id=user.id, title=title)
        session.add(album)
        session.flush()
    item = {"album_id": album.id, "digest": digest, "media_id": media_id, "added": now(), "added_by": user.id}
    item["position"] = (session.scalar(select(func.max(AlbumItem.position)).where(AlbumItem.album_id == album.id))) or 0
    session.execute(insert(AlbumItem).values(**item).on_conflict_do_nothing())
    album.changed, album.written = now(), False

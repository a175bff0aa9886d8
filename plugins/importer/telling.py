"""What a source says of its photos becomes what their person says of them: once, and never over what is said here."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import Invalid
from appliance.jobs.progress import Progress
from appliance.jobs.schedule import zone
from appliance.library import catalogue, notes, origins
from appliance.library.albums import service
from appliance.library.models import Media
from appliance.library.origins import Origin
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
        albums: dict[str, list[int]] = {}
        with progress.db.writing() as session:
            for row in rows:
                said = told.files.get(os.fsdecode(row.path), NOTHING)
                if said != NOTHING and row.digest is not None:
                    _say(session, user, row.digest, said, albums)
                    done += 1
            _fill(session, user, albums)
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


def _say(session: Session, user: User, digest: bytes, said: Said, albums: dict[str, list[int]]) -> None:
    known = catalogue.find_by_digest(session, user.id, user.folder, digest)
    media_id = next((row.media_id for row in known if row.media_id is not None), None)
    if media_id is None:
        return
    media = session.get_one(Media, media_id)
    facts = _fresh(media, said)
    if facts:
        session.execute(update(Media).where(Media.id == media_id).values(**facts, edited=now(), written=False))
    whence = Origin(said.taken, said.latitude, said.longitude)
    origins.say(session, media_id, whence, zone(session), written=False)
    for title in said.albums:
        albums.setdefault(title, []).append(media_id)


def _fresh(media: Media, said: Said) -> dict[str, Any]:
    """What nobody has said here yet."""
    told: Mapping[str, Any] = {
        "title": notes.one_line(said.title)[: notes.LONGEST_TITLE],
        "description": said.description.replace("\r\n", "\n").strip()[: notes.LONGEST_DESCRIPTION],
        "favourite": said.favourite,
    }
    return {name: value for name, value in told.items() if value and not getattr(media, name)}


def _fill(session: Session, user: User, albums: Mapping[str, list[int]]) -> None:
    """Into the person's albums of these titles, which are made if there are none."""
    for title, media_ids in albums.items():
        with contextlib.suppress(Invalid):  # it holds as many as an album can
            service.add(session, user, service.named(session, user, title).id, media_ids)

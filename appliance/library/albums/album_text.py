"""The text of an album's file, and what it means.  Nothing is opened here.

People are named by their folder, which is what they are called on the drive; photos by the BLAKE3 of their bytes, with
the path for whoever reads the file without Everpx.  What a stranger wrote into such a file is bounded and checked like
a form; it can show nobody's photo to anybody, because whoever names its hash already has its bytes.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.drives.models import Drive
from appliance.library import catalogue
from appliance.library.albums.models import Album, AlbumItem, AlbumMember
from appliance.library.models import Folder, Media, StoredFile
from appliance.library.notes import LONGEST_DESCRIPTION, one_line
from appliance.people.models import User, UserState

WHAT = "An album of an Everpx station. Its photos are named by BLAKE3 hash and by path."
FORMAT = 1
LONGEST_TITLE = 120
MOST_ITEMS = 200_000


class NoAlbum(ValueError):
    """A file that is no album, or of a later format."""


def written(session: Session, album: Album) -> bytes:
    """The file's text."""
    folders = {row.id: row.folder for row in session.execute(select(User.id, User.folder))}
    members = session.scalars(select(AlbumMember).where(AlbumMember.album_id == album.id).order_by(AlbumMember.user_id))
    facts = {
        "what": WHAT,
        "format": FORMAT,
        "uuid": album.uuid,
        "title": album.title,
        "description": album.description,
        "created": album.created.isoformat(),
        "filter": album.filter,
        "cover": _hex(session, album.cover_id),
        "members": [{"folder": folders[member.user_id], "may_add": member.may_add} for member in members],
        "photos": [_item(row, folders) for row in _items(session, album)],
    }
    return json.dumps(facts, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def _items(session: Session, album: Album) -> Sequence[Any]:
    digest = func.coalesce(StoredFile.digest, AlbumItem.digest).label("digest")  # of its bytes now, where it is here
    wanted = (
        select(digest, AlbumItem.position, AlbumItem.added, AlbumItem.added_by)
        .add_columns(Drive.number, Folder.path, StoredFile.name)
        .outerjoin(Media, Media.id == AlbumItem.media_id)
        .outerjoin(StoredFile, StoredFile.id == Media.file_id)
        .outerjoin(Folder, Folder.id == StoredFile.folder_id)
        .outerjoin(Drive, Drive.id == Folder.drive_id)
        .where(AlbumItem.album_id == album.id)
        .order_by(AlbumItem.position, Media.taken, AlbumItem.id)
    )
    return session.execute(wanted).all()


def _item(row: Any, folders: Mapping[int, str]) -> dict[str, Any]:
    path = (
        ""
        if row.path is None
        else f"HOT-{row.number}/" + catalogue.joined(row.path, row.name).decode("utf-8", "replace")
    )
    return {
        "blake3": row.digest.hex(),
        "path": path,
        "position": row.position,
        "added": row.added.isoformat(),
        "added_by": folders.get(row.added_by),
    }


def _hex(session: Session, media_id: int | None) -> str | None:
    digest = session.scalar(select(StoredFile.digest).join(Media).where(Media.id == media_id))
    return digest.hex() if digest else None


def read(text: bytes) -> dict[str, Any]:
    """An album's facts, each of the right kind.  Raises NoAlbum."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        raise NoAlbum() from None
    if not isinstance(facts, dict) or facts.get("what") != WHAT or facts.get("format") != FORMAT:
        raise NoAlbum()
    title = one_line(_text(facts, "title"))[:LONGEST_TITLE]
    items, members = facts.get("photos"), facts.get("members")
    if not title or not isinstance(items, list) or not isinstance(members, list) or len(items) > MOST_ITEMS:
        raise NoAlbum()
    try:
        known = str(uuid.UUID(_text(facts, "uuid")))
    except ValueError:
        raise NoAlbum() from None
    choice = facts.get("filter")
    return {
        "uuid": known,
        "title": title,
        "description": _text(facts, "description")[:LONGEST_DESCRIPTION],
        "created": _moment(facts.get("created")),
        "filter": choice if isinstance(choice, dict) else None,
        "cover": _digest(facts.get("cover")),
        "members": [member for member in members if isinstance(member, dict)],
        "photos": [item for item in items if isinstance(item, dict) and _digest(item.get("blake3"))],
    }


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name, "")
    if not isinstance(value, str):
        raise NoAlbum()
    return value


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else now()
    except ValueError:
        return now()
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _digest(value: object) -> bytes | None:
    try:
        digest = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return None
    return digest if len(digest) == 32 else None


def take(session: Session, owner: User, facts: Mapping[str, Any]) -> bool:
    """Make the album that a file tells of, unless it is known; whether it was made."""
    if session.scalar(select(Album.id).where(Album.uuid == facts["uuid"])) is not None:
        return False
    names = ("uuid", "title", "description", "created", "filter")
    album = Album(user_id=owner.id, written=True, **{name: facts[name] for name in names})
    session.add(album)
    session.flush()
    people = {user.folder: user for user in session.scalars(select(User).where(User.state == UserState.ACTIVE))}
    for item in {_digest(item["blake3"]): item for item in facts["photos"]}.values():
        _take_item(session, album, item, people)
    for member in facts["members"]:
        person = people.pop(str(member.get("folder")), None)
        if person is not None and person.id != owner.id:
            session.add(AlbumMember(album_id=album.id, user_id=person.id, may_add=member.get("may_add") is True))
    if facts["cover"]:
        album.cover_id = _media_of(session, facts["cover"], owner)
    return True


def _take_item(session: Session, album: Album, item: Mapping[str, Any], people: Mapping[str, User]) -> None:
    digest, position = _digest(item["blake3"]), item.get("position")
    assert digest is not None
    adder = people.get(str(item.get("added_by")))
    session.add(
        AlbumItem(
            album_id=album.id,
            digest=digest,
            media_id=_media_of(session, digest, adder),
            position=position if isinstance(position, int) and 0 <= position <= MOST_ITEMS else 0,
            added=_moment(item.get("added")),
            added_by=adder.id if adder else None,
        )
    )


def _media_of(session: Session, digest: bytes, person: User | None) -> int | None:
    """The photo with these bytes, the person's own first; None while nobody has read it."""
    wanted = select(Media.id).join(StoredFile).where(StoredFile.digest == digest)
    mine = Media.user_id == (person.id if person else 0)
    return session.scalar(wanted.order_by(mine.desc(), Media.id).limit(1))

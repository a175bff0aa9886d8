"""Photos with everything that is said of them, for tests of the page that a drive carries: real pictures, real rows."""

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from blake3 import blake3
from PIL import Image, ImageDraw
from sqlalchemy import insert, select

from appliance.db import Database
from appliance.drives.mounts import Mount
from appliance.library.albums.models import Album, AlbumItem, AlbumMember
from appliance.library.catalogue import folder_id, record
from appliance.library.models import Media, MediaKind, PreviewState, StoredFile, Tag
from appliance.library.previews import path_of
from appliance.people import service
from appliance.people.audit import By
from appliance.people.models import Role, User

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def picture(number: int, size: tuple[int, int], kind: str, name: str = "") -> bytes:
    """A picture that can be told from every other."""
    image = Image.new("RGB", size, ((number * 67) % 200 + 30, (number * 131) % 200 + 30, (number * 29) % 200 + 30))
    draw = ImageDraw.Draw(image)
    draw.ellipse((size[0] // 6, size[1] // 4, size[0] // 2, size[1] - size[1] // 5), fill=(250, 240, 220))
    draw.text((size[0] // 3, size[1] // 3), name or str(number), fill=(20, 20, 20), font_size=size[1] // 6)
    out = io.BytesIO()
    image.save(out, kind, **({"method": 0} if kind == "WEBP" else {}))
    return out.getvalue()


class Photos:
    """Puts photos onto a HOT drive as uploads and previews would."""

    def __init__(self, db: Database, hot: Mount) -> None:
        self.db, self.hot, self.number = db, hot, 0

    def person(self, name: str) -> User:
        """A member of the family."""
        with self.db.writing() as session:
            user = service.add(session, By(), name=name, password="a long enough password", role=Role.MEMBER)
        return user

    def add(
        self,
        user: User,
        name: str | bytes,
        *,
        month: int = 202611,
        content: bytes | None = None,
        has_preview: bool = True,
        tags: tuple[str, ...] = (),
        **said: Any,
    ) -> Media:
        """A photo of somebody, on the drive and in the rows; ``said`` are columns of its row."""
        self.number += 1
        content = picture(self.number, (1200, 900), "JPEG") if content is None else content
        place = f"{user.folder}/Photos/{month // 100}/{month // 100}-{month % 100:02}".encode()
        path = Path(os.fsdecode(os.fsencode(self.hot.path) + b"/" + place + b"/" + os.fsencode(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = blake3(content).digest()
        if has_preview:
            for pixels, size in ((320, (427, 320)), (1600, (640, 480))):
                preview = self.hot.path / os.fsdecode(path_of(digest, pixels))
                preview.parent.mkdir(parents=True, exist_ok=True)
                preview.write_bytes(picture(self.number, size, "WEBP"))
        taken = datetime(month // 100, month % 100, 1, 12, tzinfo=UTC) + timedelta(minutes=self.number)
        facts: dict[str, Any] = {"kind": MediaKind.PHOTO, "taken_from": "exif", "width": 1200, "height": 900} | said
        facts["preview"] = PreviewState.READY if has_preview else PreviewState.NONE
        with self.db.writing() as session:
            folder = folder_id(session, self.hot.drive_id, place)
            stat = path.stat()
            file_id = record(
                session,
                folder_id=folder,
                name=os.fsencode(name),
                size=stat.st_size,
                modified_ns=stat.st_mtime_ns,
                digest=digest,
            )
            media = Media(file_id=file_id, user_id=user.id, taken=facts.pop("taken", taken), month=month, **facts)
            media.tags = [self._tag(session, word) for word in tags]
            session.add(media)
        return media

    def _tag(self, session: Any, word: str) -> Tag:
        return session.scalar(select(Tag).where(Tag.name == word)) or Tag(name=word)

    def many(self, user: User, count: int, *, years: int = 8) -> None:
        """Rows only, as of photos without previews: for pages that are long."""
        begin = datetime(2019, 1, 1, tzinfo=UTC)
        with self.db.writing() as session:
            folder = folder_id(session, self.hot.drive_id, f"{user.folder}/Photos".encode())
            files, media = [], []
            for number in range(count):
                taken = begin + timedelta(days=365 * years) * number / count
                files.append(
                    {"id": 10**6 + number, "folder_id": folder, "name": b"%06d.jpg" % number, "size": 3_000_000}
                )
                files[-1] |= {"modified_ns": 0, "digest": None, "added": NOON}
                facts = {"file_id": 10**6 + number, "user_id": user.id, "kind": MediaKind.PHOTO, "taken": taken}
                facts |= {"taken_from": "exif", "month": taken.year * 100 + taken.month, "preview": PreviewState.NONE}
                media.append(facts | {"title": f"Picnic {number}" if number % 100 == 0 else ""})
            session.execute(insert(StoredFile), files)
            session.execute(insert(Media), media)

    def album(self, owner: User, title: str, items: list[Media], members: tuple[User, ...] = ()) -> Album:
        """An album of somebody's photos."""
        with self.db.writing() as session:
            album = Album(uuid=f"{owner.id}-{title}"[:80], user_id=owner.id, title=title, description="")
            session.add(album)
            session.flush()
            for media in items:
                digest = session.scalars(select(StoredFile.digest).where(StoredFile.id == media.file_id)).one()
                session.add(AlbumItem(album_id=album.id, digest=digest, media_id=media.id, added_by=owner.id))
            session.add_all(AlbumMember(album_id=album.id, user_id=member.id) for member in members)
        return album

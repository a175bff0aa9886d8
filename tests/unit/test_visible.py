"""Who sees which photo: every kind of person for every kind of photo, asked of the one rule."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from appliance.db import Database
from appliance.drives.models import Drive, DriveRole
from appliance.library import visible
from appliance.library.albums.models import Album, AlbumItem, AlbumMember, PublicLink
from appliance.library.models import Folder, Media, MediaKind, StoredFile
from appliance.people.models import Role, User, UserState

#: Anna is an admin, Ben and Cleo are members, Old was archived.  A photo: whose it is, and how it is shown to others.
TABLE = """
photo                     anna  ben  cleo  link
ben-private               -     yes  -     -
ben-ours                  yes   yes  yes   -
ben-in-album-with-cleo    -     yes  yes   yes
ben-added-by-cleo         -     yes  -     -
cleo-added-by-cleo        -     yes  yes   yes
cleo-private              -     -    yes   -
old-private               yes   -    -     -
"""
ROWS = [line.split() for line in TABLE.split("\n")[2:-1]]


@pytest.fixture
def session(db: Database) -> Session:
    """Ben's album, which Cleo may fill, with a link; and a photo of each kind, titled by it."""
    with db.writing() as session:
        people = {
            name: User(name=name, folder=name, password_hash="", role=role, state=state)
            for name, role, state in (
                ("anna", Role.ADMIN, UserState.ACTIVE),
                ("ben", Role.MEMBER, UserState.ACTIVE),
                ("cleo", Role.MEMBER, UserState.ACTIVE),
                ("old", Role.MEMBER, UserState.ARCHIVED),
            )
        }
        drive = Drive(
            marker_id="m", role=DriveRole.HOT, number=1, name="Blue", colour="blue", filesystem="ext4",
            filesystem_uuid="u", size=1,
        )  # fmt: skip
        session.add_all([*people.values(), drive])
        session.flush()
        folder = Folder(drive_id=drive.id, path=b"x")
        album = Album(uuid="a", user_id=people["ben"].id, title="Holiday")
        session.add_all([folder, album])
        session.flush()
        session.add(AlbumMember(album_id=album.id, user_id=people["cleo"].id, may_add=True))
        session.add(PublicLink(token_hash="t", album_id=album.id, user_id=people["ben"].id))
        for kind, *_ in ROWS:
            _photo(session, folder, people, kind, album)
        return session


def _photo(session: Session, folder: Folder, people: dict[str, User], kind: str, album: Album) -> None:
    digest = kind.encode().ljust(32, b".")
    file = StoredFile(folder_id=folder.id, name=kind.encode(), size=1, modified_ns=0, digest=digest)
    session.add(file)
    session.flush()
    taken = datetime(2026, 11, 1, tzinfo=UTC)
    media = Media(
        file_id=file.id, user_id=people[kind.split("-")[0]].id, kind=MediaKind.PHOTO, taken=taken, taken_from="exif",
        month=202611, title=kind, shared=kind.endswith("ours"),
    )  # fmt: skip
    session.add(media)
    session.flush()
    if "album" in kind or "added" in kind:
        by = people["cleo" if kind.endswith("cleo") and "added" in kind else "ben"]
        session.add(AlbumItem(album_id=album.id, digest=digest, media_id=media.id, added_by=by.id))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_kind_of_person_for_every_kind_of_photo(db: Database, session: Session, row: list[str]) -> None:
    kind, *expected = row
    with db.reading() as asked:
        rules = [visible.by_person(asked.scalars(select(User).where(User.name == n)).one()) for n in TABLE.split()[1:4]]
        rules.append(visible.by_link(asked.scalars(select(PublicLink)).one()))
        seen = [asked.scalar(select(Media.id).where(Media.title == kind, rule)) is not None for rule in rules]
    assert ["yes" if one else "-" for one in seen] == expected


def test_only_the_owner_changes_a_photo(db: Database, session: Session) -> None:
    with db.reading() as asked:
        for person in asked.scalars(select(User)):
            changed = asked.scalars(select(Media.title).where(visible.changeable_by(person))).all()
            assert {title.split("-")[0] for title in changed} <= {person.name}


def test_an_album_is_opened_and_filled_by_whom_it_is_shared_with(db: Database, session: Session) -> None:
    def albums(name: str) -> tuple[int, int]:
        with db.reading() as asked:
            person = asked.scalars(select(User).where(User.name == name)).one()
            rules = (visible.album_seen_by(person), visible.album_filled_by(person))
            opened, filled = (len(asked.scalars(select(Album.id).where(rule)).all()) for rule in rules)
            return opened, filled

    assert [albums(name) for name in ("anna", "ben", "cleo")] == [(0, 0), (1, 1), (1, 1)]
    with db.writing() as changing:
        changing.execute(update(AlbumMember).values(may_add=False))
    assert albums("cleo") == (1, 0)

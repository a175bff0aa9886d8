"""Who may see which photo, and who may change it: one rule, in the query itself.

A photo is seen by its owner; by the whole family when its owner made it "ours"; by whoever an album that its owner put
it in is shared with; of an archived person by admins.  Being an admin shows nothing else.  A guest with a link sees
what the owners themselves put in that link's album, and nothing more: nobody can pass on what was only shown to them.
Only the owner changes or deletes.

Every query that hands out a photo takes its condition from here; ``tests/unit/test_visible.py`` asks each role for each
kind of object.
"""

from functools import lru_cache

from sqlalchemy import ColumnElement, false, or_, select

from appliance.library.albums.models import Album, AlbumItem, AlbumMember, PublicLink
from appliance.library.models import Media
from appliance.people.models import Role, User, UserState


def by_person(viewer: User) -> ColumnElement[bool]:
    """The photos that a member of the family may see."""
    return by_member(viewer.id, viewer.role)


@lru_cache(64)
def by_member(viewer_id: int, role: Role) -> ColumnElement[bool]:
    """The same, for queries that are built once; to build this takes longer than to ask it."""
    open_to_them = select(Album.id).where(album_seen_by_member(viewer_id)).correlate(None)
    in_albums = _in_an_album(AlbumItem.album_id.in_(open_to_them))
    archived: ColumnElement[bool] = false()
    if role is Role.ADMIN:
        archived = Media.user_id.in_(select(User.id).where(User.state == UserState.ARCHIVED).correlate(None))
    return or_(Media.user_id == viewer_id, Media.shared.is_(True), in_albums, archived)


def by_link(link: PublicLink) -> ColumnElement[bool]:
    """The photos that a guest with this link may see; whether it still holds is asked before."""
    return _in_an_album(AlbumItem.album_id == link.album_id)


def _in_an_album(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Put into such an album by whom it belongs to.  Says of what it is asked, whatever else the query is about."""
    put_in = select(AlbumItem.id).where(AlbumItem.media_id == Media.id, AlbumItem.added_by == Media.user_id, which)
    return put_in.correlate(Media).exists()


def changeable_by(person: User) -> ColumnElement[bool]:
    """The photos that somebody may edit or delete: their own."""
    return Media.user_id == person.id


def album_seen_by(viewer: User) -> ColumnElement[bool]:
    """The albums that a member of the family may open."""
    return album_seen_by_member(viewer.id)


@lru_cache(64)
def album_seen_by_member(viewer_id: int) -> ColumnElement[bool]:
    """The same, for queries that are built once."""
    with_me = select(AlbumMember.album_id).where(AlbumMember.user_id == viewer_id).correlate(None)
    return Album.deleted.is_(None) & or_(Album.user_id == viewer_id, Album.id.in_(with_me))


def album_filled_by(person: User) -> ColumnElement[bool]:
    """The albums that somebody may add photos to."""
    adding = (AlbumMember.user_id == person.id, AlbumMember.may_add.is_(True))
    may_add = select(AlbumMember.album_id).where(*adding).correlate(None)
    return Album.deleted.is_(None) & or_(Album.user_id == person.id, Album.id.in_(may_add))


def album_changed_by(person: User) -> ColumnElement[bool]:
    """The albums that somebody may rename, share or delete: their own."""
    return Album.deleted.is_(None) & (Album.user_id == person.id)

"""Albums by the API: what is in them, who sees them, and the links that lead to them."""

from dataclasses import dataclass, field
from datetime import datetime

from flask import url_for
from sqlalchemy.orm import Session

from appliance.errors import Invalid
from appliance.library import visible
from appliance.library.albums import links, service
from appliance.library.albums.models import Album, PublicLink
from appliance.words import N_
from console.access import by, me
from console.albums.views import place_in, place_text
from console.api.library import MOST, ItemView, TimelinePage, item_view
from console.api.routes import route
from console.station import station


@dataclass(frozen=True)
class AlbumView:
    """An album; ``yours`` may be changed, ``cover`` is a photo or null for its newest."""

    id: int
    title: str
    description: str
    yours: bool
    cover: int | None
    fills_itself: bool
    created: datetime
    changed: datetime


@dataclass(frozen=True)
class NewAlbum:
    """Its title has at most 120 characters."""

    title: str
    description: str = ""


@dataclass(frozen=True)
class AlbumChange:
    """Only the fields that are sent are changed; ``cover`` 0 is the newest photo."""

    title: str | None = None
    description: str | None = None
    cover: int | None = None


@dataclass(frozen=True)
class Chosen:
    """Numbers of photos."""

    ids: list[int]


@dataclass(frozen=True)
class Counted:
    """How many photos it was about."""

    count: int


@dataclass(frozen=True)
class ItemsQuery:
    """``after`` from the page before."""

    after: str = ""
    limit: int = service.PAGE


@dataclass(frozen=True)
class MemberView:
    """Somebody of the family who sees the album."""

    id: int
    name: str
    may_add: bool


@dataclass(frozen=True)
class MemberWish:
    """Who shall see it."""

    id: int
    may_add: bool = False


@dataclass(frozen=True)
class Members:
    """All who shall see it; everybody else no longer does."""

    members: list[MemberWish]


@dataclass(frozen=True)
class LinkView:
    """A public link; its address is not kept."""

    id: int
    created: datetime
    expires: datetime | None
    password: bool
    may_upload: bool
    last_used: datetime | None


@dataclass(frozen=True)
class NewLink:
    """``days`` is 1, 7, 30, 90 or 365, null for good."""

    days: int | None = None
    password: str = field(default="", repr=False)
    may_upload: bool = False


@dataclass(frozen=True)
class MadeLink:
    """The address is told this once."""

    link: LinkView
    address: str = field(repr=False)


def _view(album: Album) -> AlbumView:
    return AlbumView(
        album.id,
        album.title,
        album.description,
        album.user_id == me().id,
        album.cover_id,
        album.filter is not None,
        album.created,
        album.changed,
    )


def _link_view(link: PublicLink) -> LinkView:
    return LinkView(link.id, link.created, link.expires, bool(link.password_hash), link.may_upload, link.last_used)


@route("GET", "/albums", summary="Albums that you may open")
def listing() -> list[AlbumView]:
    """The last changed first."""
    with station().db.reading() as session:
        return [_view(glance.album) for glance in service.listing(session, me())]


@route("POST", "/albums", summary="Make an album", status=201)
def create(body: NewAlbum) -> AlbumView:
    """Empty at first."""
    with station().db.writing() as session:
        return _view(service.create(session, me(), body.title, body.description))


@route("GET", "/albums/<int:album_id>", summary="One album")
def one(album_id: int) -> AlbumView:
    """Its words; its photos are under items."""
    with station().db.reading() as session:
        return _view(service.get(session, me(), album_id))


@route("PATCH", "/albums/<int:album_id>", summary="Change an album")
def change(album_id: int, body: AlbumChange) -> AlbumView:
    """Your own."""
    with station().db.writing() as session:
        album = service.own(session, me(), album_id)
        service.change(session, album, title=body.title, description=body.description)
        if body.cover is not None:
            service.set_cover(session, me(), album_id, body.cover or None)
        return _view(album)


@route("DELETE", "/albums/<int:album_id>", summary="Delete an album")
def delete(album_id: int) -> None:
    """Its photos stay; for ten minutes it can be had back."""
    with station().db.writing() as session:
        service.put_away(session, me(), album_id)


@route("POST", "/albums/<int:album_id>/bring-back", summary="Bring back an album that was just deleted")
def bring_back(album_id: int) -> AlbumView:
    """Within ten minutes."""
    with station().db.writing() as session:
        return _view(service.bring_back(session, me(), album_id))


@route("GET", "/albums/<int:album_id>/items", summary="An album's photos, in its order")
def items(album_id: int, query: ItemsQuery) -> TimelinePage:
    """Those that you may see."""
    after = place_in(query.after)
    if query.after and after is None:
        raise Invalid({"after": N_("Send what the page before said.")})
    with station().db.reading() as session:
        album = service.get(session, me(), album_id)
        most = max(1, min(query.limit, MOST))
        found, last = service.page(session, album, visible.by_person(me()), after, most)
    views: list[ItemView] = [item_view(item) for item in found]
    return TimelinePage(views, place_text(last) if last else None)


@route("POST", "/albums/<int:album_id>/items", summary="Put photos into an album")
def add(album_id: int, body: Chosen) -> Counted:
    """Those that you may see, into an album that you may fill; how many are new in it."""
    with station().db.writing() as session:
        return Counted(service.add(session, me(), album_id, body.ids))


@route("POST", "/albums/<int:album_id>/items/removal", summary="Take photos out of an album")
def remove(album_id: int, body: Chosen) -> Counted:
    """The photos stay."""
    with station().db.writing() as session:
        return Counted(service.remove(session, me(), album_id, body.ids))


@route("PUT", "/albums/<int:album_id>/order", summary="Put an album's photos in order")
def order(album_id: int, body: Chosen) -> None:
    """In this order, the rest after them; without any, as they were taken."""
    with station().db.writing() as session:
        service.arrange(session, me(), album_id, body.ids)


@route("GET", "/albums/<int:album_id>/members", summary="Who of the family sees an album")
def members(album_id: int) -> list[MemberView]:
    """Besides its owner."""
    with station().db.reading() as session:
        return _members(session, service.get(session, me(), album_id))


@route("PUT", "/albums/<int:album_id>/members", summary="Share an album inside the family")
def share(album_id: int, body: Members) -> list[MemberView]:
    """Your own."""
    with station().db.writing() as session:
        service.share(session, me(), album_id, {member.id: member.may_add for member in body.members})
        return _members(session, service.own(session, me(), album_id))


def _members(session: Session, album: Album) -> list[MemberView]:
    return [MemberView(each.user.id, each.user.name, each.may_add) for each in service.shared_with(session, album)]


@route("GET", "/albums/<int:album_id>/links", summary="Public links to an album")
def all_links(album_id: int) -> list[LinkView]:
    """To your own; the newest first."""
    with station().db.reading() as session:
        return [_link_view(link) for link in links.listing(session, me(), album_id)]


@route("POST", "/albums/<int:album_id>/links", summary="Make a public link to an album", status=201)
def make_link(album_id: int, body: NewLink) -> MadeLink:
    """Its address is told this once."""
    with station().db.writing() as session:
        link, token = links.create(
            session, by(), me(), album_id, days=body.days, password=body.password, may_upload=body.may_upload
        )
    return MadeLink(_link_view(link), url_for("guests.page", token=token, _external=True))


@route("DELETE", "/albums/<int:album_id>/links/<int:link_id>", summary="End a public link")
def end_link(album_id: int, link_id: int) -> None:
    """It leads nowhere from now on."""
    with station().db.writing() as session:
        links.end(session, by(), me(), album_id, link_id)

"""Albums: all of them, one with its photos, and what its owner may change: words, order, who sees it."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import ApplianceError, Invalid
from appliance.library import search, visible
from appliance.library.albums import links, service
from appliance.library.albums.models import Album
from appliance.library.albums.service import Place
from appliance.library.filters import Filter
from appliance.library.timeline import Item, key_in
from appliance.people.models import User
from console.access import by, me, signed_in
from console.library import grid
from console.qr import drawn
from console.shell import done, problems_of, show
from console.station import station

blueprint = Blueprint("albums", __name__, template_folder="templates", url_prefix="/albums")


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """All albums that somebody may open, as covers."""
    return _page({}, {}, 200)


def _page(typed: Any, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        glances = service.listing(session, me())
    return show("albums/page.html", "", status, glances=glances, typed=typed, problems=problems)


@blueprint.post("/")
@signed_in
def create() -> ResponseReturnValue:
    """A new album, empty."""
    try:
        with station().db.writing() as session:
            album = service.create(session, me(), request.form.get("title", ""))
    except ApplianceError as error:
        return _page(request.form, problems_of(error), error.status)
    return done(gettext("The album is there. Choose photos for it under Photos."), "albums.one", album_id=album.id)


@blueprint.get("/<int:album_id>")
@signed_in
def one(album_id: int) -> ResponseReturnValue:
    """An album with its photos; htmx asks for the next page alone."""
    user, choosing = me(), "choose" in request.args
    with station().db.reading() as session:
        album = service.get(session, user, album_id)
        items, after = _photos_of(session, album, user)
        owner = session.get_one(User, album.user_id)
        members = service.shared_with(session, album)
        fillable = service.fillable(session, user)
    return show(
        "albums/one.html",
        "more",
        album=album,
        items=[("", items)],
        next=url_for(".one", album_id=album_id, after=after, choose=1 if choosing else None) if after else "",
        shape=grid.shape,
        length=grid.length,
        caption=grid.captions(),
        within=f"?album={album_id}",
        choosing=choosing,
        nothing=not items and "after" not in request.args,
        owner=owner,
        members=members,
        fillable=fillable,
        may_add=any(each.id == album_id for each in fillable),
    )


def _photos_of(session: Session, album: Album, user: User) -> tuple[Sequence[Item], str]:
    """A page of its photos and what the next one comes after; a kept search's are what matches now."""
    after = request.args.get("after")
    if album.filter is None:
        items, last = service.page(session, album, visible.by_person(user), place_in(after))
        return items, place_text(last) if last else ""
    found = search.page(
        session, user, Filter.from_json(album.filter), int(after) if after and after.isdigit() else None
    )
    return found.items, str(found.next) if found.next else ""


def place_text(place: Place) -> str:
    """For addresses: position, microseconds, number."""
    return f"{place.position}-{round(place.taken.timestamp() * 1e6)}-{place.id}"


def place_in(text: str | None) -> Place | None:
    """The inverse; None for anything else."""
    position, dash, rest = (text or "").partition("-")
    key = key_in(rest)
    if not dash or key is None or not position.isascii() or not position.isdigit() or len(position) > 18:
        return None
    return Place(int(position), key.taken, key.id)


@blueprint.get("/<int:album_id>/edit")
@signed_in
def edit(album_id: int) -> ResponseReturnValue:
    """What its owner may change."""
    return _edit(album_id, None, {}, 200)


def _edit(album_id: int, typed: Any, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        album = service.own(session, me(), album_id)
        family = service.members(session, album)
        public_links = links.listing(session, me(), album_id)
    typed = typed or {"title": album.title, "description": album.description}
    return show(
        "albums/edit.html",
        "",
        status,
        album=album,
        family=family,
        links=public_links,
        days=links.DAYS,
        now=now(),
        typed=typed,
        problems=problems,
    )


@blueprint.post("/<int:album_id>/edit")
@signed_in
def change(album_id: int) -> ResponseReturnValue:
    """Other words; ``by_date`` gives up an order of its own."""
    form = request.form
    try:
        with station().db.writing() as session:
            album = service.own(session, me(), album_id)
            service.change(session, album, title=form.get("title"), description=form.get("description"))
            if "by_date" in form:
                service.arrange(session, me(), album_id, [])
    except ApplianceError as error:
        if error.status == 404:
            raise
        return _edit(album_id, form, problems_of(error), error.status)
    return done(gettext("Saved."), "albums.one", album_id=album_id)


@blueprint.post("/<int:album_id>/members")
@signed_in
def share(album_id: int) -> ResponseReturnValue:
    """Who of the family sees it: ``member-<number>`` is ``""``, ``see`` or ``add``."""
    wanted = {}
    for name, value in request.form.items():
        number = name.removeprefix("member-")
        if name.startswith("member-") and value in ("see", "add") and number.isascii() and number.isdigit():
            wanted[int(number[:18])] = value == "add"
    with station().db.writing() as session:
        service.share(session, me(), album_id, wanted)
    return done(gettext("Saved."), "albums.edit", album_id=album_id)


@blueprint.post("/<int:album_id>/links")
@signed_in
def make_link(album_id: int) -> ResponseReturnValue:
    """A public link; its address is on this page only, because only its hash is kept."""
    form = request.form
    try:
        with station().db.writing() as session:
            link, token = links.create(
                session,
                by(),
                me(),
                album_id,
                days=form.get("days", type=int) or None,
                password=form.get("password", ""),
                may_upload="may_upload" in form,
            )
            album = service.own(session, me(), album_id)
    except Invalid as error:
        return _edit(album_id, form, problems_of(error), error.status)
    address = url_for("guests.page", token=token, _external=True)
    return show("albums/link.html", album=album, link=link, address=address, code=drawn(address))


@blueprint.post("/<int:album_id>/links/<int:link_id>/end")
@signed_in
def end_link(album_id: int, link_id: int) -> ResponseReturnValue:
    """From now on it leads nowhere."""
    with station().db.writing() as session:
        links.end(session, by(), me(), album_id, link_id)
    return done(gettext("The link is ended."), "albums.edit", album_id=album_id)


@blueprint.post("/<int:album_id>/delete")
@signed_in
def delete(album_id: int) -> ResponseReturnValue:
    """Put the album away; its photos stay."""
    with station().db.writing() as session:
        album = service.put_away(session, me(), album_id)
    return done(
        gettext("“%(title)s” is deleted. Its photos are all still there.", title=album.title),
        "albums.page",
        undo=album_id,
    )


@blueprint.post("/<int:album_id>/bring-back")
@signed_in
def bring_back(album_id: int) -> ResponseReturnValue:
    """An album that was just deleted."""
    with station().db.writing() as session:
        service.bring_back(session, me(), album_id)
    return done(gettext("The album is back."), "albums.one", album_id=album_id)

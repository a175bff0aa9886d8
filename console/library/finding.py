"""Pages: finding photos by words and facts, while typing or by a form, and the searches that somebody keeps."""

from typing import Any

from flask import Blueprint, make_response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import delete, select

from appliance.errors import ApplianceError, Invalid
from appliance.library import choices, facets, search
from appliance.library.albums import service as albums
from appliance.library.albums.models import SavedFilter
from appliance.library.filters import Filter
from appliance.words import N_
from console.access import me, signed_in
from console.library import grid, looking
from console.shell import done, not_done, show
from console.station import station

LONGEST_NAME = 60


def add_to(blueprint: Blueprint) -> None:
    """Put these pages among those of the photos."""
    blueprint.add_url_rule("/search", "search", find)
    blueprint.add_url_rule("/search/keep", "keep_search", keep, methods=["POST"])
    blueprint.add_url_rule("/search/<int:saved_id>/drop", "drop_search", drop, methods=["POST"])


@signed_in
def find() -> ResponseReturnValue:
    """What matches, newest first; htmx asks for the pictures alone, while somebody types or scrolls."""
    user, chosen = me(), Filter.from_json(request.args)
    after, part = request.args.get("after", type=int), bool(request.headers.get("HX-Request"))
    with station().db.reading() as session:
        page = search.page(session, user, chosen, after)
        shown = {} if part else _choices(session, user)
    asked = chosen.as_json()
    seen = page.items[-1].month if page.items else request.args.get("seen", type=int)
    context: dict[str, Any] = {
        "items": grid.with_months(page.items, request.args.get("seen", type=int)),
        "next": url_for(".search", **asked, after=page.next, seen=seen) if page.next else "",
        "shape": grid.shape,
        "length": grid.length,
        "caption": grid.captions(),
        "within": looking.in_search(chosen),
        "begins": after is None,
    }
    if part and after is not None:
        return show("library/photos.html", "more", **context)
    nothing = not page.items and page.next is None
    answer = make_response(
        show("library/search.html", "found", chosen=chosen, asked=asked, nothing=nothing, **context, **shown)
    )
    if part:
        answer.headers["HX-Replace-Url"] = url_for(".search", **asked)
    return answer


def _choices(session: Any, user: Any) -> dict[str, Any]:
    return {
        "saved": choices.saved(session, user),
        "cameras": choices.cameras(session, user),
        "places": choices.places(session, user),
        "countries": choices.countries(session, user),
        "tags": choices.tags(session, user),
        "albums": choices.albums(session, user),
        "kinds": _kinds(),
        "fillable": albums.fillable(session, user),
    }


def _kinds() -> dict[str, str]:
    return {
        facets.PHOTO: gettext("Photos"),
        facets.VIDEO: gettext("Videos"),
        facets.LIVE: gettext("Live photos"),
        facets.RAW: gettext("RAW files"),
        facets.SCREENSHOT: gettext("Screenshots"),
    }


@signed_in
def keep() -> ResponseReturnValue:
    """Keep a search under a name; the same name means the new one."""
    user, chosen, name = me(), Filter.from_json(request.form), request.form.get("name", "").strip()[:LONGEST_NAME]
    try:
        if not name:
            raise Invalid({"name": N_("Give the search a name.")})
        if chosen.is_empty:
            raise Invalid({"name": N_("Choose something to search for first.")})
        if request.form.get("as") == "album":
            with station().db.writing() as session:
                album = albums.create(session, user, name, chosen=chosen)
            return done(gettext("The album always shows what matches."), "albums.one", album_id=album.id)
        with station().db.writing() as session:
            same = (SavedFilter.user_id == user.id, SavedFilter.name == name)
            session.execute(delete(SavedFilter).where(*same))
            session.add(SavedFilter(user_id=user.id, name=name, filter=chosen.as_json()))
    except ApplianceError as error:
        return not_done(error, "library.search", **chosen.as_json())
    return done(gettext("“%(name)s” is kept.", name=name), "library.search", **chosen.as_json())


@signed_in
def drop(saved_id: int) -> ResponseReturnValue:
    """Keep a search no longer; the photos are not touched."""
    with station().db.writing() as session:
        mine = select(SavedFilter).where(SavedFilter.id == saved_id, SavedFilter.user_id == me().id)
        for found in session.scalars(mine):
            session.delete(found)
    return done(gettext("The search is no longer kept. The photos are not touched."), "library.search")

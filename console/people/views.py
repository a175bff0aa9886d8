"""People: the family as an admin sees it; add, change, keep out, let in, remove, and end sign-ins.

What would let somebody else in, or shut somebody out for good (a new admin, a new password, a removal), asks for the
admin's own password again: a browser left open on the kitchen table must not be enough.
"""

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from appliance.drives.models import COLOURS
from appliance.errors import ApplianceError, Invalid
from appliance.people import overview, pictures, service, sign_ins
from appliance.people.models import Role, User, UserState
from appliance.phones import ledger
from appliance.words import N_
from console.access import admin_only, by, person
from console.people import cards
from console.people.confirming import confirm
from console.session.views import EMOJI
from console.shell import done, problems_of, show
from console.station import station

blueprint = Blueprint("people", __name__, template_folder="templates", url_prefix="/people")
cards.add_to(blueprint)


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """The family as faces."""
    with station().db.reading() as session:
        glances = overview.glances(session)
    return show("people/page.html", "people", glances=glances)


@blueprint.get("/add")
@admin_only
def add_page() -> ResponseReturnValue:
    """Who comes to the family."""
    with station().db.reading() as session:
        colour = pictures.next_colour(user.colour for user in service.listing(session))
    return _add_form({"role": Role.MEMBER, "colour": colour}, {}, 200)


def _add_form(typed: Any, problems: dict[str, str], status: int) -> ResponseReturnValue:
    return show("people/add.html", "form", status, typed=typed, problems=problems, colours=COLOURS, signs=EMOJI)


@blueprint.post("/add")
@admin_only
def add() -> ResponseReturnValue:
    """Add somebody, picture and all, or nobody."""
    form = request.form
    try:
        role = _role(form.get("role", ""))
        with station().db.writing() as session:
            if role is Role.ADMIN:
                confirm(session)
            user = service.add(session, by(), name=form.get("name", ""), password=form.get("password", ""), role=role)
            service.change_picture(user, form.get("colour", user.colour), form.get("emoji", ""))
    except ApplianceError as error:
        return _add_form(form, problems_of(error), error.status)
    return done(gettext("%(name)s can sign in now.", name=user.name), "people.page")


@blueprint.get("/<int:user_id>")
@admin_only
def one(user_id: int) -> ResponseReturnValue:
    """One person: what is known, what can be changed."""
    return _one(user_id, None, {}, 200)


def _one(user_id: int, typed: Any, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        user = service.get(session, user_id)
        return show(
            "people/one.html",
            "content",
            status,
            user=user,
            typed=typed or {"name": user.name, "colour": user.colour, "emoji": user.emoji, "role": user.role},
            problems=problems,
            rows=sign_ins.listing(session, user_id),
            here=person().sign_in.id,
            stored=overview.stored_bytes(session, user),
            memories=overview.memories(session, user),
            phones=[(phone, ledger.rounds(session, phone.id, 3)) for phone in ledger.listing(session, user_id)],
            colours=COLOURS,
            signs=EMOJI,
            living=user.state in (UserState.ACTIVE, UserState.DISABLED),
        )


@blueprint.post("/<int:user_id>")
@admin_only
def change(user_id: int) -> ResponseReturnValue:
    """Another name, picture or role; all of it or nothing."""
    form = request.form
    try:
        role = _role(form.get("role", ""))
        with station().db.writing() as session:
            user = service.get(session, user_id)
            if role is Role.ADMIN and user.role is not Role.ADMIN:
                confirm(session)
            service.rename(session, by(), user, form.get("name", ""))
            service.change_picture(user, form.get("colour", user.colour), form.get("emoji", ""))
            service.change_role(session, by(), user, role)
    except ApplianceError as error:
        return _one(user_id, form, problems_of(error), error.status)
    return done(gettext("Saved."), "people.one", user_id=user_id)


@blueprint.post("/<int:user_id>/disable")
@admin_only
def disable(user_id: int) -> ResponseReturnValue:
    """Keep somebody out for now."""
    with station().db.writing() as session:
        user = service.get(session, user_id)
        service.disable(session, by(), user)
    return done(gettext("%(name)s can no longer sign in. All files are kept.", name=user.name), "people.page")


@blueprint.post("/<int:user_id>/enable")
@admin_only
def enable(user_id: int) -> ResponseReturnValue:
    """Let somebody in again."""
    with station().db.writing() as session:
        user = service.get(session, user_id)
        service.enable(session, by(), user)
    return done(gettext("%(name)s can sign in again.", name=user.name), "people.one", user_id=user_id)


@blueprint.get("/<int:user_id>/password")
@admin_only
def password_page(user_id: int) -> ResponseReturnValue:
    """Help for somebody who forgot the password."""
    return _password_form(user_id, {}, 200)


def _password_form(user_id: int, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        user = service.get(session, user_id)
    return show("people/password.html", "form", status, user=user, problems=problems)


@blueprint.post("/<int:user_id>/password")
@admin_only
def reset_password(user_id: int) -> ResponseReturnValue:
    """Give somebody a new password and end all their sign-ins."""
    try:
        with station().db.writing() as session:
            user = service.get(session, user_id)
            confirm(session)
            service.reset_password(session, by(), user, request.form.get("new_password", ""))
    except ApplianceError as error:
        return _password_form(user_id, problems_of(error), error.status)
    return done(gettext("%(name)s has a new password.", name=user.name), "people.one", user_id=user_id)


@blueprint.get("/<int:user_id>/remove")
@admin_only
def remove_page(user_id: int) -> ResponseReturnValue:
    """What removing would mean, before it is done."""
    return _remove_form(user_id, {"fate": service.Fate.ARCHIVE}, {}, 200)


def _remove_form(user_id: int, typed: Any, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as session:
        user = service.get(session, user_id)
        heirs = [p for p in service.listing(session) if p.id != user_id and p.state is UserState.ACTIVE]
        stored, memories = overview.stored_bytes(session, user), overview.memories(session, user)
    return show(
        "people/remove.html",
        "form",
        status,
        user=user,
        heirs=heirs,
        stored=stored,
        memories=memories,
        typed=typed,
        problems=problems,
    )


@blueprint.post("/<int:user_id>/remove")
@admin_only
def remove(user_id: int) -> ResponseReturnValue:
    """End somebody's account; no file is deleted."""
    form = request.form
    try:
        fate = _fate(form.get("fate", ""))
        with station().db.writing() as session:
            user = service.get(session, user_id)
            confirm(session)
            heir = _heir(session, form.get("heir", "")) if fate is service.Fate.HAND_OVER else None
            job = service.remove(session, by(), user, fate, heir)
    except ApplianceError as error:
        return _remove_form(user_id, form, problems_of(error), error.status)
    if job is not None:
        words = gettext("%(name)s was removed. The files move now; see Activity.", name=user.name)
    else:
        words = gettext("%(name)s was removed. All files are still there.", name=user.name)
    return done(words, "people.page")


@blueprint.post("/<int:user_id>/sign-ins/<int:sign_in_id>/end")
@admin_only
def end_sign_in(user_id: int, sign_in_id: int) -> ResponseReturnValue:
    """Sign one of somebody's browsers out."""
    with station().db.writing() as session:
        sign_ins.revoke(session, by(), service.get(session, user_id), sign_in_id)
    return done(gettext("That browser is signed out."), "people.one", user_id=user_id)


@blueprint.post("/<int:user_id>/sign-ins/end")
@admin_only
def end_sign_ins(user_id: int) -> ResponseReturnValue:
    """Sign somebody out everywhere (but not the admin's own browser here)."""
    with station().db.writing() as session:
        sign_ins.revoke_others(session, by(), service.get(session, user_id), keep=person().sign_in.id)
    return done(gettext("All of these browsers are signed out."), "people.one", user_id=user_id)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Invalid({"role": N_("Choose one of the listed values.")}) from None


def _fate(text: str) -> service.Fate:
    try:
        return service.Fate(text)
    except ValueError:
        raise Invalid({"fate": N_("Choose what becomes of the files.")}) from None


def _heir(session: Session, text: str) -> User:
    user = session.get(User, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else None
    if user is None:
        raise Invalid({"heir": N_("Choose who gets the files.")})
    return user

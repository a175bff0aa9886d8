"""Signing in and out, and a person's own account: password, picture, language, where they are signed in."""

import ipaddress
from urllib.parse import urlsplit

from flask import Blueprint, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from appliance.drives.models import COLOURS
from appliance.errors import ApplianceError
from appliance.people import device_passwords, service, sign_ins
from appliance.people.models import User, UserState
from console import access, devices
from console.access import by, me, person, public, signed_in
from console.locale_data import LANGUAGES
from console.session.browsers import browser
from console.shell import done, problems_of, show
from console.station import station

blueprint = Blueprint("session", __name__, template_folder="templates")
blueprint.add_app_template_filter(browser, "browser")

#: Offered as pictures; any other single emoji is taken, too.
EMOJI = tuple(
    "🦊 🐻 🐼 🐨 🦁 🐸 🐙 🦉 🦄 🐝 🐢 🐬 🌻 🌲 🍓 🍋 ⛵ 🚲 🎸 ⚽ 🎨 📷 🌙 ⭐".split()  # noqa: SIM905 - a list of these is unreadable
)


@blueprint.get("/sign-in")
@public
def sign_in_page() -> ResponseReturnValue:
    """The family's pictures; one is chosen by ``?name=``, then the password is asked for."""
    if current_user.is_authenticated:
        return redirect(_back())
    return _form(request.args.get("name", ""), {}, 200)


@blueprint.post("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """Check name and password, begin the browser's sign-in."""
    name, browser = request.form.get("name", ""), request.user_agent.string
    try:
        with station().db.writing() as db_session:
            user, token = sign_ins.sign_in(
                db_session, name, request.form.get("password", ""), access.address(), browser
            )
    except ApplianceError as error:
        return _form(name, problems_of(error), error.status)
    access.start(user, token, stays="stay" in request.form)
    return redirect(_back(), 303)


def _form(name: str, problems: dict[str, str], status: int) -> ResponseReturnValue:
    with station().db.reading() as db_session:
        faces = [user for user in service.listing(db_session) if user.state is UserState.ACTIVE] if _at_home() else []
    return show("session/sign_in.html", "form", status, faces=faces, name=name, problems=problems, next=_back())


def _at_home() -> bool:
    """Whether the question comes from the home network; elsewhere nobody is told who lives here."""
    try:
        return ipaddress.ip_address(access.address()).is_private
    except ValueError:
        return False


def _back() -> str:
    """Where the person wanted to go: a path of this station, never another host."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    inside = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    if inside and wanted != url_for("home.page"):
        return wanted
    return url_for("phone.page" if _is_phone() else "home.page")


def _is_phone() -> bool:
    """Whether a phone asks: it begins on the page that sends its photos."""
    return "Mobi" in request.user_agent.string


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> ResponseReturnValue:
    """End this browser's sign-in."""
    with station().db.writing() as db_session:
        sign_ins.sign_out(db_session, person().get_id())
    access.end()
    return redirect(url_for("session.sign_in_page", left=1), 303)  # there the browser forgets what it kept


@blueprint.get("/account")
@signed_in
def account() -> ResponseReturnValue:
    """A person's own page."""
    return _account({}, 200)


def _account(problems: dict[str, str], status: int, secret: str = "") -> ResponseReturnValue:
    with station().db.reading() as db_session:
        rows = sign_ins.listing(db_session, me().id)
        devices = device_passwords.listing(db_session, me().id)
    return show(
        "session/account.html",
        "content",
        status,
        problems=problems,
        sign_ins=rows,
        here=person().sign_in.id,
        devices=devices,
        device=request.form.get("device", "") if problems else "",
        secret=secret,
        app_views=current_app.view_functions,
        colours=COLOURS,
        emoji=EMOJI,
    )


@blueprint.post("/account/password")
@signed_in
def change_password() -> ResponseReturnValue:
    """A new password; every other browser of this person is signed out."""
    form = request.form
    try:
        with station().db.writing() as db_session:
            user, keep = db_session.get_one(User, me().id), person().sign_in.id
            service.change_password(db_session, by(), user, form.get("old", ""), form.get("new", ""), keep=keep)
    except ApplianceError as error:
        return _account(problems_of(error), error.status)
    return done(gettext("Your password is changed. Other browsers were signed out."), "session.account")


@blueprint.post("/account/picture")
@signed_in
def change_picture() -> ResponseReturnValue:
    """The colour and the sign on the sign-in page."""
    try:
        with station().db.writing() as db_session:
            user = db_session.get_one(User, me().id)
            service.change_picture(user, request.form.get("colour", ""), request.form.get("emoji", ""))
    except ApplianceError as error:
        return _account(problems_of(error), error.status)
    return done(gettext("Your picture is changed."), "session.account")


@blueprint.post("/account/language")
@signed_in
def change_language() -> ResponseReturnValue:
    """The language of every page for this person."""
    chosen = request.form.get("language", "")
    with station().db.writing() as db_session:
        db_session.get_one(User, me().id).language = chosen if chosen in LANGUAGES else ""
    return redirect(url_for("session.account"), 303)


@blueprint.post("/language")
@public
def language_cookie() -> ResponseReturnValue:
    """The language before signing in."""
    response = redirect(_back(), 303)
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        response.set_cookie("language", chosen, max_age=31_536_000, samesite="Strict", httponly=True)
    return response


@blueprint.post("/account/sign-ins/<int:sign_in_id>/end")
@signed_in
def end_one(sign_in_id: int) -> ResponseReturnValue:
    """Sign another browser out."""
    with station().db.writing() as db_session:
        sign_ins.revoke(db_session, by(), me(), sign_in_id)
    return done(gettext("That browser is signed out."), "session.account")


@blueprint.post("/account/sign-ins/end-others")
@signed_in
def end_others() -> ResponseReturnValue:
    """Sign out everywhere but here."""
    with station().db.writing() as db_session:
        sign_ins.revoke_others(db_session, by(), me(), keep=person().sign_in.id)
    return done(gettext("All other browsers are signed out."), "session.account")


@blueprint.post("/account/devices")
@signed_in
def add_device() -> ResponseReturnValue:
    """A password for a device.  Its text is in this one answer only, so there is no redirect that could carry it on."""
    try:
        with station().db.writing() as db_session:
            user = db_session.get_one(User, me().id)
            _, text = device_passwords.create(db_session, by(), user, request.form.get("device", ""))
    except ApplianceError as error:
        return _account(problems_of(error), error.status)
    return _account({}, 200, text)


@blueprint.post("/account/devices/<int:password_id>/end")
@signed_in
def end_device(password_id: int) -> ResponseReturnValue:
    """Shut a device out."""
    with station().db.writing() as db_session:
        device_passwords.revoke(db_session, by(), db_session.get_one(User, me().id), password_id)
    devices.forget()
    return done(gettext("That device is shut out. What it has sent stays."), "session.account")

"""The plugin's pages in the console: how a phone gets in, and letting an app in that asks."""

from urllib.parse import quote

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError, NotFound
from appliance.people import device_passwords
from appliance.people.models import User
from console.access import by, me, signed_in
from console.qr import drawn
from console.shell import done, problems_of, show
from console.station import station
from plugins.webdav.nextcloud import logins

blueprint = Blueprint("webdav", __name__, template_folder="templates")
LONGEST_NAME = 40


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Three steps for a phone, and the address for everything else."""
    return _page()


def _page(problems: dict[str, str] | None = None, status: int = 200, text: str = "") -> ResponseReturnValue:
    server = request.host_url.rstrip("/")
    code = drawn(f"nc://login/user:{quote(me().name)}&password:{text}&server:{server}") if text else ""
    return show("webdav/page.html", "content", status, code=code, server=server, problems=problems or {}, secret=text)


@blueprint.post("/")
@signed_in
def make() -> ResponseReturnValue:
    """A code for one phone, in this one answer only."""
    try:
        with station().db.writing() as session:
            user = session.get_one(User, me().id)
            _, text = device_passwords.create(session, by(), user, request.form.get("device", ""))
    except ApplianceError as error:
        return _page(problems_of(error), error.status)
    return _page(text=text)


@blueprint.get("/grant/<key>")
@signed_in
def grant(key: str) -> ResponseReturnValue:
    """An app asks to be let in; who is signed in here decides."""
    flow = logins().find(key)
    if flow is None:
        return show("webdav/grant.html", "content", 404, flow=None, app="")
    return show("webdav/grant.html", "content", flow=flow, app=_name(flow.app))


@blueprint.post("/grant/<key>")
@signed_in
def decide(key: str) -> ResponseReturnValue:
    """Yes makes a device password, which the app fetches by itself."""
    flow = logins().find(key)
    if flow is None:
        raise NotFound(what="request")
    if request.form.get("answer") != "yes":
        logins().refuse(key)
        return done(gettext("The app was not let in."), "session.account")
    try:
        with station().db.writing() as session:
            user = session.get_one(User, me().id)
            _, text = device_passwords.create(session, by(), user, _name(flow.app))
    except ApplianceError as error:
        return show("webdav/grant.html", "content", error.status, flow=flow, app=problems_of(error)["device"])
    logins().grant(key, me().name, text)
    return done(gettext("The app is let in. Go back to it."), "session.account")


def _name(app: str) -> str:
    """What a program calls itself, as the name of a device."""
    tidy = " ".join("".join(c if c.isprintable() else " " for c in app).split())
    for kind, name in (("Nextcloud-android", "Android"), ("Nextcloud-iOS", "iPhone"), ("mirall", "Nextcloud")):
        if kind.casefold() in tidy.casefold():
            return f"Nextcloud ({name})" if name != "Nextcloud" else "Nextcloud (computer)"
    return tidy[:LONGEST_NAME] or "App"

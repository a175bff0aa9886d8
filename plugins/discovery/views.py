"""How a phone or a computer finds this station: its name, its addresses, a code to scan, a label to print."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance import plugin
from appliance.errors import ApplianceError
from appliance.words import Message
from console.access import admin_only, me, signed_in
from console.qr import drawn
from console.shell import done, not_done, problems_of, show
from console.station import station
from plugins.discovery import service, state

blueprint = Blueprint("discovery", __name__, template_folder="templates")
#: What people call the services that are announced; others keep their technical name.
WORDS = {
    "_http._tcp": lambda: gettext("The console, in any browser"),
    "_smb._tcp": lambda: gettext("Shared folders, for Windows, Mac and Linux"),
    "_nfs._tcp": lambda: gettext("Shared folders, for Linux and media players (NFS)"),
    "_adisk._tcp": lambda: gettext("A place for Time Machine"),
    "_webdav._tcp": lambda: gettext("Files for phone apps (WebDAV)"),
    "_everpx._tcp": lambda: gettext("Other Everpx stations see this one"),
}
OF_MACHINES = ("_device-info._tcp",)


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """Everything about finding this station."""
    return _page({}, {})


def _page(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    here = station()
    found = state.load(here.places)
    with here.db.reading() as session:
        chosen = plugin.options(session, service.NAME)
    offered = [WORDS[kind]() if kind in WORDS else kind for kind in found.kinds if kind not in OF_MACHINES]
    codes = [(name, drawn(found.url(name))) for name in found.ways]
    return show(
        "discovery/page.html", "", status, found=found, codes=codes, offered=offered, form=chosen | form,
        problems=problems, problem=Message.from_json(found.problem["message"]) if found.problem else None,
    )  # fmt: skip


@blueprint.post("/")
@admin_only
def rename() -> ResponseReturnValue:
    """Another name."""
    here, form = station(), {key: request.form.get(key, "") for key in ("name", "workgroup")}
    try:
        with here.db.writing() as session:
            found = service.rename(session, here.broker, here.places, **form)
    except ApplianceError as error:
        return _page(form, problems_of(error), error.status)
    if found.name and found.name != found.wanted:
        return done(
            gettext("Saved. Another device has this name, so it is %(host)s now.", host=found.host), "discovery.page"
        )
    return done(gettext("Saved."), "discovery.page")


@blueprint.post("/look")
@admin_only
def look() -> ResponseReturnValue:
    """Look around on the network."""
    try:
        with station().db.writing() as session:
            service.start_looking(session, me().id)
    except ApplianceError as error:
        return not_done(error, "discovery.page")
    return done(gettext("Looking around. It takes a few seconds."), "discovery.page")


@blueprint.get("/label")
@signed_in
def label() -> ResponseReturnValue:
    """A label to print and put on the box or the fridge."""
    found = state.load(station().places)
    ways = found.ways
    return show("discovery/label.html", "", found=found, ways=ways, code=drawn(found.url(ways[0])) if ways else "")

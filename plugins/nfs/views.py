"""Devices and folders, in three words: nothing, see, change."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError
from appliance.words import Message
from console.access import admin_only, by, me
from console.shell import done, not_done, problems_of, show
from console.station import station
from plugins.nfs import service

blueprint = Blueprint("nfs", __name__, template_folder="templates")
PAGE = "nfs.page"


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Every device, and what it may."""
    return _page({}, {})


def _page(form: dict[str, str], problems: dict[str, str], status: int = 200, wrong: int = 0) -> ResponseReturnValue:
    here = station()
    told = service.state(here.places)
    with here.db.reading() as session:
        devices = service.devices(session)
        known = {one.address for one in devices}
        return show(
            "nfs/page.html", "test", status, devices=devices, rooms=service.rooms(session, here.places),
            rights=service.rights(session), form=form, problems=problems, wrong=wrong, told=told,
            problem=Message.from_json(told["problem"]["message"]) if told["problem"] else None,
            neighbours=[address for address in told["neighbours"] if address not in known],
            host=request.host.rsplit(":", 1)[0], test=service.last_test(session),
        )  # fmt: skip


@blueprint.post("/devices")
@admin_only
def add() -> ResponseReturnValue:
    """One more device."""
    form = {key: request.form.get(key, "") for key in ("name", "address")}
    try:
        with station().db.writing() as session:
            made = service.add(session, by(), **form)
            name = made.name
    except ApplianceError as error:
        return _page(form, problems_of(error), error.status)
    return done(gettext("%(device)s is listed. Choose what it may see.", device=name), PAGE)


@blueprint.post("/devices/<int:device_id>")
@admin_only
def allow(device_id: int) -> ResponseReturnValue:
    """What it may."""
    here = station()
    chosen = {key: word for key, word in request.form.items() if key.startswith("may:")}
    try:
        with here.db.writing() as session:
            service.allow(session, here.broker, here.places, by(), device_id, chosen)
    except ApplianceError as error:
        if error.status == 404:
            raise
        return _page({}, problems_of(error), error.status, wrong=device_id)
    return done(gettext("Saved, and in force."), PAGE)


@blueprint.post("/test")
@admin_only
def test() -> ResponseReturnValue:
    """Ask the server as a device would."""
    try:
        with station().db.writing() as session:
            service.start_test(session, me().id)
    except ApplianceError as error:
        return not_done(error, PAGE)
    return redirect(url_for(PAGE), 303)


@blueprint.post("/devices/<int:device_id>/drop")
@admin_only
def drop(device_id: int) -> ResponseReturnValue:
    """It gets nothing any more."""
    here = station()
    try:
        with here.db.writing() as session:
            name = service.drop(session, here.broker, here.places, by(), device_id)
    except ApplianceError as error:
        if error.status == 404:
            raise
        return _page({}, problems_of(error), error.status)
    return done(gettext("%(device)s gets nothing any more.", device=name), PAGE)

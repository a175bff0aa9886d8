"""The pages of the plugs: find and name them, say what hangs on them, try them; and what they cost."""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError, Conflict, Invalid, NotFound
from appliance.words import N_
from console.access import admin_only, me
from console.shell import done, not_done, problems_of, show
from console.station import station
from plugins.smart_plugs import service, showing
from plugins.smart_plugs.driver import usual_arrival

blueprint = Blueprint("smart_plugs", __name__, template_folder="templates")


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Our plugs, what else answers, and how to add one that does not."""
    return _page({}, {})


def _page(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    with station().db.reading() as session:
        job, found = service.last_search(session)
        context: dict[str, Any] = {
            "cards": [(plug, service.drives_on(session, plug.id)) for plug in service.every(session)],
            "search": job,
            "searching": service.is_active(job),
            "found": found,
            "account": service.account_user(session),
            "for_drive": _drive_asked(session),
        }
    return show("smart_plugs/page.html", "live", status, form=form, problems=problems, **context)


def _drive_asked(session: Any) -> Any:
    """The drive whose page led here, if there is one."""
    asked = request.args.get("drive", "")
    return next((one for one in service.drives(session) if str(one.id) == asked), None)


@blueprint.post("/search")
@admin_only
def search() -> ResponseReturnValue:
    """Call everybody."""
    try:
        with station().db.writing() as session:
            service.start_discovery(session, me().id)
    except Conflict as error:
        return not_done(error, "smart_plugs.page")
    return redirect(url_for("smart_plugs.page") + "#found", 303)


@blueprint.get("/new/<how>")
@admin_only
def new(how: str) -> ResponseReturnValue:
    """A plug that is not found by itself."""
    if how not in ("address", "mqtt", "webhook"):
        raise NotFound(what="page")
    return _new(how, {}, {})


def _new(how: str, form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    usual = {"kind": "shelly", "on_text": "ON", "off_text": "OFF", "method": "POST"}
    return show("smart_plugs/new.html", "", status, how=how, form=usual | form, problems=problems)


@blueprint.post("/look-at")
@admin_only
def look_at() -> ResponseReturnValue:
    """One address."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            service.start_look_at(session, form, me().id)
    except Invalid as error:
        return _new("address", form, problems_of(error), error.status)
    except Conflict as error:
        return not_done(error, "smart_plugs.page")
    return redirect(url_for("smart_plugs.page") + "#found", 303)


@blueprint.post("/add")
@admin_only
def add() -> ResponseReturnValue:
    """Take in one that was found."""
    try:
        with station().db.writing() as session:
            job_id, place = _number("job_id"), _number("place")
            plug = service.add_found(session, job_id, place, request.form.get("name", ""), me().id)
    except ApplianceError as error:
        return not_done(error, "smart_plugs.page")
    return done(gettext("Now say which drive hangs on it."), "smart_plugs.one", plug_id=plug.id)


@blueprint.post("/by-hand")
@admin_only
def by_hand() -> ResponseReturnValue:
    """Behind MQTT or a webhook."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            plug = service.add_by_hand(session, station().places, form, me().id)
    except Invalid as error:
        how = "webhook" if form.get("kind") == "webhook" else "mqtt"
        return _new(how, form, problems_of(error), error.status)
    return done(gettext("Now say which drive hangs on it."), "smart_plugs.one", plug_id=plug.id)


@blueprint.post("/account")
@admin_only
def keep_account() -> ResponseReturnValue:
    """The user and password of the Kasa or Tapo app."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            user, password = form.get("account", ""), form.get("account_password", "")
            service.keep_account(session, station().places, user, password)
    except Invalid as error:
        return _page(form, problems_of(error), error.status)
    return done(gettext("Saved."), "smart_plugs.page")


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise Invalid({name: N_("Choose one.")})
    return int(text)


@blueprint.get("/<int:plug_id>")
@admin_only
def one(plug_id: int) -> ResponseReturnValue:
    """One plug."""
    return _one(plug_id, {}, {})


def _one(plug_id: int, form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    with station().db.reading() as session:
        plug = service.get(session, plug_id)
        mine = service.drives_on(session, plug_id)
        job = service.job_of(session, plug_id)
        context: dict[str, Any] = {
            "plug": plug,
            "mine": [(drive, usual_arrival(session, drive.id)) for drive in mine],
            "chosen": {drive.id for drive in mine},
            "drives": service.drives(session),
            "job": job,
            "working": service.is_active(job),
            "switchings": service.switchings(session, plug_id),
        }
    saved = {"name": plug.name, "user": plug.user}
    return show("smart_plugs/one.html", "live", status, form=saved | form, problems=problems, **context)


@blueprint.post("/<int:plug_id>")
@admin_only
def change(plug_id: int) -> ResponseReturnValue:
    """Its name and password."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            service.change(session, station().places, plug_id, form)
    except Invalid as error:
        return _one(plug_id, form, problems_of(error), error.status)
    return done(gettext("Saved."), "smart_plugs.one", plug_id=plug_id)


@blueprint.post("/<int:plug_id>/drives")
@admin_only
def assign(plug_id: int) -> ResponseReturnValue:
    """What hangs on it."""
    chosen = {int(text) for text in request.form.getlist("drives") if text.isascii() and text.isdigit()}
    try:
        with station().db.writing() as session:
            service.assign(session, plug_id, chosen, me().id)
    except Invalid as error:
        return _one(plug_id, {}, problems_of(error), error.status)
    except Conflict as error:
        return not_done(error, "smart_plugs.one", plug_id=plug_id)
    message = gettext("Saved. Try it now: the station switches it on and off once.") if chosen else gettext("Saved.")
    return done(message, "smart_plugs.one", plug_id=plug_id)


@blueprint.post("/<int:plug_id>/test")
@admin_only
def test(plug_id: int) -> ResponseReturnValue:
    """On, wait, off, proof."""
    try:
        with station().db.writing() as session:
            service.start_test(session, plug_id, me().id)
    except Conflict as error:
        return not_done(error, "smart_plugs.one", plug_id=plug_id)
    return redirect(url_for("smart_plugs.one", plug_id=plug_id), 303)


@blueprint.post("/<int:plug_id>/switch")
@admin_only
def switch(plug_id: int) -> ResponseReturnValue:
    """By hand."""
    try:
        with station().db.writing() as session:
            service.start_switch(session, plug_id, on=request.form.get("on") == "1", asked_by=me().id)
    except Conflict as error:
        return not_done(error, "smart_plugs.one", plug_id=plug_id)
    return redirect(url_for("smart_plugs.one", plug_id=plug_id), 303)


@blueprint.post("/<int:plug_id>/elsewhere")
@admin_only
def elsewhere(plug_id: int) -> ResponseReturnValue:
    """The HOT drive has another socket now."""
    with station().db.writing() as session:
        service.hot_is_elsewhere(session, plug_id)
    return done(
        gettext("Saved. Try it now: the station switches it on and off once."), "smart_plugs.one", plug_id=plug_id
    )


@blueprint.post("/<int:plug_id>/remove")
@admin_only
def remove(plug_id: int) -> ResponseReturnValue:
    """Forget it."""
    try:
        with station().db.writing() as session:
            plug = service.remove(session, plug_id, me().id)
    except Conflict as error:
        return not_done(error, "smart_plugs.one", plug_id=plug_id)
    return done(gettext("%(plug)s is no longer used.", plug=plug.name), "smart_plugs.page")


@blueprint.get("/energy")
@admin_only
def energy() -> ResponseReturnValue:
    """Hours, kilowatt hours, money."""
    return _energy({}, {})


def _energy(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    with station().db.reading() as session:
        shown = showing.year(session)
    saved = {"price": str(shown.price), "currency": shown.currency}
    return show("smart_plugs/energy.html", "", status, shown=shown, form=saved | form, problems=problems)


@blueprint.post("/energy")
@admin_only
def set_price() -> ResponseReturnValue:
    """What electricity costs."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            showing.set_price(session, form.get("price", ""), form.get("currency", ""))
    except Invalid as error:
        return _energy(form, problems_of(error), error.status)
    return done(gettext("Saved."), "smart_plugs.energy")

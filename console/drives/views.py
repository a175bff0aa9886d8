"""Drives as physical things: what is plugged in, what it holds, how it is, and what may be done with it."""

from datetime import UTC, datetime

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, gettext, lazy_gettext

from appliance.drives import power, service
from appliance.drives.models import COLOURS, DriveRole, DriveState
from appliance.errors import ApplianceError, Conflict, Invalid
from appliance.words import N_, Message
from console.access import admin_only, me
from console.drives import cards, handover, space, switching, wear, words
from console.shell import done, not_done, problems_of, show
from console.station import station

blueprint = Blueprint("drives", __name__, template_folder="templates", url_prefix="/drives")
words.install(blueprint)
MOVES_SHOWN = 12
LAST_SECOND = 253_402_214_400  # the end of the year 9999
STEPS = {
    "off": lazy_gettext("Switched off"),
    "spinning_up": lazy_gettext("Switching on"),
    "mounted": lazy_gettext("In use"),
    "flushing": lazy_gettext("Finishing"),
    "unmounted": lazy_gettext("May be switched off"),
}
blueprint.add_app_template_filter(lambda step: str(STEPS.get(step.value, step.value)), "step_words")
blueprint.add_app_template_filter(lambda day: format_date(day, "medium"), "date_words")
blueprint.add_app_template_filter(wear.spots_of, "spots_of")
blueprint.add_app_template_filter(lambda seconds: format_datetime(_moment(seconds), "medium"), "epoch_words")


def _moment(seconds: int) -> datetime:
    """A file's own time; one that no calendar has is shown as the nearest that it has."""
    return datetime.fromtimestamp(min(max(seconds, 0), LAST_SECOND), UTC)


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Every drive, live."""
    with station().db.reading() as session:
        here = cards.gather(session, station())
        jobs = cards.hand_overs(session)
        retired = [drive for drive in service.every(session) if drive.state is DriveState.RETIRED]
    has_hot = any(card.drive.role is DriveRole.HOT for card in here.cards)
    roles = ["cold", "hot"] if has_hot else ["hot", "cold"]  # what is still missing comes first
    return show("drives/page.html", "live", here=here, jobs=jobs, retired=retired, roles=roles)


@blueprint.get("/<int:drive_id>")
@admin_only
def detail(drive_id: int) -> ResponseReturnValue:
    """One drive: every fact, space over time, its name tag."""
    return _detail(drive_id)


def _detail(
    drive_id: int, form: dict[str, str] | None = None, problems: dict[str, str] | None = None, status: int = 200
) -> ResponseReturnValue:
    with station().db.reading() as session:
        drive = service.get(session, drive_id)
        card = cards.one(session, station(), drive)
        days = space.samples(session, drive_id)
        health = wear.history(session, drive_id, card.found.kind if card.found else "")
        moves = power.power_events(session, drive_id, MOVES_SHOWN)
        ways = switching.ways(session, drive)
    saved = {"name": drive.name, "colour": drive.colour, "full_below_percent": str(drive.full_below_percent)}
    return show(
        "drives/detail.html",
        "live",
        status,
        card=card,
        samples=days,
        chart=space.chart(days),
        forecast=space.forecast(days) if days else "",
        health=health,
        moves=moves,
        ways=ways,
        form=saved | (form or {}),
        problems=problems or {},
        colours=COLOURS,
    )


@blueprint.post("/<int:drive_id>")
@admin_only
def change(drive_id: int) -> ResponseReturnValue:
    """Another name, colour, or alarm."""
    form = request.form.to_dict()
    try:
        with station().db.writing() as session:
            service.change(
                session,
                drive_id,
                name=form.get("name", ""),
                colour=form.get("colour", ""),
                full_below_percent=_percent(form.get("full_below_percent", "")),
                asked_by=me().id,
            )
    except Invalid as error:
        return _detail(drive_id, form, problems_of(error), error.status)
    return done(gettext("Saved."), "drives.detail", drive_id=drive_id)


def _percent(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Invalid({"full_below_percent": N_("Enter a whole number.")}) from None


@blueprint.post("/<int:drive_id>/switch")
@admin_only
def switch_by(drive_id: int) -> ResponseReturnValue:
    """Who, or what, switches it on and off."""
    try:
        with station().db.writing() as session:
            service.change(session, drive_id, power_driver=request.form.get("power_driver", ""), asked_by=me().id)
    except Invalid as error:
        return _detail(drive_id, {}, problems_of(error), error.status)
    return done(gettext("Saved."), "drives.detail", drive_id=drive_id)


@blueprint.post("/<int:drive_id>/eject")
@admin_only
def eject(drive_id: int) -> ResponseReturnValue:
    """Finish what is being written, and let go."""
    try:
        with station().db.writing() as session:
            service.eject(session, drive_id, asked_by=me().id)
    except Conflict as error:
        return not_done(error, "drives.detail", drive_id=drive_id)
    return done(gettext("Wait until the drive says that it may be unplugged."), "drives.detail", drive_id=drive_id)


@blueprint.post("/<int:drive_id>/use")
@admin_only
def use_again(drive_id: int) -> ResponseReturnValue:
    """Take a drive that was let go, and is still plugged in, back into use."""
    try:
        with station().db.writing() as session:
            service.use_again(session, drive_id, asked_by=me().id)
    except Conflict as error:
        return not_done(error, "drives.detail", drive_id=drive_id)
    return done(gettext("The drive will be in use again in a moment."), "drives.detail", drive_id=drive_id)


@blueprint.post("/<int:drive_id>/retire")
@admin_only
def retire(drive_id: int) -> ResponseReturnValue:
    """Use it no longer, when its tag was typed."""
    typed = request.form.get("typed", "").strip()
    try:
        with station().db.writing() as session:
            drive = service.get(session, drive_id)
            if typed.upper() != drive.tag:
                raise Invalid({"typed": Message(N_("Type “{tag}” to let it go."), {"tag": drive.tag})})
            service.retire(session, drive_id, asked_by=me().id)
    except Conflict:
        problem = gettext("It is still in use. Choose “Unplug safely” first, then let it go.")
        return _detail(drive_id, {}, {"": problem}, Conflict.status)
    except Invalid as error:
        return _detail(drive_id, {}, problems_of(error), error.status)
    return done(gettext("%(drive)s is no longer used.", drive=drive.name), "drives.page")


@blueprint.post("/found/<device>/repair")
@admin_only
def repair(device: str) -> ResponseReturnValue:
    """Check a drive that was not safely removed, and put it right."""
    try:
        with station().db.writing() as session:
            service.repair(session, station().places, device, asked_by=me().id)
    except ApplianceError as error:
        return not_done(error, "drives.page")
    return done(gettext("The drive is being checked."), "drives.page")


@blueprint.post("/found/<device>/confirm")
@admin_only
def confirm(device: str) -> ResponseReturnValue:
    """Say that it is the drive that it claims to be."""
    try:
        with station().db.writing() as session:
            service.confirm_same(session, station().places, device, asked_by=me().id)
    except ApplianceError as error:
        return not_done(error, "drives.page")
    return done(gettext("The drive will be in use again in a moment."), "drives.page")


@blueprint.get("/found/<device>")
@admin_only
def hand_over(device: str) -> ResponseReturnValue:
    """What would happen to a drive that is handed over."""
    asked = handover.Asked.from_form(device, request.args)
    return handover.form_page(asked, {})


@blueprint.post("/found/<device>")
@admin_only
def take(device: str) -> ResponseReturnValue:
    """The yes."""
    asked = handover.Asked.from_form(device, request.form)
    return handover.take(asked)

"""New versions: what runs, what is new, bringing one, when it restarts, and what became of the last."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from appliance.errors import ApplianceError
from console.access import admin_only, by, me
from console.shell import done, not_done, problems_of, show
from console.station import station
from console.translate import moment
from plugins.upgrade import outcome, receiving, service

blueprint = Blueprint("upgrade", __name__, template_folder="templates", static_folder="static")
PAGE = "upgrade.page"


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Everything about versions."""
    return _page({}, {})


def _page(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    here = station()
    with here.db.reading() as session:
        told = service.state(session, here.places)
        history = service.history(session)
    return show(
        "upgrade/page.html", "now", status, told=told, history=history, form=told.options | form, problems=problems,
        outcome=outcome.untold(here.places), began=outcome.moment_of(told.last) if told.last else None,
        endpoint=receiving.ADDRESS,
    )  # fmt: skip


@blueprint.post("/install")
@admin_only
def install() -> ResponseReturnValue:
    """A file that has arrived, one from an address, or what is announced."""
    form = request.form.to_dict()
    here = station()
    try:
        with here.db.writing() as session:
            service.start_install(
                session, here.places, by(), upload=form.get("upload", ""), address=form.get("address", "").strip(),
                when=_when(form.get("when", "")),
            )  # fmt: skip
    except ApplianceError as error:
        if form.get("address"):
            return _page(form, {"address": " ".join(problems_of(error).values())}, error.status)
        return not_done(error, PAGE)
    return done(gettext("It begins. You can leave this page."), PAGE)


def _when(word: str) -> str:
    return word if word in (service.NOW, service.QUIET) else service.LATER


@blueprint.post("/restart")
@admin_only
def restart() -> ResponseReturnValue:
    """Now, or in the quiet hour."""
    here = station()
    try:
        with here.db.writing() as session:
            if request.form.get("when") == service.QUIET:
                words = gettext("The station restarts %(when)s.", when=moment(service.plan_restart(session)))
            else:
                service.start_restart(session, here.places, by())
                words = gettext("The station restarts. In about two minutes it is back.")
    except ApplianceError as error:
        return not_done(error, PAGE)
    return done(words, PAGE)


@blueprint.post("/call-off")
@admin_only
def call_off() -> ResponseReturnValue:
    """What waits is not tried."""
    here = station()
    try:
        with here.db.writing() as session:
            version = service.call_off(session, here.broker, by())
    except ApplianceError as error:
        return not_done(error, PAGE)
    return done(gettext("Version %(version)s is not installed. Nothing else has changed.", version=version), PAGE)


@blueprint.post("/check")
@admin_only
def check() -> ResponseReturnValue:
    """Ask for news now."""
    try:
        with station().db.writing() as session:
            service.start_check(session, me().id)
    except ApplianceError as error:
        return not_done(error, PAGE)
    return done(gettext("The station asks now."), PAGE)


@blueprint.post("/seen")
@admin_only
def seen() -> ResponseReturnValue:
    """Somebody has read how the last one ended."""
    outcome.seen(station().places)
    return done(gettext("It stays in the history below."), PAGE)


@blueprint.post("/settings")
@admin_only
def settings() -> ResponseReturnValue:
    """By itself or by hand, when, and where news is."""
    form = request.form.to_dict()
    here = station()
    try:
        with here.db.writing() as session:
            service.configure(session, here.places, form)
    except ApplianceError as error:
        found = problems_of(error)
        return _page(form, {name or "source": words for name, words in found.items()}, error.status)
    return done(gettext("Saved."), PAGE, _anchor="how")

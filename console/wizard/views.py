"""The first five minutes: claim, the drive that holds everything, the drive with the copy, when, the first photos.

Where somebody stands is never stored: each step looks at what is so already, so the wizard can be left at any point,
and resumed by anybody who may (``/wizard/next``).  Nothing here writes to a drive; that happens on the hand-over page
of the drives room, behind a yes of its own.
"""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from appliance.adoption import anew, earlier
from appliance.adoption import take_over as adoption
from appliance.backup import service as backup
from appliance.drives.models import COLOURS, DriveRole
from appliance.errors import ApplianceError, Invalid
from appliance.people import service as people
from appliance.people import sign_ins
from appliance.words import N_
from console import access
from console.access import admin_only, public
from console.backup import planning
from console.drives import cards, switching
from console.shell import done, problems_of, show
from console.station import station
from console.wizard import steps

blueprint = Blueprint("wizard", __name__, template_folder="templates", url_prefix="/wizard")
FACES = ("", "🐻", "🦊", "🐼", "🐱", "🐶", "🦉", "🐸", "🐝", "🌻", "🌊", "⛰️")


@blueprint.get("")
@public
def claim_page() -> ResponseReturnValue:
    """The first step; the QR code on the label carries the claim code in ``?code=``."""
    if _claimed():
        return redirect(url_for("wizard.go_on"))
    return _claim_form({"code": request.args.get("code", "")[:60]}, {})


@blueprint.post("")
@public
def claim() -> ResponseReturnValue:
    """Make the first admin and sign this browser in."""
    if _claimed():
        return redirect(url_for("wizard.go_on"), 303)
    form = request.form
    address, browser = request.remote_addr or "", request.user_agent.string
    try:
        _check_repeat()
        with station().db.writing() as session:
            code, name, password = (form.get(field, "") for field in ("code", "name", "password"))
            user = people.claim(session, station().identity, code, name, password, address)
            people.change_picture(user, form.get("colour", user.colour), form.get("emoji", ""))
            token = sign_ins.open_for(session, user, address, browser)
    except ApplianceError as error:
        return _claim_form(dict(form), problems_of(error), error.status)
    access.start(user, token)
    return redirect(url_for("wizard.go_on"), 303)


def _claimed() -> bool:
    with station().db.reading() as session:
        return people.is_claimed(session)


def _check_repeat() -> None:
    """A mistyped first password would lock the only admin out.  Raises Invalid."""
    if request.form.get("password") != request.form.get("again"):
        raise Invalid({"again": N_("The two passwords are not the same.")})


def _claim_form(form: dict[str, str], problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    return show(
        "wizard/claim.html",
        status=status,
        form=form,
        problems=problems,
        signs=_signs(),
        colours=COLOURS,
        faces=FACES,
        steps=steps.numbered("claim"),
    )


def _signs() -> list[earlier.Sign]:
    """Drives of an earlier station; none while nobody has looked yet."""
    try:
        return earlier.signs(station().places)
    except (OSError, ValueError, KeyError):
        return []


@blueprint.get("/take-over")
@public
def take_over_page() -> ResponseReturnValue:
    """An earlier station's drive is plugged in: first, whoever this is shows the label's code."""
    if _claimed():
        return redirect(url_for("wizard.go_on"))
    return _take_over_form({"code": request.args.get("code", "")[:60]}, {}, None)


@blueprint.post("/take-over")
@public
def take_over() -> ResponseReturnValue:
    """With the code alone: whose drive it is.  With the password of one of its admins: it moves in."""
    if _claimed():
        return redirect(url_for("wizard.go_on"), 303)
    form, here, household = request.form, station(), None
    address, browser = request.remote_addr or "", request.user_agent.string
    code, name, card = (form.get(field, "") for field in ("code", "name", "card"))
    password = form.get("new_password" if card else "password", "")
    facts = {"code": code, "name": name, "password": password, "card": card, "address": address}
    try:
        household = adoption.look(here.db, here.broker, here.places, code, address)
        if not (password or card):
            return _take_over_form(dict(form), {}, household)
        adoption.take_over(here.db, here.broker, here.places, **facts)
        with here.db.writing() as session:
            user = sign_ins.find(session, name)
            assert user is not None  # its password was just right
            token = sign_ins.open_for(session, user, address, browser)
    except ApplianceError as error:
        damaged = isinstance(error, earlier.DamagedCopies)
        problems = problems_of(error)
        if card and "password" in problems:
            problems["new_password"] = problems.pop("password")
        return _take_over_form(dict(form), problems, household, error.status, damaged=damaged)
    access.start(user, token)
    return done(gettext("Welcome back. Everything that the earlier station knew is here."), "home.page")


@blueprint.post("/begin-anew")
@public
def begin_anew() -> ResponseReturnValue:
    """Nothing that the earlier station knew can be read: a new first admin, with its drives and what is on them."""
    if _claimed():
        return redirect(url_for("wizard.go_on"), 303)
    form, here = request.form, station()
    address, browser = request.remote_addr or "", request.user_agent.string
    code, name, password = (form.get(field, "") for field in ("code", "name", "password"))
    try:
        _check_repeat()
        user = anew.begin_anew(
            here.db, here.broker, here.places, code=code, name=name, password=password, address=address
        )
        with here.db.writing() as session:
            token = sign_ins.open_for(session, user, address, browser)
    except ApplianceError as error:
        return _take_over_form(dict(form), problems_of(error), None, error.status, damaged=True)
    access.start(user, token)
    return done(gettext("The drives are used here now. What is on them is being found out."), "home.page")


def _take_over_form(
    form: dict[str, str],
    problems: dict[str, str],
    household: earlier.Household | None,
    status: int = 200,
    *,
    damaged: bool = False,
) -> ResponseReturnValue:
    return show(
        "wizard/take_over.html",
        status=status,
        form=form,
        problems=problems,
        signs=_signs(),
        household=household,
        damaged=damaged,
    )


@blueprint.get("/next")
@admin_only
def go_on() -> ResponseReturnValue:
    """To the first step that is still open."""
    with station().db.reading() as session:
        step = steps.first_open(session)
    return redirect(url_for(f"wizard.{step}"))


@blueprint.get("/hot")
@admin_only
def hot() -> ResponseReturnValue:
    """Which drive holds everything?"""
    return _drive_step(DriveRole.HOT)


@blueprint.get("/cold")
@admin_only
def cold() -> ResponseReturnValue:
    """Which drive keeps the copy?"""
    return _drive_step(DriveRole.COLD)


def _drive_step(role: DriveRole) -> ResponseReturnValue:
    with station().db.reading() as session:
        here = cards.gather(session, station())
        under_way = cards.hand_overs(session)
    mine = [card for card in here.cards if card.drive.role is role]
    return show(
        "wizard/drive.html",
        "live",
        tabs=[],
        live=True,
        role=role.value,
        mine=mine,
        strangers=here.strangers,
        jobs=under_way,
        steps=steps.numbered(role.value),
        questions=switching.questions(mine[0].drive.id) if mine and role is DriveRole.COLD else [],
        following="wizard.cold" if role is DriveRole.HOT else "wizard.schedule",
    )


@blueprint.get("/schedule")
@admin_only
def schedule() -> ResponseReturnValue:
    """How often?"""
    return _schedule_form(planning.NIGHTLY, {})


@blueprint.post("/schedule")
@admin_only
def set_schedule() -> ResponseReturnValue:
    """The same plan for every drive that keeps a copy."""
    try:
        plan = planning.from_form()
    except ApplianceError as error:
        return _schedule_form(planning.as_typed(request.form), problems_of(error), error.status)
    with station().db.writing() as session:
        for drive in backup.colds(session):
            backup.schedule(session, drive.id, plan)
    return redirect(url_for("wizard.first"), 303)


def _schedule_form(form: planning.Typed, problems: dict[str, str], status: int = 200) -> ResponseReturnValue:
    with station().db.reading() as session:
        drives = backup.colds(session)
    if not drives:
        return redirect(url_for("wizard.cold"), 303)
    return show(
        "wizard/schedule.html",
        status=status,
        tabs=[],
        drives=drives,
        form=form,
        problems=problems,
        offered=planning.choices(),
        steps=steps.numbered("schedule"),
    )


@blueprint.get("/first")
@admin_only
def first() -> ResponseReturnValue:
    """The first photos, or the first copy of what is on the drive already."""
    with station().db.reading() as session:
        here = cards.gather(session, station())
    hot_cards = [card for card in here.cards if card.drive.role is DriveRole.HOT]
    cold_cards = [card for card in here.cards if card.drive.role is DriveRole.COLD]
    return show(
        "wizard/first.html",
        tabs=[],
        hot=hot_cards,
        cold=cold_cards,
        name=current_user.user.name,
        steps=steps.numbered("first"),
        title=gettext("Ready"),
    )

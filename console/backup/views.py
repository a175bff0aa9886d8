"""Backup: for each drive that keeps a copy, what is on it, what a copy would do now, and every copy so far."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy.orm import Session

from appliance.backup import preview, service
from appliance.backup.models import BackupRun, RunState
from appliance.drives import service as drives
from appliance.drives.models import Drive, DriveRole, PowerState
from appliance.drives.mounts import hot_drives
from appliance.errors import Conflict, Invalid, NotFound
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, Schedule
from appliance.words import Message
from console.access import admin_only, me
from console.backup import history, planning, restore
from console.backup.history import Run
from console.drives import cards
from console.drives.cards import Card, Stranger
from console.shell import done, not_done, problems_of, show
from console.station import station
from console.translate import say

blueprint = Blueprint("backup", __name__, template_folder="templates", url_prefix="/backup")
blueprint.register_blueprint(restore.blueprint)
DRILLS_SHOWN = 6


@dataclass(frozen=True)
class Copy:
    """Everything the pages show of one COLD drive."""

    card: Card
    proof: BackupRun | None
    files: int  # proven copies on it
    question: BackupRun | None  # the brake's
    schedule: Schedule | None
    strip: Markup
    runs: list[Run]
    pretender: Stranger | None  # a drive that is plugged in, claims to be this one, and is not used

    @property
    def job(self) -> Job | None:
        """What holds the drive right now."""
        return self.card.job

    @property
    def wanted(self) -> bool:
        """Whether a person should switch the drive on."""
        waiting = self.job is not None and self.card.drive.power_state is PowerState.SPINNING_UP
        return waiting and not self.card.found and not self.pretender

    @property
    def plan(self) -> Message | None:
        """When it is made, in words."""
        return planning.words(self.schedule)

    @property
    def next_due(self) -> datetime | None:
        """When it is made next."""
        return self.schedule.next_due if self.schedule and self.schedule.enabled else None


def _copy(session: Session, card: Card, strangers: list[Stranger]) -> Copy:
    drive = card.drive
    strip, runs = history.strip(session, drive.id, drive.name)
    return Copy(
        card=card,
        proof=service.last_proven(session, drive.id),
        files=service.holds(session, drive.id),
        question=history.braked(session, drive.id) if card.job is None else None,
        schedule=planning.schedule_of(session, drive),
        strip=strip,
        runs=runs,
        pretender=next((one for one in strangers if one.verdict.drive_id == drive.id), None),
    )


@blueprint.get("/")
@admin_only
def page() -> ResponseReturnValue:
    """Every drive that keeps a copy."""
    with station().db.reading() as session:
        here = cards.gather(session, station())
        shown = [_copy(session, card, here.strangers) for card in here.cards if card.drive.role is DriveRole.COLD]
        rotation = service.rotation(session)
    away = sorted((copy.card for copy in shown if not copy.card.found), key=lambda card: (_last(card), card.drive.id))
    following = rotation[away[0].drive.id] if len(shown) > 1 and away else None
    return show("backup/page.html", "live", shown=shown, legend=history.legend(), following=following)


def _last(card: Card) -> float:
    """When a drive was last here; a drive that never was comes first."""
    return card.drive.last_here.timestamp() if card.drive.last_here else 0.0


@blueprint.get("/<int:drive_id>")
@admin_only
def drive(drive_id: int) -> ResponseReturnValue:
    """One of them: every copy so far, and whether it is good."""
    with station().db.reading() as session:
        service.cold(session, drive_id)
        here = cards.gather(session, station())
        card = next(card for card in here.cards if card.drive.id == drive_id)
        copy, drills = _copy(session, card, here.strangers), service.drills(session, drive_id, DRILLS_SHOWN)
        sources = [source.id for source in service.sources(session, drive_id)]
        hots = hot_drives(session)
    return show(
        "backup/drive.html",
        "live",
        copy=copy,
        drills=drills,
        legend=history.legend(),
        hots=hots,
        sources=sources,
    )


@blueprint.post("/<int:drive_id>/sources")
@admin_only
def choose_sources(drive_id: int) -> ResponseReturnValue:
    """Which of several drives this one keeps a copy of."""
    chosen = request.form.getlist("sources", int)
    if not chosen:
        flash(gettext("Choose at least one drive; nothing was changed."), "problem")
        return redirect(url_for("backup.drive", drive_id=drive_id), 303)
    with station().db.writing() as session:
        every = {drive.id for drive in hot_drives(session)}
        service.choose_sources(session, drive_id, [] if every == set(chosen) else chosen)
    return done(gettext("Saved."), "backup.drive", drive_id=drive_id)


@blueprint.get("/<int:drive_id>/plan")
@admin_only
def plan(drive_id: int) -> ResponseReturnValue:
    """What a copy would do now, in a sentence."""
    sentence = preview.words(station().db, station().places, drive_id)
    with station().db.reading() as session:
        drive = service.cold(session, drive_id)
    return show("backup/plan.html", "sentence", sentence=sentence, drive=drive)


@blueprint.post("/<int:drive_id>/run")
@admin_only
def run_now(drive_id: int) -> ResponseReturnValue:
    """Start a copy."""
    try:
        with station().db.writing() as session:
            service.start(session, drive_id, asked_by=me().id)
    except Conflict as error:
        return not_done(error, "backup.drive", drive_id=drive_id)
    return done(gettext("The copy starts in a moment."), "backup.page")


@blueprint.get("/<int:drive_id>/schedule")
@admin_only
def schedule(drive_id: int) -> ResponseReturnValue:
    """When it gets its copy."""
    with station().db.reading() as session:
        drive = service.cold(session, drive_id)
        planned = planning.plan_of(planning.schedule_of(session, drive))
    return _schedule_form(drive, planning.as_form(planned) if planned else planning.NIGHTLY, {})


@blueprint.post("/<int:drive_id>/schedule")
@admin_only
def set_schedule(drive_id: int) -> ResponseReturnValue:
    """Change that."""
    with station().db.reading() as session:
        drive = service.cold(session, drive_id)
    try:
        planned = planning.from_form()
    except Invalid as error:
        return _schedule_form(drive, planning.as_typed(request.form), problems_of(error), error.status)
    with station().db.writing() as session:
        service.schedule(session, drive.id, planned)
    return done(say(planned.words()), "backup.drive", drive_id=drive_id)


def _schedule_form(
    drive: Drive, form: planning.Typed, problems: dict[str, str], status: int = 200
) -> ResponseReturnValue:
    return show(
        "backup/schedule.html",
        status=status,
        drive=drive,
        form=form,
        problems=problems,
        offered=planning.choices(),
    )


@blueprint.get("/runs/<int:run_id>")
@admin_only
def run(run_id: int) -> ResponseReturnValue:
    """One copy, with everything it said."""
    with station().db.reading() as session:
        row = _run(session, run_id)
        drive = drives.get(session, row.cold_drive_id)
        job = session.get(Job, row.job_id) if row.job_id else None
        lines = jobs.log_of(session, job.id) if job else []
        left_out = history.left_out(row)
    asking = row.state is RunState.BRAKED and row.answer is None
    return show(
        "backup/run.html",
        "live",
        run=Run(row),
        drive=drive,
        job=job,
        lines=lines,
        asking=asking,
        left_out=left_out,
    )


@blueprint.post("/runs/<int:run_id>/answer")
@admin_only
def answer(run_id: int) -> ResponseReturnValue:
    """Answer the brake."""
    given = request.form.get("answer", "")
    try:
        with station().db.writing() as session:
            row = service.answer(session, run_id, given, asked_by=me().id)
    except Conflict as error:
        return not_done(error, "backup.run", run_id=run_id)
    words = gettext("The copy goes on.") if given == "go" else gettext("Nothing was copied. The copy stays as it is.")
    return done(words, "backup.drive", drive_id=row.cold_drive_id)


def _run(session: Session, run_id: int) -> BackupRun:
    row = session.get(BackupRun, run_id)
    if row is None:
        raise NotFound(what="copy")
    return row

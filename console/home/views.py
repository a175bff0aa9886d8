"""Home answers one question: are our memories safe?  And says what to do when it is not so."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance import plugin
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.health import service as health
from appliance.hookspecs import HomeCard
from appliance.jobs import service as jobs
from appliance.jobs.models import Schedule
from appliance.library import this_day
from appliance.library.models import Media, PreviewState
from appliance.library.safety import Safety, safety
from console.access import me, person, signed_in
from console.drives.cards import plugged_in
from console.library.remembering import years_ago
from console.shell import show, tabs
from console.station import station
from console.translate import ago, moment

blueprint = Blueprint("home", __name__, template_folder="templates")
STRIP = 16
SHOWN_YEARS = 4  # of photos of this day; the rest is one link away


@dataclass(frozen=True)
class Answer:
    """The large sentence, how serious it is, and the one button under it."""

    sentence: str
    mood: str = "good"  # good, warn, danger
    more: str = ""
    button: str = ""
    address: str = ""
    post: bool = False


@blueprint.get("/")
@signed_in
def page() -> ResponseReturnValue:
    """The home page."""
    here = station()
    everybody = person().is_admin
    with here.db.reading() as session:
        state = safety(session, None if everybody else me().id)
        drives = _drives(session)
        context: dict[str, Any] = {
            "safety": state,
            "drives": drives if everybody else [],
            "jobs": jobs.seen_by(session, jobs.active(session), me().id),
            "worker_runs": jobs.worker_runs(here.places),
            **_findings(session, everybody),
            "cards": _cards(session) if everybody else [],
            "latest": _latest(session, me().id),
            "this_day": this_day.years(session, me(), most=2)[:SHOWN_YEARS],
            "ago": years_ago,
            "answer": answer(state, _missing_hot(drives), _next_copy(session), everybody),
        }
    return show("home/page.html", "home", **context)


def _cards(session: Session) -> list[HomeCard]:
    """What plugins have to say."""
    return [HomeCard(*card) for answer in plugin.call("home_cards", session=session) for card in answer or ()]


@blueprint.get("/more")
@signed_in
def more() -> ResponseReturnValue:
    """What does not fit into the bottom bar of a phone."""
    return show("home/more.html", "", rest=[tab for tab in tabs() if not tab.on_phone])


def answer(state: Safety, missing: list[Drive], next_copy: datetime | None, admin: bool) -> Answer:
    """The sentence for a state of things.  ``missing``: HOT drives that are not here."""
    if not state.hot_drives:
        return _first_drive(admin)
    if missing:
        return Answer(
            gettext("%(drive)s is not here.", drive=missing[0].name),
            "danger",
            gettext("Nothing is lost: what it holds is on it still. Plug it in again; new photos have to wait."),
            gettext("See the drives") if admin else "",
            url_for("drives.page") if admin else "",
        )
    if not state.total:
        sentence = gettext("Ready for your first photos.")
        return Answer(sentence, "good", "", gettext("Add photos"), url_for("library.upload"))
    if not state.cold_drives:
        return Answer(
            ngettext("%(num)s memory is on one drive only.", "%(num)s memories are on one drive only.", state.total),
            "warn",
            gettext("A second drive keeps a copy and proves it, so that one drive may break."),
            gettext("Choose a second drive") if admin else "",
            url_for("drives.page") if admin else "",
        )
    if state.on_one_drive_only:
        return _waiting(state, next_copy, admin)
    return Answer(ngettext("%(num)s memory is safe.", "All %(num)s memories are safe.", state.total))


def _first_drive(admin: bool) -> Answer:
    if not admin:
        return Answer(gettext("The station is being set up."), "warn", gettext("An admin has to choose a drive first."))
    return Answer(
        gettext("Which drive shall hold everything?"),
        "warn",
        gettext("Plug in a USB drive, and it appears here by itself."),
        gettext("Go on setting up"),
        url_for("wizard.claim_page"),
    )


def _waiting(state: Safety, next_copy: datetime | None, admin: bool) -> Answer:
    alone = state.on_one_drive_only
    when = gettext("The next copy: %(when)s.", when=moment(next_copy)) if next_copy else ""
    return Answer(
        ngettext("%(num)s new memory is on one drive only.", "%(num)s new memories are on one drive only.", alone),
        "warn",
        when or gettext("No copy is planned yet."),
        gettext("Copy now") if admin else "",
        url_for("backup.page") if admin else "",
    )


@dataclass(frozen=True)
class HomeDrive:
    """A drive as Home shows it."""

    drive: Drive
    here: bool
    temperature: int | None

    @property
    def percent(self) -> float | None:
        """How full it was when last seen."""
        if self.drive.free is None or not self.drive.size:
            return None
        return 100 * (self.drive.size - self.drive.free) / self.drive.size

    @property
    def last_here(self) -> str:
        """In words."""
        return gettext("here now") if self.here else gettext("last here %(ago)s", ago=ago(self.drive.last_here))


def _drives(session: Session) -> list[HomeDrive]:
    rows = session.scalars(
        select(Drive).where(Drive.state != DriveState.RETIRED).order_by(Drive.role.desc(), Drive.number)
    ).all()
    inventory = plugged_in(station())
    found = {f.mark.marker_id: f for f in inventory.found if f.mark} if inventory else {}
    return [
        HomeDrive(row, row.marker_id in found, found[row.marker_id].temperature_c if row.marker_id in found else None)
        for row in rows
    ]


def _missing_hot(drives: list[HomeDrive]) -> list[Drive]:
    return [d.drive for d in drives if d.drive.role is DriveRole.HOT and not d.here]


def _findings(session: Session, everybody: bool) -> dict[str, Any]:
    """What is wrong, the most dangerous first, each with the label of its button and its steps: an admin's."""
    issues = health.issues(session) if everybody else []
    labels = {issue.id: health.label_of(issue) for issue in issues}
    return {"issues": issues, "labels": labels, "guides": {i.id: health.guide_of(i.guide) for i in issues}}


def _latest(session: Session, user_id: int) -> list[int]:
    newest = select(Media.id).where(Media.user_id == user_id, Media.preview == PreviewState.READY)
    return list(session.scalars(newest.order_by(Media.taken.desc(), Media.id.desc()).limit(STRIP)))


def _next_copy(session: Session) -> datetime | None:
    due = select(func.min(Schedule.next_due)).where(Schedule.kind == "backup.run", Schedule.enabled)
    return session.scalar(due)

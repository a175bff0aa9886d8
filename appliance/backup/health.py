"""What is wrong with the copies, and what to do about it."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from appliance.backup import policy, runs, service
from appliance.backup.models import Drill, RunState
from appliance.broker.client import Broker
from appliance.db import now
from appliance.drives.models import Drive, DriveState
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext, fix
from appliance.library.models import Folder, StoredFile
from appliance.places import Places
from appliance.words import N_, Message


@fix("backup.run_now", N_("Copy now"))
def run_now(session: Session, broker: Broker, places: Places, cold_drive_id: int) -> Message:
    """Start a copy."""
    service.start(session, cold_drive_id)
    return Message(N_("The copy starts in a moment."))


@fix("backup.drill_now", N_("Practise now"))
def drill_now(session: Session, broker: Broker, places: Places, cold_drive_id: int) -> Message:
    """Start a restore drill."""
    service.start_drill(session, cold_drive_id)
    return Message(N_("The practice starts in a moment."))


def overdue(context: HealthContext) -> Iterable[Finding]:
    """Copies that are older than they should be."""
    for drive in _active(context.session):
        if service.overdue_since(context.session, drive.id) is None:
            continue
        last = runs.last_proven(context.session, drive.id)
        fields = {"drive": drive.name, "days": (now() - (last or drive.handed_over)).days}
        said = (
            N_("The copy on {drive} is {days} days old.") if last else N_("{drive} has no copy yet, after {days} days.")
        )
        yield Finding(
            code="backup_overdue",
            severity=Severity.WARNING,
            subject=f"drive:{drive.id}",
            message=Message(said, fields),
            hint=Message(
                N_("New photos are on one drive only until the next copy. Connect {drive} and copy now."), fields
            ),
            fix="backup.run_now",
            fix_arguments={"cold_drive_id": drive.id},
        )


def failed(context: HealthContext) -> Iterable[Finding]:
    """Runs that ended badly, until one ends well."""
    for drive in _active(context.session):
        newest = service.history(context.session, drive.id, limit=1)
        if newest and newest[0].state is RunState.FAILED:
            yield Finding(
                code="backup_failed",
                severity=Severity.WARNING,
                subject=f"drive:{drive.id}",
                message=Message(N_("The last copy to {drive} did not finish."), {"drive": drive.name}),
                hint=Message(N_("What was copied and proven before is safe. The next copy goes on where it stopped.")),
                fix="backup.run_now",
                fix_arguments={"cold_drive_id": drive.id},
            )
        elif newest and newest[0].skipped:
            fields = {"drive": drive.name, "skipped": newest[0].skipped}
            yield Finding(
                code="backup_skipped",
                severity=Severity.WARNING,
                subject=f"drive:{drive.id}",
                message=Message(N_("{skipped} files could not be copied to {drive}."), fields),
                hint=Message(N_("All others are copied. The copy's page under Backup names each file and the reason.")),
                guide="not_copied",
            )


def braked(context: HealthContext) -> Iterable[Finding]:
    """Copies that wait for an answer."""
    for drive in _active(context.session):
        run = runs.waiting(context.session, drive.id)
        if run is None or run.answer is not None or run.brake is None:
            continue
        yield Finding(
            code="backup_braked",
            severity=Severity.DANGER,
            subject=f"drive:{drive.id}",
            message=run.brake,
            hint=Message(
                N_("Nothing was copied, and the copy is as it was. Look at your files, then answer under Backup.")
            ),
            guide="answer",
        )


def untrustworthy(context: HealthContext) -> Iterable[Finding]:
    """Drives that do not keep what is written to them."""
    for drive in service.colds(context.session):
        if drive.state in (DriveState.UNTRUSTWORTHY, DriveState.FAILED):
            yield Finding(
                code="cold_untrustworthy",
                severity=Severity.DANGER,
                subject=f"drive:{drive.id}",
                message=Message(N_("{drive} does not keep what is written to it."), {"drive": drive.name}),
                hint=Message(N_("Your files are safe on the other drive. Replace this one; it gets no more copies.")),
                guide="replace",
            )


def copies_damaged(context: HealthContext) -> Iterable[Finding]:
    """Copies that rotted, and of which no original was at hand."""
    for drive in _active(context.session):
        if count := runs.copies_lost(context.session, drive.id):
            yield Finding(
                code="copies_damaged",
                severity=Severity.DANGER,
                subject=f"drive:{drive.id}",
                message=Message(
                    N_("{count} copies on {drive} are damaged and could not be repaired."),
                    {"count": count, "drive": drive.name},
                ),
                hint=Message(
                    N_("Their originals were not at hand, or are damaged, too. Connect every drive and copy again.")
                ),
                fix="backup.run_now",
                fix_arguments={"cold_drive_id": drive.id},
                guide="replace",
            )


def damaged(context: HealthContext) -> Iterable[Finding]:
    """Files on HOT that are no longer what was stored."""
    rows = context.session.execute(
        select(Folder.drive_id, func.count())
        .join(StoredFile, StoredFile.folder_id == Folder.id)
        .where(StoredFile.damaged.is_(True))
        .group_by(Folder.drive_id)
    ).all()
    colds = _active(context.session)
    for drive_id, count in rows:
        drive = context.session.get_one(Drive, drive_id)
        yield Finding(
            code="files_damaged",
            severity=Severity.DANGER,
            subject=f"drive:{drive.id}",
            message=Message(N_("{count} files on {drive} are damaged."), {"count": count, "drive": drive.name}),
            hint=Message(
                N_("The next copy repairs them from a backup drive that has them. Then think of a new drive.")
            ),
            fix="backup.run_now" if colds else None,
            fix_arguments={"cold_drive_id": colds[0].id} if colds else {},
            guide="replace",
        )


def drill_overdue(context: HealthContext) -> Iterable[Finding]:
    """Copies from which nothing was restored for too long, and drills that failed."""
    days = policy.DRILL_DAYS.get(context.session)
    for drive in _active(context.session):
        if runs.last_proven(context.session, drive.id) is None:
            continue
        last = context.session.scalars(
            select(Drill).where(Drill.cold_drive_id == drive.id).order_by(Drill.id.desc()).limit(1)
        ).first()
        fields = {"drive": drive.name, "days": days}
        if last is not None and last.good < last.tried:
            fields |= {"good": last.good, "tried": last.tried}
            said = N_("Only {good} of {tried} files came back from {drive} unharmed.")
            yield _drill_finding(drive, Severity.DANGER, Message(said, fields))
        elif now() - (last.at if last else drive.handed_over) > timedelta(days=2 * days):
            said = N_("Nobody has tried for a long time whether files come back from {drive}.")
            yield _drill_finding(drive, Severity.NOTICE, Message(said, fields))


def _drill_finding(drive: Drive, severity: Severity, message: Message) -> Finding:
    return Finding(
        code="drill_overdue" if severity is Severity.NOTICE else "drill_failed",
        severity=severity,
        subject=f"drive:{drive.id}",
        message=message,
        hint=Message(N_("Your files are on the other drive as well. Practise a restore to be sure of this one.")),
        fix="backup.drill_now",
        fix_arguments={"cold_drive_id": drive.id},
    )


def _active(session: Session) -> list[Drive]:
    return [drive for drive in service.colds(session) if drive.state is DriveState.ACTIVE]


CHECKS = [
    Check("backup.overdue", overdue, N_("Copies are made in time")),
    Check("backup.failed", failed, N_("Copies succeed")),
    Check("backup.braked", braked, N_("Copies that wait for an answer")),
    Check("backup.untrustworthy", untrustworthy, N_("Drives that can be trusted")),
    Check("backup.copies_damaged", copies_damaged, N_("Copies read back as they were written")),
    Check("backup.damaged", damaged, N_("Files that changed by themselves")),
    Check("backup.drill", drill_overdue, N_("Restoring is practised")),
]

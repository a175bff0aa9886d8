"""Health: find -> explain -> offer a fix.

A :class:`Check` looks at one thing and yields a :class:`Finding` for each thing wrong with it.  A finding is a
sentence, a hint of what to do, and where possible the name of a :func:`fix`, shown as a button.  The row goes when the
check no longer finds it.  A check that cannot look says so as an issue of its own and leaves what it found before:
unknown is never shown as healthy.

Rooms that learn of something outside a check use :func:`tell`; that issue stays until :func:`settle`.
"""

import importlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, or_, select
from sqlalchemy.orm import Session

from appliance import events, plugin
from appliance.broker.client import Broker
from appliance.db import Database, now
from appliance.errors import NotFound
from appliance.health import look
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Issue, Severity
from appliance.places import Places
from appliance.words import N_, Message

if TYPE_CHECKING:
    from appliance.drives.inventory import Inventory

log = logging.getLogger("everpx.health")

#: Modules of the core with a list ``CHECKS``; imported when health is checked or a fix is applied.
CORE_CHECKS = (
    "appliance.drives.health",
    "appliance.drives.wear",
    "appliance.backup.health",
    "appliance.library.health",
    "appliance.health.station",
    "appliance.health.hardware",
    "appliance.health.elsewhere",
    "appliance.health.copied",
    "appliance.web.health",
)
STANDING = ""  # the ``check`` of an issue that no check found


@dataclass(frozen=True)
class Finding:
    """Something wrong: what happened, and what still works or can be done.  ``subject`` tells two of a code apart."""

    code: str
    severity: Severity
    message: Message
    hint: Message
    subject: str = ""
    fix: str | None = None  # a name in FIXES
    fix_label: Message | None = None  # when the fix's own label does not say enough
    fix_arguments: dict[str, Any] = field(default_factory=dict)
    guide: str | None = None  # a name in GUIDES: steps for a person, where no button can do it


@dataclass(frozen=True)
class HealthContext:
    """What a check may look at.  ``inventory`` is None when the list of drives cannot be read: unknown."""

    session: Session  # for reading only
    broker: Broker
    places: Places
    inventory: "Inventory | None"


@dataclass(frozen=True)
class Check:
    """One thing to look at; ``name`` is stable and unique in its room (``drives.missing``), ``title`` is for people."""

    name: str
    run: Callable[[HealthContext], Iterable[Finding]]
    title: str = ""


@dataclass(frozen=True)
class Fix:
    """What a button does; it runs in the transaction of whoever pressed it and may say a sentence."""

    name: str
    label: str
    run: Callable[..., Message | None]


FIXES: dict[str, Fix] = {}
FixBody = Callable[..., Message | None]


def fix(name: str, label: str) -> Callable[[FixBody], FixBody]:
    """Declare a fix: ``@fix("backup.run_now", N_("Copy now"))`` above ``(session, broker, places, **arguments)``."""

    def register(body: FixBody) -> FixBody:
        FIXES[name] = Fix(name, label, body)
        return body

    return register


def run_all(db: Database, broker: Broker, places: Places) -> None:
    """Run every check and bring the issues up to date.

    Looking takes no write lock, and each check has a snapshot of its own; then one transaction writes what changed.
    """
    inventory = read_inventory(places)
    found: dict[tuple[str, str], tuple[str, Finding]] = {}
    able: set[str] = set()
    unable: set[str] = set()
    for check, problem in gather():
        with db.reading() as session:
            findings = None if problem else _look(check, HealthContext(session, broker, places, inventory))
        (unable if findings is None else able).add(check.name)
        for finding in [_could_not_look(check)] if findings is None else findings:
            found.setdefault((finding.code, finding.subject), (check.name, finding))
    with db.writing() as session:
        _write_down(session, found, unable)
    look.note(places, able, unable)


def gather() -> Iterator[tuple[Check, Exception | None]]:
    """Every check of the core and of the enabled plugins; a module that cannot be imported becomes a broken one."""
    for module in CORE_CHECKS:
        try:
            checks: list[Check] = importlib.import_module(module).CHECKS
        except Exception as error:
            log.exception("no checks from %s", module)
            yield Check(module, lambda _: ()), error
            continue
        for check in checks:
            yield check, None
    for name, offered in plugin.call_named("health_checks"):
        for check in offered or ():
            yield replace(check, name=f"{name}.{check.name}"), None


def _look(check: Check, context: HealthContext) -> list[Finding] | None:
    """What a check finds; None when it could not look."""
    try:
        findings = list(check.run(context))
        for finding in findings:
            json.dumps([finding.message.as_json(), finding.hint.as_json(), finding.fix_arguments])
            Severity(finding.severity)
    except Exception:
        log.exception("the check %s failed", check.name)
        return None
    return findings


def _could_not_look(check: Check) -> Finding:
    return Finding(
        code="check_failed",
        severity=Severity.WARNING,
        subject=check.name,
        message=Message(
            N_("The station could not check one thing about itself ({check})."),
            {"check": Message(check.title or check.name)},
        ),
        hint=Message(N_("Everything else goes on. It is tried again; if this stays, restart the station.")),
        guide="restart",
    )


def _write_down(session: Session, found: dict[tuple[str, str], tuple[str, Finding]], unknown: set[str]) -> None:
    """Upsert what was found, drop what is over, keep what nobody could look at."""
    news = False
    for issue in session.scalars(select(Issue).where(Issue.check != STANDING)).all():
        if (issue.code, issue.subject) not in found and issue.check not in unknown:
            _close(session, issue)
            news = True
    for check, finding in found.values():
        news = _upsert(session, check, finding)[1] or news
    if news:
        plugin.call("issues_changed", session=session)


def tell(session: Session, finding: Finding) -> Issue:
    """Raise an issue that no check looks for; it stays until :func:`settle`."""
    issue, news = _upsert(session, STANDING, finding)
    if news:
        plugin.call("issues_changed", session=session)
    return issue


def settle(session: Session, code: str, subject: str = "") -> None:
    """Close an issue, if it is open."""
    issue = session.scalar(select(Issue).where(Issue.code == code, Issue.subject == subject))
    if issue is not None:
        _close(session, issue)
        plugin.call("issues_changed", session=session)


def settle_about(session: Session, subject: str) -> None:
    """Close everything that was told of something which is no longer ours."""
    told = session.scalars(select(Issue).where(Issue.check == STANDING, Issue.subject == subject)).all()
    for issue in told:
        _close(session, issue)
    if told:
        plugin.call("issues_changed", session=session)


def _upsert(session: Session, check: str, finding: Finding) -> tuple[Issue, bool]:
    """The issue, and whether it is new or grew worse."""
    issue = session.scalar(select(Issue).where(Issue.code == finding.code, Issue.subject == finding.subject))
    order = list(Severity)
    news = issue is None or order.index(finding.severity) < order.index(issue.severity)
    if issue is None:
        issue = Issue(code=finding.code, subject=finding.subject, check=check, severity=finding.severity)
        session.add(issue)
        if finding.severity is not Severity.NOTICE:
            events.record(session, "health.found", finding.message.template, **finding.message.fields)
    elif issue.severity is not Severity.DANGER and finding.severity is Severity.DANGER:
        issue.quiet_until = None  # it was put aside as something smaller
    issue.check, issue.severity = check, finding.severity
    issue.message, issue.hint = finding.message, finding.hint
    issue.fix, issue.fix_label, issue.fix_arguments = finding.fix, finding.fix_label, finding.fix_arguments
    issue.guide = finding.guide
    return issue, news


def _close(session: Session, issue: Issue) -> None:
    if issue.severity is not Severity.NOTICE:
        events.record(session, "health.solved", N_("Solved: {issue}"), issue=issue.message)
    session.delete(issue)


def read_inventory(places: Places) -> "Inventory | None":
    """The live list of drives, or None when there is none to read."""
    from appliance.drives import inventory  # lazily: not every caller looks at drives

    try:
        return inventory.load(places)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def issues(session: Session, *, with_quiet: bool = False) -> Sequence[Issue]:
    """Open issues, the most dangerous first; those put aside only when asked for."""
    order = case(*((Issue.severity == severity, place) for place, severity in enumerate(Severity)))
    wanted = select(Issue).order_by(order, Issue.first_seen, Issue.id)
    if not with_quiet:
        wanted = wanted.where(or_(Issue.quiet_until.is_(None), Issue.quiet_until < now()))
    return session.scalars(wanted).all()


def quiet(session: Session, issue_id: int, days: int) -> Issue:
    """Put an issue aside for some days (0 brings it back).  Raises NotFound."""
    issue = find(session, issue_id)
    issue.quiet_until = now() + timedelta(days=max(0, min(days, 365))) if days > 0 else None
    return issue


def find(session: Session, issue_id: int) -> Issue:
    """Raises NotFound."""
    issue = session.get(Issue, issue_id)
    if issue is None:
        raise NotFound(what="issue")
    return issue


def fix_of(issue: Issue) -> Fix | None:
    """The fix that an issue offers, if this station has it."""
    if issue.fix is None:
        return None
    if issue.fix not in FIXES:
        for _ in gather():
            pass  # importing the rooms declares their fixes
    return FIXES.get(issue.fix)


def apply_fix(session: Session, broker: Broker, places: Places, issue_id: int) -> Message | None:
    """Press an issue's button; the row goes at the next check, when the fix has worked.  Raises NotFound."""
    issue = find(session, issue_id)
    chosen = fix_of(issue)
    if chosen is None:
        raise NotFound(what="fix")
    answer = chosen.run(session, broker, places, **issue.fix_arguments)
    events.record(session, "health.fix", N_("Tried to fix: {issue}"), issue=issue.message)
    return answer


def look_soon(session: Session, *, asked_by: int | None = None) -> None:
    """Have everything looked at now, after a button was pressed; one look at a time is enough."""
    from appliance.jobs import service as jobs  # lazily: jobs know of health, too

    title = Message(N_("Check the station's health"))
    with suppress(jobs.AlreadyRunning):
        jobs.start(session, "health.check", title=title, lock="health", asked_by=asked_by)


def guide_of(name: str | None) -> Guide | None:
    """The steps that an issue offers, if this station has them."""
    if name is not None and name not in GUIDES:
        for _ in gather():
            pass  # importing the rooms declares their guides
    return GUIDES.get(name or "")


def label_of(issue: Issue) -> Message | None:
    """What an issue's button says, or None when it has none."""
    if issue.fix_label is not None:
        return issue.fix_label
    chosen = fix_of(issue)
    return Message(chosen.label) if chosen else None

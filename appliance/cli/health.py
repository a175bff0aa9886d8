"""``everpx health`` and ``everpx events``."""

import click
from sqlalchemy import select

from appliance import plugin
from appliance.cli.speech import Here, Said, answers, moment
from appliance.errors import NotFound
from appliance.events import Event
from appliance.health import service
from appliance.health.models import Issue


@click.command()
@click.option("--look", is_flag=True, help="Run every check now, here.")
@click.option("--fix", "fix_id", type=int, metavar="ID", help="Press the button of an issue.")
@click.option("--quiet", "quiet_id", type=int, metavar="ID", help="Put an issue aside.")
@click.option("--guide", "guide", metavar="NAME", help="Steps that a person can take.")
@click.option(
    "--days", type=click.IntRange(0, 365), default=7, show_default=True, help="For --quiet; 0 brings it back."
)
@answers
def health(here: Here, *, look: bool, fix_id: int | None, quiet_id: int | None, guide: str | None, days: int) -> Said:
    """What is wrong, and how to put it right."""
    plugin.load(here.db)
    if guide is not None:
        return _steps(guide)
    answer = None
    if look:
        service.run_all(here.db, here.broker, here.places)
    if fix_id is not None or quiet_id is not None:
        with here.db.writing() as session:
            if fix_id is not None:
                answer = service.apply_fix(session, here.broker, here.places, fix_id)
            if quiet_id is not None:
                service.quiet(session, quiet_id, days)
    with here.db.reading() as session:
        issues = service.issues(session)
    lines = [str(answer)] if answer else []
    for issue in issues:
        lines += [f"{issue.id}  {issue.severity.upper()}  {issue.message}", f"     {issue.hint}"]
        if label := service.label_of(issue):
            lines.append(f"     everpx health --fix {issue.id}   ({label})")
        if steps := service.guide_of(issue.guide):
            lines.append(f"     everpx health --guide {issue.guide}   ({steps.title})")
    return Said([as_data(issue) for issue in issues], lines or ["Nothing is wrong."])


def _steps(name: str) -> Said:
    """Raises NotFound."""
    guide = service.guide_of(name)
    if guide is None:
        raise NotFound(what="guide")
    lines = [guide.title, *(f"{number}. {step}" for number, step in enumerate(guide.steps, 1))]
    return Said({"title": guide.title, "steps": list(guide.steps)}, lines)


def as_data(issue: Issue) -> dict[str, object]:
    """An issue for programs."""
    return {
        "id": issue.id,
        "code": issue.code,
        "subject": issue.subject,
        "severity": issue.severity,
        "message": str(issue.message),
        "hint": str(issue.hint),
        "fix": issue.fix,
        "guide": issue.guide,
        "first_seen": issue.first_seen,
    }


@click.command("events")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True)
@click.option("--kind", default="", help="Only these, e.g. “people.” or “backup.finished”.")
@answers
def happened(here: Here, *, limit: int, kind: str) -> Said:
    """What happened, newest first."""
    wanted = select(Event).where(Event.kind.startswith(kind, autoescape=True)).order_by(Event.id.desc()).limit(limit)
    with here.db.reading() as session:
        found = session.scalars(wanted).all()
    data = [
        {"id": e.id, "at": e.at, "kind": e.kind, "message": str(e.message), "by": e.actor_id, "address": e.address}
        for e in found
    ]
    return Said(data, [f"{moment(e.at)}  {e.message}" for e in found])

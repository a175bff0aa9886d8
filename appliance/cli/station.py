"""``everpx status``, ``start`` and ``migrate``."""

import os
import sys
from pathlib import Path

import click

from appliance import VERSION, db, identity, recovery
from appliance.cli.speech import Here, Said, answers, answers_alone, moment
from appliance.errors import BrokerUnavailable, RefusedByRoot
from appliance.places import Places


@click.command()
@answers
def status(here: Here) -> Said:
    """Are the memories safe?  Everything at a glance."""
    from appliance.health import service as health
    from appliance.jobs import service as jobs
    from appliance.library.safety import safety

    with here.db.reading() as session:
        safe = safety(session)
        active = [
            {"id": j.id, "title": str(j.title), "state": j.state, "percent": j.percent} for j in jobs.active(session)
        ]
        issues = [{"id": i.id, "severity": i.severity, "message": str(i.message)} for i in health.issues(session)]
    running = {"worker": jobs.worker_runs(here.places), "broker": broker_answers(here)}
    memories = {
        "total": safe.total,
        "on_one_drive_only": safe.on_one_drive_only,
        "hot_drives": safe.hot_drives,
        "cold_drives": safe.cold_drives,
        "proven": safe.proven,
    }
    lines = [
        f"{safe.total - safe.on_one_drive_only:,} of {safe.total:,} memories have a proven copy; "
        f"last proven: {moment(safe.proven)}",
        f"drives: {safe.hot_drives} HOT, {safe.cold_drives} COLD",
        *(f"{name}: {'running' if up else 'NOT running'}" for name, up in running.items()),
        *(f"job {j['id']}: {j['title']}, {j['state']}, {j['percent']} %" for j in active),
        *(f"{i['severity']}: {i['message']}" for i in issues),
    ]
    return Said({"version": VERSION, "memories": memories, "running": running, "jobs": active, "issues": issues}, lines)


def broker_answers(here: Here) -> bool:
    """Whether root's side answers anything at all."""
    try:
        here.broker("station.are_you_there", {})
    except RefusedByRoot:
        return True
    except BrokerUnavailable:
        return False
    return True


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def start(arguments: tuple[str, ...]) -> None:
    """Start a whole station on this machine; the arguments are those of run-station.sh."""
    os.execv(sys.executable, [sys.executable, "-m", "appliance.station", *arguments])


@click.command()
@click.option("--start-empty", is_flag=True, help="Give up a lost database: it is put aside, and a new one is made.")
@answers_alone
def migrate(here: Places, *, start_empty: bool) -> Said:
    """Make the database ready for this version; safe to call before every start."""
    here.data.mkdir(parents=True, exist_ok=True)
    aside: Path | None = recovery.start_empty(here) if start_empty else None
    recovery.prepare(here)
    db.migrate(here.database)
    code = identity.create(here)
    recovery.remember_owner(here)
    lines = ["The database is ready."]
    if aside:
        lines.append(f"The old one is kept as {aside.name}.")
    if code:
        lines.append(f"Claim code: {code}")
    if recovery.report_path(here).exists():
        lines.append("It was taken from a copy; see “everpx health”.")
    return Said({"ready": True, "kept": aside.name if aside else None, "claim_code": code}, lines)

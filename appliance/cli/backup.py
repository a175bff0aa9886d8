"""``everpx backup``."""

import os
from datetime import datetime

import click

from appliance.backup import preview, service
from appliance.cli.drives import tagged
from appliance.cli.jobs import plan_of, planned, started
from appliance.cli.speech import Here, Said, answers, moment, table


@click.group()
def backup() -> None:
    """Copies from HOT to COLD, and back."""


@backup.command()
@click.argument("tag")
@answers
def run(here: Here, *, tag: str) -> Said:
    """Copy to a COLD drive now."""
    with here.db.writing() as session:
        return started(service.start(session, tagged(session, tag).id))


@backup.command()
@click.argument("tag")
@answers
def plan(here: Here, *, tag: str) -> Said:
    """What a copy would do; the COLD drive is not needed for it."""
    with here.db.reading() as session:
        drive_id = tagged(session, tag).id
    words = str(preview.words(here.db, here.places, drive_id))
    return Said({"tag": tag, "words": words}, [words])


@backup.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@answers
def runs(here: Here, *, limit: int) -> Said:
    """Copies that were made, newest first."""
    with here.db.reading() as session:
        found = service.history(session, limit=limit)
        tags = {drive.id: drive.tag for drive in service.colds(session)}
    data = [
        {"id": r.id, "drive": tags.get(r.cold_drive_id), "state": r.state, "started": r.started, "copied": r.copied}
        | {"new": r.new, "changed": r.changed, "vanished": r.vanished, "brake": str(r.brake) if r.brake else None}
        for r in found
    ]
    rows = [
        (d["id"], d["drive"], d["state"], moment(r.started), r.brake or "") for d, r in zip(data, found, strict=True)
    ]
    return Said(data, table(rows))


@backup.command()
@click.argument("run_id", type=int)
@click.argument("given", type=click.Choice(["go", "stop"]))
@answers
def answer(here: Here, *, run_id: int, given: str) -> Said:
    """Answer the question of a copy that stopped to ask."""
    with here.db.writing() as session:
        found = service.answer(session, run_id, given)
        return Said({"id": found.id, "answer": found.answer}, [f"Copy {found.id}: {given}."])


@backup.command()
@click.argument("tag")
@click.argument("path", default="")
@click.option("--from", "hot_tag", required=True, help="The HOT drive the files came from, e.g. HOT-1.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="As it was on that day.")
@click.option("--to", "to_tag", default="", help="Another HOT drive.")
@answers
def restore(here: Here, *, tag: str, path: str, hot_tag: str, day: datetime | None, to_tag: str) -> Said:
    """Bring back a file, a folder, or (without PATH) a whole drive; nothing is overwritten."""
    with here.db.writing() as session:
        job = service.restore(
            session,
            tagged(session, tag).id,
            hot_tag.upper(),
            os.fsencode(path),
            day=day.date() if day else None,
            to_drive_id=tagged(session, to_tag).id if to_tag else None,
        )
        return started(job)


@backup.command()
@click.argument("tag")
@answers
def drill(here: Here, *, tag: str) -> Said:
    """Practise a restore: bring some files back and compare them."""
    with here.db.writing() as session:
        return started(service.start_drill(session, tagged(session, tag).id))


@backup.command()
@click.argument("tag")
@click.argument("rhythm", type=click.Choice(["daily", "weekly", "monthly", "hourly", "by_hand"]))
@click.option("--time", default="03:00", show_default=True)
@click.option("--days", default="", help="For weekly: sunday,wednesday")
@click.option("--day", default="1", help="For monthly: 1 to 28")
@click.option("--every", default="6", help="For hourly: hours")
@answers
def schedule(here: Here, *, tag: str, rhythm: str, **when: str) -> Said:
    """When a COLD drive gets its copy by itself."""
    chosen = plan_of(rhythm, **when)
    with here.db.writing() as session:
        row = planned(service.schedule(session, tagged(session, tag).id, chosen))
    return Said(row, [f"{row['title']}: {row['words']}, next: {moment(row['next'])}"])

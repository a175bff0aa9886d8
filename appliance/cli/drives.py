"""``everpx drives``."""

from typing import Any

import click
from sqlalchemy.orm import Session

from appliance.cli.jobs import started
from appliance.cli.speech import Here, Said, answers, size, table
from appliance.drives import service
from appliance.drives.inventory import Found
from appliance.drives.models import Drive, DriveRole
from appliance.errors import NotFound

ROLES = click.Choice([role.value for role in DriveRole])


@click.group()
def drives() -> None:
    """What is plugged in and what was handed over."""


def tagged(session: Session, tag: str) -> Drive:
    """A drive by its label, e.g. COLD-2.  Raises NotFound."""
    for drive in service.every(session):
        if drive.tag == tag.upper():
            return drive
    raise NotFound(what="drive")


def _found(found: Found | None) -> dict[str, Any] | None:
    if found is None:
        return None
    wanted = (
        "device",
        "title",
        "serial",
        "kind",
        "bus",
        "size",
        "filesystem",
        "free",
        "health",
        "temperature_c",
        "power",
    )
    return {name: getattr(found, name) for name in wanted} | {"mounted": found.mounted_at is not None}


@drives.command("list")
@answers
def listing(here: Here) -> Said:
    """Every drive."""
    with here.db.reading() as session:
        seen = service.overview(session, here.places)
    ours = [
        {"tag": d.tag, "name": d.name, "role": d.role, "state": d.state, "power": d.power_state, "here": _found(f)}
        for d, f in seen.drives
    ]
    others = [
        {"verdict": v.kind, "words": str(v.message), "hint": str(v.hint)} | (_found(f) or {}) for f, v in seen.strangers
    ]
    rows: list[tuple[object, ...]] = [
        (d.tag, d.name, d.power_state, f"{size(f.free if f else d.free)} free", f.device if f else "not here")
        for d, f in seen.drives
    ]
    rows += [(f.device, f.title, f.filesystem or "empty", size(f.size), v.message) for f, v in seen.strangers]
    lines = table(rows) if seen.known else ["Nobody has looked yet: is the worker running?"]
    return Said({"drives": ours, "others": others, "known": seen.known}, lines)


@drives.command()
@click.argument("device")
@click.argument("role", type=ROLES)
@click.option("--name", default="")
@answers
def adopt(here: Here, *, device: str, role: str, name: str) -> Said:
    """Hand a drive over as it is, with everything that is on it."""
    with here.db.writing() as session:
        return started(service.adopt(session, here.places, device=device, role=DriveRole(role), name=name))


@drives.command("format")
@click.argument("device")
@click.argument("role", type=ROLES)
@click.option("--filesystem", default="ext4", show_default=True, help="ext4, exfat or btrfs")
@click.option("--name", default="")
@click.option("--confirm", default="", help="The phrase that is asked for otherwise.")
@answers
def erase(here: Here, *, device: str, role: str, filesystem: str, name: str, confirm: str) -> Said:
    """Erase a drive and hand it over; what is on it is shown first."""
    found, _ = service.plugged_in(here.places, device)
    if not confirm:
        loss = service.confirmation(found)
        click.echo(f"{loss.title}, {size(loss.size)}, {size(loss.used)} used. Everything on it is lost:")
        click.echo("  " + (", ".join(loss.names[:20]) or "(nothing that could be seen)"))
        confirm = click.prompt(f"Type “{loss.phrase}” to erase it")
    with here.db.writing() as session:
        job = service.erase(
            session,
            here.places,
            device=device,
            role=DriveRole(role),
            filesystem=filesystem,
            typed=confirm,
            name=name,
        )
        return started(job)


@drives.command()
@click.argument("tag")
@answers
def eject(here: Here, *, tag: str) -> Said:
    """Let go of a drive so that it may be unplugged."""
    with here.db.writing() as session:
        return started(service.eject(session, tagged(session, tag).id))


@drives.command()
@click.argument("tag")
@click.argument("name")
@answers
def rename(here: Here, *, tag: str, name: str) -> Said:
    """Give a drive another name."""
    with here.db.writing() as session:
        drive = service.change(session, tagged(session, tag).id, name=name)
        return Said({"tag": drive.tag, "name": drive.name}, [f"{drive.tag} is called {drive.name}."])


@drives.command()
@click.argument("tag")
@answers
def retire(here: Here, *, tag: str) -> Said:
    """Use a drive no longer; its files stay on it."""
    with here.db.writing() as session:
        drive = service.retire(session, tagged(session, tag).id)
        return Said({"tag": drive.tag, "state": drive.state}, [f"{drive.tag} is no longer used."])

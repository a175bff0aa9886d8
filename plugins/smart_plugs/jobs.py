"""Long work of the plugs: looking for them, asking, trying and switching them.  All of it can be run again."""

from typing import Any

from sqlalchemy import select

from appliance.drives import circuits, power
from appliance.drives.leases import lease
from appliance.drives.models import Drive, PowerState
from appliance.drives.switches import Means
from appliance.errors import ApplianceError
from appliance.jobs.kinds import job_kind
from appliance.jobs.progress import Progress
from appliance.words import N_, Message
from plugins.smart_plugs import asking, driver, energy, service
from plugins.smart_plugs.models import PlugDrive, SmartPlug

COMES_WITHIN_S = 300.0  # in a trial; a copy waits for people


def _means(progress: Progress) -> Means:
    return Means(progress.db, progress.broker, progress.places)


@job_kind(service.DISCOVER, N_("Looking for smart plugs"))
def discover(progress: Progress) -> dict[str, Any]:
    """Whatever answers in the home's networks."""
    progress.step(N_("Calling every plug in the home’s network"))
    return {"seen": asking.discover(progress.db, progress.places)}


@job_kind(service.LOOK_AT, N_("Looking for a smart plug at {host}"))
def look_at(progress: Progress, *, kind: str, host: str, port: int) -> dict[str, Any]:
    """One address."""
    return {"seen": asking.look(progress.db, progress.places, kind, host, port)}


@job_kind(service.LOOK, N_("Asking the smart plugs how they are"))
def look(progress: Progress, plug_id: int | None = None) -> dict[str, Any]:
    """One plug, or every one that a drive hangs on; one that does not answer is told by health."""
    which = SmartPlug.id.in_(select(PlugDrive.plug_id)) if plug_id is None else SmartPlug.id == plug_id
    with progress.db.reading() as session:
        plugs = list(session.scalars(select(SmartPlug).where(which)))
    silent = 0
    for plug in plugs:
        progress.step(Message(N_("Asking {plug}"), {"plug": plug.name}))
        try:
            driver.look(_means(progress), plug)
        except ApplianceError:
            silent += 1
    with progress.db.writing() as session:
        energy.prune(session)
    return {"asked": len(plugs), "silent": silent}


@job_kind(service.TEST, N_("Trying the plug {plug}"))
def test(progress: Progress, *, plug_id: int) -> dict[str, Any]:
    """The whole way of a copy with nothing to copy: on, here, looked at, let go, off, proven."""
    with progress.db.reading() as session:
        plug = service.get(session, plug_id)
        drives = list(service.drives_on(session, plug_id))
    if not drives:
        return _without_drives(progress, plug)
    for drive in drives:
        progress.step(Message(N_("Trying {drive}"), {"drive": drive.name}))
        with power.cold_drive(progress, drive.id, read_only=True, within_s=COMES_WITHIN_S):
            pass
    with progress.db.reading() as session:
        rows = [session.get_one(Drive, drive.id) for drive in drives]
        last = driver.last_switching(session, plug_id)
    off = all(row.power_state is PowerState.OFF for row in rows)
    proven = last.proven if last is not None and not last.on and last.done else None
    return {"drives": len(drives), "off": off, "proven": proven}


def _without_drives(progress: Progress, plug: SmartPlug) -> dict[str, Any]:
    means = _means(progress)
    before = driver.look(means, plug)
    try:
        driver.switch(means, plug, None, not before["on"])
        progress.wait(3)
    finally:
        said = driver.switch(means, plug, None, bool(before["on"]))
    return {"drives": 0, "off": said["on"] is False, "proven": said["proven"]}


class StayedOn(ApplianceError):
    """It was not switched off."""

    code, status = "plug_stayed_on", 409
    template = N_("The plug “{plug}” stays on: {why}")
    hint = N_("The station tries again by itself.")


@job_kind(service.SWITCH, N_("Switching the plug {plug}"))
def switch(progress: Progress, *, plug_id: int, on: bool) -> dict[str, Any]:
    """By hand.  Off takes the same care as after a copy.  Raises StayedOn."""
    means = _means(progress)
    with progress.db.reading() as session:
        plug = service.get(session, plug_id)
        drives = list(service.drives_on(session, plug_id))
    if not drives:
        driver.switch(means, plug, None, on)
    elif on:
        circuits.switch_on(means, driver.SmartPlugDriver(), drives[0], progress)
    else:
        _let_rest(progress, plug, drives)
    return {"on": on}


def _let_rest(progress: Progress, plug: SmartPlug, drives: list[Drive]) -> None:
    for drive in drives:
        with lease(progress.places, drive.id, progress):
            power.let_rest(_means(progress), drive.id)
    with progress.db.reading() as session:
        off = all(session.get_one(Drive, drive.id).power_state is PowerState.OFF for drive in drives)
        why = session.get_one(SmartPlug, plug.id).problem
    if not off:
        raise StayedOn(plug=plug.name, why=why or Message(N_("a drive on it is in use.")))

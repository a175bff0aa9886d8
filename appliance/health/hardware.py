"""Checks of the box: power, USB, the card it runs from, the network's time.  Each reads what the kernel says.

What the kernel complained of counts for a day.  When somebody has seen to it, it counts from then on (a note in the run
folder, on the kernel's clock since boot; both begin anew with the next start).
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from appliance import clock
from appliance.broker.client import Broker
from appliance.drives import records
from appliance.drives.health import all_gone
from appliance.durable import write_atomically
from appliance.health import sensors
from appliance.health.models import Severity
from appliance.health.service import Check, Finding, HealthContext, fix
from appliance.jobs.schedule import time_zone_name
from appliance.places import Places
from appliance.words import N_, Message

A_DAY_S = 24 * 3600
RESETS = 3  # in a day; one alone happens when a drive wakes up
WORN_PERCENT, NEARLY_WORN_PERCENT = 80, 100
TIMES_OVER = 500  # a plain card lasts about a thousand
DOUBT_PATIENCE_S, CLOCK_PATIENCE_S = 20 * 60, A_DAY_S  # after the start
USB_KINDS = ("usb_died", "over_current")
CARD_KINDS = ("own_disk_errors", "own_disk_worn")
CODES = (*USB_KINDS, *CARD_KINDS)  # whose findings compute their code


def complaints(context: HealthContext, *kinds: str) -> list[dict[str, Any]]:
    """What the kernel said of these kinds within a day and since somebody saw to it.  Raises what root answers."""
    noted = _noted(context.places)
    facts = []
    for kind in kinds:
        since = max(time.monotonic() - A_DAY_S, noted.get(kind, 0.0), 0.0)
        answer = context.broker("health.kernel", {"millisecond": int(1000 * since)})["facts"]
        facts += [fact for fact in answer if fact["kind"] == kind]
    return facts


def undervoltage(context: HealthContext) -> Iterable[Finding]:
    """Too little power, now or within a day: the usual reason for drives that vanish."""
    if all_gone(context):
        return  # told there, with the same advice
    now = sensors.too_little_power()
    if now or complaints(context, "undervoltage"):
        yield Finding(
            code="too_little_power",
            severity=Severity.DANGER if now else Severity.WARNING,
            message=Message(N_("The station gets too little power.") if now else N_("The power was too weak today.")),
            hint=Message(
                N_("Everything works, but drives may vanish in the middle of a copy. A better power supply helps.")
            ),
            fix=None if now else "health.seen_to",
            fix_arguments={} if now else {"kind": "undervoltage"},
            guide="power",
        )


def usb_trouble(context: HealthContext) -> Iterable[Finding]:
    """The USB part of the box gave up, or switched a port off to protect itself."""
    if all_gone(context):
        return
    for fact in complaints(context, *USB_KINDS):
        said = (
            N_("A USB port was switched off because something on it takes too much power.")
            if fact["kind"] == "over_current"
            else N_("The station lost all its USB connections for a moment.")
        )
        yield Finding(
            code=fact["kind"],
            severity=Severity.WARNING,
            message=Message(said),
            hint=Message(N_("No drive is broken by this. Copies that were cut off go on by themselves.")),
            fix="health.seen_to",
            fix_arguments={"kind": fact["kind"]},
            guide="power",
        )


def shaky_connections(context: HealthContext) -> Iterable[Finding]:
    """Drives whose USB connection had to be set up anew again and again."""
    for fact in complaints(context, "usb_reset"):
        if fact["count"] < RESETS:
            continue
        names = [drive.name for drive, found in _ours(context) if _port_of(found.disk, fact["where"])]
        fields = {"drive": names[0] if names else "USB", "count": fact["count"]}
        yield Finding(
            code="usb_resets",
            severity=Severity.WARNING,
            subject=f"port:{fact['where']}",
            message=Message(N_("The connection to {drive} broke off {count} times today."), fields),
            hint=Message(N_("Nothing is lost. Most often it is the cable or the power, seldom the drive.")),
            fix="health.seen_to",
            fix_arguments={"kind": "usb_reset"},
            guide="cable",
        )


def drive_errors(context: HealthContext) -> Iterable[Finding]:
    """Drives of ours on which reading or writing failed since they were plugged in."""
    facts = complaints(context, "io_error")
    for drive, found in _ours(context):
        count = sum(f["count"] for f in facts if f["where"] in (found.disk, found.device))
        if count:
            yield Finding(
                code="drive_errors",
                severity=Severity.DANGER,
                subject=f"drive:{drive.id}",
                message=Message(
                    N_("{drive} could not read or write {count} times today."), {"drive": drive.name, "count": count}
                ),
                hint=Message(
                    N_("What has a proven copy is safe. Check the cable first; if it happens again, replace the drive.")
                ),
                fix="health.seen_to",
                fix_arguments={"kind": "io_error"},
                guide="cable",
            )


def own_card(context: HealthContext) -> Iterable[Finding]:
    """The card or disk that the station runs from: errors, and how worn it is."""
    card = sensors.card_below(context.places.data)
    if card is None:
        return
    errors = sum(f["count"] for f in complaints(context, "io_error") if f["where"] in (card.disk, card.device))
    if errors:
        yield _card_finding("own_disk_errors", Severity.DANGER, N_("The card that the station runs from makes errors."))
        return
    if (card.near_end or 0) >= 3 or (card.used_percent or 0) >= NEARLY_WORN_PERCENT:
        yield _card_finding("own_disk_worn", Severity.DANGER, N_("The card that the station runs from is worn out."))
    elif (card.near_end or 0) == 2 or (card.used_percent or 0) >= WORN_PERCENT:
        yield _card_finding(
            "own_disk_worn", Severity.WARNING, N_("The card that the station runs from is nearly worn out.")
        )
    elif card.is_card and card.used_percent is None and (card.times_over or 0) >= TIMES_OVER:
        said = N_("The card that the station runs from has been written {times} times over.")
        yield _card_finding("own_disk_worn", Severity.NOTICE, said, times=card.times_over)


def _card_finding(code: str, severity: Severity, said: str, **fields: object) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        message=Message(said, fields),
        hint=Message(
            N_("Photos do not lie there and are safe. Replace the card before it fails; all settings come along.")
        ),
        guide="card",
    )


def clock_not_set(context: HealthContext) -> Iterable[Finding]:
    """Nobody has told the station the time since it was started.  One that is plainly wrong is told elsewhere."""
    shown = clock.read(context.places)
    if shown.is_set is not False or shown.is_wrong:
        return
    up = clock.uptime()
    if not shown.is_trusted and up > DOUBT_PATIENCE_S:
        where = ZoneInfo(time_zone_name(context.session))
        yield Finding(
            code="clock_not_set",
            severity=Severity.WARNING,
            message=Message(
                N_("Nobody has told the station the time. Its clock shows {shown}."),
                {"shown": f"{shown.now.astimezone(where):%Y-%m-%d %H:%M}"},
            ),
            hint=Message(
                N_("Copies go on, but nothing is deleted by this clock: neither from the bin nor old versions.")
            ),
            fix="health.clock_is_right",
            guide="clock",
        )
    elif up > CLOCK_PATIENCE_S:
        yield Finding(
            code="clock_not_set",
            severity=Severity.NOTICE,
            message=Message(N_("The station's clock was not set from the internet for a day.")),
            hint=Message(
                N_("Everything goes on. The time may be wrong by minutes until the station finds the internet.")
            ),
            guide="clock",
        )


@fix("health.clock_is_right", N_("The time is right"))
def clock_is_right(session: Session, broker: Broker, places: Places) -> None:
    """A person has looked at a watch."""
    clock.believe(places, datetime.now(UTC))


def _ours(context: HealthContext) -> list[tuple[Any, Any]]:
    """Drives that are here, each with what is plugged in for it."""
    from appliance.drives import service  # lazily: the list of drives is not needed by every check

    return [(drive, found) for drive, found in service.overview(context.session, context.places).drives if found]


def _port_of(disk: str, port: str) -> bool:
    """Whether a disk hangs on a USB port, or on a hub there."""
    place = str((sensors.sysfs() / "block" / disk).resolve()).split("/")
    return any(part == port or part.startswith((f"{port}.", f"{port}:")) for part in place)


def _noted(places: Places) -> Mapping[str, float]:
    try:
        stored = json.loads(_notes(places).read_text())
        return {str(k): float(v) for k, v in stored["kinds"].items()} if stored["boot"] == records.boot_id() else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _notes(places: Places) -> Path:
    return places.run / "seen-to.json"


@fix("health.seen_to", N_("I have seen to it"))
def seen_to(session: Session, broker: Broker, places: Places, *, kind: str) -> Message:
    """What the kernel said until now does not count any more; what it says from now on does."""
    kinds = {**_noted(places), kind: time.monotonic()}
    write_atomically(_notes(places), json.dumps({"boot": records.boot_id(), "kinds": kinds}).encode())
    return Message(N_("Good. You are told again if it happens once more."))


CHECKS = [
    Check("station.power", undervoltage, N_("The power supply")),
    Check("station.usb", usb_trouble, N_("USB")),
    Check("station.connections", shaky_connections, N_("The drives’ connections")),
    Check("station.drive_errors", drive_errors, N_("Drives read and write without errors")),
    Check("station.card", own_card, N_("The card that the station runs from")),
    Check("station.clock_set", clock_not_set, N_("The clock is set from the internet")),
]

"""What the box says about itself, and when that is worth a word.  Reads only; unknown is None."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from appliance import plugin
from appliance.health.guides import GUIDES, Guide
from appliance.health.models import Severity
from appliance.health.service import Finding, HealthContext
from appliance.words import N_, Message

NAME = "station_report"
GUIDES["cooler_station"] = Guide(
    N_("Keep the station cool"),
    (
        N_("Put it where air can move around it, not in a closed cupboard and not on top of a drive."),
        N_("Clear its vents of dust, and keep it out of the sun."),
        N_("If it stays too warm, give it a case with a larger heat sink, or a quiet fan."),
    ),
)
GUIDES["memory"] = Guide(
    N_("Give the station more memory to work with"),
    (
        N_("Wait until what is under way has finished; large copies and many previews need much for a while."),
        N_("Restart the station."),
        N_("If it comes again, switch off a plugin that you do not need."),
    ),
    page="/system/plugins",
    opens=N_("Open Plugins"),
)
#: Sensors of the processor, on a Raspberry Pi and on PCs.  A drive's sensor says nothing about the station.
PROCESSOR = ("cpu_thermal", "coretemp", "k10temp", "soc_thermal", "acpitz")


@dataclass(frozen=True)
class Report:
    """The box right now."""

    temperature_c: float | None
    memory_bytes: int
    free_bytes: int
    up_seconds: int

    @property
    def free_percent(self) -> int:
        """How much of the memory could be used at once."""
        return round(100 * self.free_bytes / self.memory_bytes)


def read() -> Report:
    """Look at the box."""
    import psutil  # here: a console that nobody asks carries it for nothing

    memory = psutil.virtual_memory()
    return Report(
        temperature_c=_temperature(),
        memory_bytes=memory.total,
        free_bytes=memory.available,
        up_seconds=max(0, round(time.time() - psutil.boot_time())),
    )


def _temperature() -> float | None:
    """The warmest sensor of the processor; None where there is none (a virtual machine)."""
    import psutil

    sensors = psutil.sensors_temperatures()
    return max((s.current for name in PROCESSOR for s in sensors.get(name, ())), default=None)


def too_warm(context: HealthContext) -> Iterable[Finding]:
    """Warmer than the option says."""
    limit, found = plugin.options(context.session, NAME)["hot_from"], read().temperature_c
    if found is not None and found >= limit:
        yield Finding(
            code="station_warm",
            severity=Severity.WARNING,
            message=Message(N_("The station is {degrees} °C warm."), {"degrees": round(found)}),
            hint=Message(
                N_("It goes on, but more slowly. Put it where air can move, clear its vents of dust, or give it a fan.")
            ),
            guide="cooler_station",
        )


def short_of_memory(context: HealthContext) -> Iterable[Finding]:
    """Less free than the option says."""
    found = read()
    if found.free_percent < plugin.options(context.session, NAME)["memory_from"]:
        yield Finding(
            code="station_memory",
            severity=Severity.WARNING,
            message=Message(
                N_("The station has only {percent} % of its memory left."), {"percent": found.free_percent}
            ),
            hint=Message(
                N_("Files are safe. If this stays after a restart, switch off a plugin that you do not need.")
            ),
            guide="memory",
        )


def cards(session: Session) -> list[tuple[str, str | Message]]:
    """The card for the home page."""
    if not plugin.options(session, NAME)["on_home"]:
        return []
    found = read()
    degrees = None if found.temperature_c is None else round(found.temperature_c)
    fields = {"up_seconds": found.up_seconds, "free_bytes": found.free_bytes, "degrees": degrees}
    if degrees is None:
        return [(N_("The station"), Message(N_("Up for {up_seconds}, {free_bytes} of memory free."), fields))]
    return [(N_("The station"), Message(N_("Up for {up_seconds}, {degrees} °C, {free_bytes} of memory free."), fields))]

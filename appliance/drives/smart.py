"""What a drive says of its own health, asked through whatever USB bridge stands in between.

Each bridge speaks another dialect and none tells which; they are tried in turn and the one that worked is remembered
until the disk is unplugged.  A sleeping disk is left asleep.  Standard library only.
"""

import json
from typing import Any

from appliance.drives.programs import installed, run
from appliance.errors import ProgramFailed

DIALECTS = (
    "sat",
    "auto",
    "usbjmicron",
    "usbsunplus",
    "usbcypress",
    "usbprolific",
    "sntjmicron",
    "sntasmedia",
    "sntrealtek",
)
ASLEEP = 2  # bit 1 of smartctl's status, with -n standby
ASK_TIMEOUT_S = 20
UNKNOWN: dict[str, Any] = {
    "known": False,
    "asleep": False,
    "passed": None,
    "temperature_c": None,
    "power_on_hours": None,
    "reallocated": None,
    "pending": None,
    "uncorrectable": None,
    "percent_used": None,
    "power_cycles": None,
    "firmware": None,
    "solid_state": None,
    "serial": "",
    "model": "",
}
COUNTERS = {5: "reallocated", 197: "pending", 198: "uncorrectable"}

_dialect: dict[tuple[str, int], str] = {}  # (disk, sequence) -> what worked


def ask(disk: str, sequence: int) -> dict[str, Any]:
    """The disk's health; every value None that is not known."""
    if disk.startswith("loop") or not installed("smartctl"):
        return dict(UNKNOWN)
    remembered = _dialect.get((disk, sequence))
    for dialect in (remembered,) if remembered else DIALECTS:
        answer = _ask_in(disk, dialect)
        if answer["known"] or answer["asleep"]:
            if answer["known"]:
                _dialect[(disk, sequence)] = dialect
            return answer
    return dict(UNKNOWN)


def _ask_in(disk: str, dialect: str) -> dict[str, Any]:
    command = ["smartctl", "-j", "-n", "standby", "-d", dialect, "-i", "-H", "-A", f"/dev/{disk}"]
    try:
        said = run(command, timeout=ASK_TIMEOUT_S, fine=range(256))
        return understand(json.loads(said.stdout))
    except (ProgramFailed, ValueError):
        return dict(UNKNOWN)


def understand(said: dict[str, Any]) -> dict[str, Any]:
    """smartctl's JSON in our words.  Known only when the disk itself gave its verdict."""
    answer = dict(UNKNOWN)
    status = said.get("smartctl", {}).get("exit_status", 0)
    messages = " ".join(str(m.get("string", "")) for m in said.get("smartctl", {}).get("messages", []))
    if status & ASLEEP and "STANDBY" in messages.upper():
        return answer | {"asleep": True}
    passed = said.get("smart_status", {}).get("passed")
    if not isinstance(passed, bool):
        return answer
    answer |= {
        "known": True,
        "passed": passed,
        "temperature_c": said.get("temperature", {}).get("current"),
        "power_on_hours": said.get("power_on_time", {}).get("hours"),
        "solid_state": said["rotation_rate"] == 0 if "rotation_rate" in said else None,
        "power_cycles": said.get("power_cycle_count"),
        "firmware": said.get("firmware_version"),
        "serial": str(said.get("serial_number", "")),
        "model": str(said.get("model_name", "")),
    }
    for attribute in said.get("ata_smart_attributes", {}).get("table", []):
        if attribute.get("id") in COUNTERS:
            answer[COUNTERS[attribute["id"]]] = attribute.get("raw", {}).get("value")
    if nvme := said.get("nvme_smart_health_information_log"):
        answer |= {"percent_used": nvme.get("percentage_used"), "uncorrectable": nvme.get("media_errors")}
        answer |= {"solid_state": True}
    return answer


def standby(disk: str) -> bool:
    """Ask a disk to stop spinning; False where it cannot be asked.  Harmless for one that has nothing to spin."""
    if disk.startswith("loop") or not installed("hdparm"):
        return False
    try:
        run(["hdparm", "-y", f"/dev/{disk}"], timeout=30)
    except ProgramFailed:
        return False
    return True

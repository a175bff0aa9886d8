"""What a drive says of its own health, asked through whatever USB bridge stands in between.

Each bridge speaks another dialect and none tells which; they are tried in turn and the one that worked is remembered
until the disk is unplugged.  A sleeping disk is left asleep (``-n standby``).  A test drive has nothing to say, unless
root was started with ``EVERPX_SMARTCTL``, the program that answers for it.  Standard library only.
"""

import json
import os
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
    "crc_errors": None,
    "percent_used": None,
    "power_cycles": None,
    "firmware": None,
    "solid_state": None,
    "serial": "",
    "model": "",
}
COUNTERS = {5: "reallocated", 197: "pending", 198: "uncorrectable", 199: "crc_errors"}
LIFE_LEFT = (231, 202, 233, 177)  # normalised from 100 down, on SSDs only; makers choose one of them

_dialect: dict[tuple[str, int], str] = {}  # (disk, sequence) -> what worked


def ask(disk: str, sequence: int) -> dict[str, Any]:
    """The disk's health; every value None that is not known."""
    if _program() == "smartctl" and (disk.startswith("loop") or not installed("smartctl")):
        return dict(UNKNOWN)
    remembered = _dialect.get((disk, sequence))
    for dialect in (remembered,) if remembered else DIALECTS:
        answer = _ask_in(disk, dialect)
        if answer["known"] or answer["asleep"]:
            if answer["known"]:
                _dialect[(disk, sequence)] = dialect
            return answer
    return dict(UNKNOWN)


def _program() -> str:
    return os.environ.get("EVERPX_SMARTCTL", "smartctl")


def _ask_in(disk: str, dialect: str) -> dict[str, Any]:
    command = [_program(), "-j", "-n", "standby", "-d", dialect, "-i", "-H", "-A", f"/dev/{disk}"]
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
    table = {a.get("id"): a for a in said.get("ata_smart_attributes", {}).get("table", [])}
    for number, name in COUNTERS.items():
        answer[name] = table.get(number, {}).get("raw", {}).get("value")
    answer["percent_used"] = _worn(said, table, bool(answer["solid_state"]))
    if nvme := said.get("nvme_smart_health_information_log"):
        answer |= {"percent_used": nvme.get("percentage_used"), "uncorrectable": nvme.get("media_errors")}
        answer |= {"solid_state": True}
    return {name: None if isinstance(value, int) and value < 0 else value for name, value in answer.items()}


def _worn(said: dict[str, Any], table: dict[int, Any], solid_state: bool) -> int | None:
    """How much of its life an SSD has used up, in percent; None where nobody says."""
    told = said.get("endurance_used", {}).get("current_percent")  # smartctl 7.4 and newer
    if isinstance(told, int) or not solid_state:
        return told if isinstance(told, int) else None
    left = next((table[number].get("value") for number in LIFE_LEFT if number in table), None)
    return 100 - left if isinstance(left, int) and 0 <= left <= 100 else None


def standby(disk: str) -> bool:
    """Ask a disk to stop spinning; False where it cannot be asked.  Harmless for one that has nothing to spin."""
    if disk.startswith("loop") or not installed("hdparm"):
        return False
    try:
        run(["hdparm", "-y", f"/dev/{disk}"], timeout=30)
    except ProgramFailed:
        return False
    return True

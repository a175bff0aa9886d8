"""Which drive is this?  Every drive that is plugged in gets exactly one verdict, with words and a next step.

Only ``OURS`` and ``FREE`` lead to anything being written; every other verdict is a refusal.  Deciding needs no I/O:
what is plugged in was looked at before, and root reads the UUID once more when it mounts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance import identity
from appliance.drives.attaching import FOR_HOT_AND_COLD
from appliance.drives.inventory import Found, Inventory
from appliance.drives.marker import Marker
from appliance.drives.models import Drive, DriveRole, DriveState
from appliance.places import Places
from appliance.words import N_, Message

SMALLEST_USEFUL = 64 * 1024 * 1024  # bytes; a test drive may be small, a family's never is


class VerdictKind(StrEnum):
    """What a drive is to this station."""

    OURS = "ours"
    FREE = "free"
    FOREIGN = "foreign"
    CLONED = "cloned"
    WRONG = "wrong"
    DIRTY = "dirty"
    RETIRED = "retired"
    BUSY = "busy"
    UNREADABLE = "unreadable"
    UNSUITABLE = "unsuitable"
    IN_USE_BY_SYSTEM = "in_use_by_system"
    TOO_SMALL = "too_small"


@dataclass(frozen=True)
class Verdict:
    """What a drive is, why, and what to do next.  ``drive_id`` is set when it is, or claims to be, one of ours."""

    kind: VerdictKind
    message: Message
    hint: Message
    drive_id: int | None = None
    can_adopt: bool = False  # may be handed over with its files
    can_format: bool = False  # may be erased, behind a typed confirmation

    @property
    def refused(self) -> bool:
        """Whether nothing may be written to it."""
        return self.kind not in (VerdictKind.OURS, VerdictKind.FREE)


def station_id(places: Places) -> str:
    """This station's id, for markers that it writes."""
    return identity.load(places).station_id


def own_ids(places: Places) -> frozenset[str]:
    """The ids in markers of drives that belong here: this station's, and those whose place it took."""
    return identity.load(places).every_id


def verdict(found: Found, inventory: Inventory, drives: Sequence[Drive], own: Collection[str]) -> Verdict:
    """Judge a drive that is plugged in.  ``drives`` are all rows, retired ones too; ``own``: see :func:`own_ids`."""
    name = {"name": found.title}
    if found.system:
        return Verdict(
            VerdictKind.IN_USE_BY_SYSTEM,
            Message(N_("{name} holds the station's own system."), name),
            Message(N_("It cannot be used for photos. Plug in another drive.")),
        )
    if found.busy:
        return Verdict(
            VerdictKind.BUSY,
            Message(N_("{name} is being worked on."), name),
            Message(N_("Wait until that has finished; see Activity.")),
        )
    if found.size < SMALLEST_USEFUL:
        return Verdict(
            VerdictKind.TOO_SMALL,
            Message(N_("{name} is too small to be of use."), name),
            Message(N_("Plug in a larger drive.")),
        )
    if found.mark is None and found.unfinished and (drive := _pulled(found, inventory, drives)):
        return _ours(drive)
    if found.problem:
        return _unreadable(found)
    if found.mark is not None:
        return _marked(found, found.mark, inventory, drives, own)
    return _unmarked(found, drives)


def _unreadable(found: Found) -> Verdict:
    return Verdict(
        VerdictKind.UNREADABLE,
        Message(N_("{name} cannot be read."), {"name": found.title}),
        Message(
            N_(
                "Unplug it, wait ten seconds and plug it in again, best with another cable. If that does not help,"
                " the drive may be broken; it can be erased if nothing on it matters."
            )
        ),
        can_format=not found.read_only,
    )


def _marked(found: Found, mark: Marker, inventory: Inventory, drives: Sequence[Drive], own: Collection[str]) -> Verdict:
    """A drive that carries a marker file of some station."""
    if mark.station_id not in own:
        return Verdict(
            VerdictKind.FOREIGN,
            Message(N_("{name} belongs to another Everpx station."), {"name": found.title}),
            Message(
                N_(
                    "Its files are safe and can be read on any computer. If that station no longer exists, the drive"
                    " can be erased and used here."
                )
            ),
            can_format=True,
        )
    drive = next((d for d in drives if d.marker_id == mark.marker_id), None)
    if drive is None:  # handing over was cut off before it was written down, or the database is older
        return _free(found)
    if mark.filesystem_uuid != found.filesystem_uuid or found.filesystem_uuid != drive.filesystem_uuid:
        return _cloned(found, drive)
    if drive.state is DriveState.RETIRED:
        return Verdict(
            VerdictKind.RETIRED,
            Message(N_("{drive} was retired and is no longer used."), {"drive": drive.name}),
            Message(N_("Its files can be read on any computer. Erase it to use it again.")),
            drive.id,
            can_format=True,
        )
    twins = [other for other in inventory.by_marker(mark.marker_id) if other.device != found.device]
    if twins and not _is_the_real_one(found, twins, drive):
        return _cloned(found, drive)
    if drive.serial and found.serial and drive.serial != found.serial:
        return _wrong(found, drive)
    if found.dirty:
        return _dirty(drive)
    return _ours(drive)


def _ours(drive: Drive) -> Verdict:
    return Verdict(
        VerdictKind.OURS,
        Message(N_("{drive} is here."), {"drive": drive.name}),
        Message(N_("Nothing to do.")),
        drive.id,
    )


def _pulled(found: Found, inventory: Inventory, drives: Sequence[Drive]) -> Drive | None:
    """One of ours that was pulled in use, and whose marker only shows once its journal is replayed.

    UUID and serial must agree, and nobody else may have that UUID; the marker is asked for after mounting, before
    anybody gets the drive.
    """
    drive = next((d for d in drives if d.filesystem_uuid == found.filesystem_uuid != ""), None)
    if drive is None or drive.state is DriveState.RETIRED or not found.serial or drive.serial != found.serial:
        return None
    twins = [other for other in inventory.found if other.filesystem_uuid == found.filesystem_uuid]
    return drive if len(twins) == 1 else None


def _is_the_real_one(found: Found, twins: Sequence[Found], drive: Drive) -> bool:
    """Of several with one marker, only the one whose serial is on record; or the one in use since before."""
    if found.mounted_as == drive.tag:
        return True
    if any(twin.mounted_as == drive.tag for twin in twins):
        return False
    return bool(drive.serial) and found.serial == drive.serial and all(t.serial != drive.serial for t in twins)


def _cloned(found: Found, drive: Drive) -> Verdict:
    return Verdict(
        VerdictKind.CLONED,
        Message(N_("{name} is a duplicate of {drive}."), {"name": found.title, "drive": drive.name}),
        Message(
            N_(
                "The station uses only the original, so that the two cannot be mixed up. Unplug the duplicate, or"
                " erase it."
            )
        ),
        drive.id,
        can_format=found.mounted_as is None,
    )


def _wrong(found: Found, drive: Drive) -> Verdict:
    return Verdict(
        VerdictKind.WRONG,
        Message(N_("{name} says it is {drive}, but its serial number is another one."), _names(found, drive)),
        Message(
            N_(
                "If the drive was put into another case, confirm that it is the same drive. If not, unplug it: it may"
                " be a duplicate."
            )
        ),
        drive.id,
    )


def _names(found: Found, drive: Drive) -> dict[str, str]:
    return {"name": found.title, "drive": drive.name}


def _dirty(drive: Drive) -> Verdict:
    return Verdict(
        VerdictKind.DIRTY,
        Message(N_("{drive} was not switched off properly the last time it was used."), {"drive": drive.name}),
        Message(
            N_(
                "Nothing is written to it until that is put right. Choose “Check and repair”; its files stay as"
                " they are."
            )
        ),
        drive.id,
    )


def _unmarked(found: Found, drives: Sequence[Drive]) -> Verdict:
    """A drive without a marker file: unknown, or one of ours whose marker was lost."""
    drive = next((d for d in drives if found.filesystem_uuid and d.filesystem_uuid == found.filesystem_uuid), None)
    if drive is not None and drive.state is not DriveState.RETIRED:
        return Verdict(
            VerdictKind.WRONG,
            Message(N_("{name} looks like {drive}, but its name tag file is missing."), _names(found, drive)),
            Message(
                N_(
                    "Somebody may have deleted “everpx-drive.json”. If it is that drive, confirm it; its files are"
                    " there."
                )
            ),
            drive.id,
        )
    return _free(found)


def _free(found: Found) -> Verdict:
    """Not handed over yet; may be, depending on what it is."""
    name = {"name": found.title}
    if found.read_only:
        return Verdict(
            VerdictKind.UNSUITABLE,
            Message(N_("{name} is write-protected."), name),
            Message(N_("Move its lock switch, or plug in another drive.")),
        )
    if found.filesystem not in (*FOR_HOT_AND_COLD, "folder"):
        return _needs_format(found)
    if found.dirty:
        return Verdict(
            VerdictKind.DIRTY,
            Message(N_("{name} was not safely removed from the computer that used it last."), name),
            Message(N_("Plug it into that computer and remove it safely, or choose “Check and repair”.")),
            can_format=True,
        )
    if found.names_total:
        message = Message(N_("{name} has files on it and can be used with them."), name)
    else:
        message = Message(N_("{name} is empty and can be used."), name)
    return Verdict(VerdictKind.FREE, message, Message(N_("Choose what it is for.")), can_adopt=True, can_format=True)


def _needs_format(found: Found) -> Verdict:
    if found.filesystem == "vfat":
        why = N_("{name} cannot hold files over 4 GB the way it is, so videos would not fit.")
        hint = N_("Copy its files somewhere safe, then erase it here.")
    elif found.filesystem:
        why, hint = N_("{name} is of a kind that the station cannot use as it is."), N_("It can be erased and used.")
    else:
        why, hint = (
            N_("{name} is blank, or of a kind that the station does not know."),
            N_("It can be erased and used."),
        )
    return Verdict(
        VerdictKind.FREE, Message(why, {"name": found.title}), Message(hint), can_adopt=False, can_format=True
    )


def role_word(role: DriveRole) -> str:
    """What a role means, for sentences."""
    return N_("the drive that is always on") if role is DriveRole.HOT else N_("a drive that keeps a copy")

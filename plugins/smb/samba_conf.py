"""Samba's configuration, made of facts: pure functions, no files.  Imported by root's side: nothing but facts.

SMB 3 with signing, no guests; nobody is shown what they may not open; no link leads anywhere; every file belongs to the
station's user, whoever wrote it.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from plugins.smb.facts import Apply, Share

DELETED = ".everpx-deleted"  # in each share: what its clients deleted, until the console's bin has it
WITH_STREAMS = ("ext4", "btrfs", "xfs", "f2fs")
#: What exFAT and NTFS refuse lies on a drive as U+F000 and the sign (as WebDAV stores it); a Mac has its own places.
SIGNS = {'"': 0xF020, "*": 0xF021, ":": 0xF022, "<": 0xF023, ">": 0xF024, "?": 0xF025, "\\": 0xF026, "|": 0xF027}
SIGNS_AT_END = {" ": 0xF028, ".": 0xF029}


def render(
    home: Path, request: Apply, shares: list[tuple[Share, Path, str]], user: str, older: Path | None = None
) -> str:
    """The whole smb.conf.  A pure function; ``shares`` with their real paths and filesystems.

    ``older``: a COLD drive's folder of older versions.
    """
    names = {account.number: account.unix for account in request.accounts}
    return GLOBAL.format(
        home=home, port=request.port, only="interfaces = lo\n bind interfaces only = yes" if request.only_here else ""
    ) + "".join(_section(share, path, filesystem, names, user, older) for share, path, filesystem in shares)


GLOBAL = """\
# Written by Everpx at each change; what is changed here by hand is lost.
[global]
 server role = standalone server
 server string = Everpx
 workgroup = WORKGROUP
 disable netbios = yes
 smb ports = {port}
 {only}
 server min protocol = SMB3_00
 server signing = mandatory
 restrict anonymous = 2
 map to guest = never
 guest account = daemon
 passdb backend = smbpasswd:{home}/passwords
 username map = {home}/names
 private dir = {home}/private
 lock directory = {home}/lock
 state directory = {home}/state
 cache directory = {home}/cache
 pid directory = {home}/pid
 ncalrpc dir = {home}/ncalrpc
 logging = file
 log file = {home}/log
 max log size = 500
 load printers = no
 printing = bsd
 printcap name = /dev/null
 disable spoolss = yes
 access based share enum = yes
 follow symlinks = no
 wide links = no
 nt acl support = no
 ntlm auth = ntlmv2-only
 unix extensions = no
 usershare max shares = 0
 max smbd processes = 100
 deadtime = 30
"""


def _section(share: Share, path: Path, filesystem: str, names: dict[int, str], user: str, older: Path | None) -> str:
    changing = [names[number] for number in share.changing]
    everybody = changing + [names[number] for number in share.seeing if number not in share.changing]
    streams = filesystem in WITH_STREAMS
    shown = older if not share.time_machine else None
    modules = ["catia"] + (["fruit", "streams_xattr"] if streams else []) + (["shadow_copy2"] if shown else [])
    modules += [] if share.time_machine else ["recycle"]
    lines = [
        f"path = {path}",
        f"valid users = {' '.join(everybody) or 'nobody'}",
        "read only = yes",
        f"write list = {' '.join(changing)}",
        f"force user = {user}",
        "create mask = 0644",
        "directory mask = 0755",
        f"vfs objects = {' '.join(modules)}",
        f"catia:mappings = {MAPPINGS}",
        "hide unreadable = yes",
        f"store dos attributes = {'yes' if streams else 'no'}",
        f"ea support = {'yes' if streams else 'no'}",
        f"veto files = /{'/'.join((*STATIONS, *not_found(share.hidden, filesystem)))}/",
    ]
    if streams:
        lines += [f"fruit:{line}" for line in FRUIT]
    if shown:
        drive = path.parents[share.folder.count("/")]  # "Older versions/<day>/<tag of HOT>/…" is beneath as here
        lines += [f"shadow:{line}" for line in (f"mountpoint = {drive.parent}", f"snapdir = {shown}", *SHADOW)]
    if share.time_machine:
        lines += ["fruit:time machine = yes", "durable handles = yes", "kernel oplocks = no", "posix locking = no"]
        lines += [f"fruit:time machine max size = {share.quota_gb}G"] if share.quota_gb else []
    else:
        lines += [f"recycle:{line}" for line in RECYCLE]
    return f"\n[{share.name}]\n" + "".join(f" {line}\n" for line in lines)


def not_found(hidden: Iterable[str], filesystem: str) -> Iterator[str]:
    """Patterns for folders that a share does not show; Samba compares each with every single name of a path.

    Where Windows' filesystems are, a folder has other names, too: with dots at its end, and a short one (``TAXES~1``).
    """
    for name in hidden:
        yield name
        if filesystem not in WITH_STREAMS:
            yield from (f"{name}.", f"{name}..*")
    if hidden and filesystem not in WITH_STREAMS:
        yield "?*~?*"


STATIONS = ("everpx-drive.json", ".everpx", DELETED)  # what is the station's own on a drive
MAPPINGS = ",".join(f"0x{0xF000 + ord(sign):04x}:0x{sent:04x}" for sign, sent in (SIGNS | SIGNS_AT_END).items())
SHADOW = ("format = %Y-%m-%d", "localtime = yes", "crossmountpoints = yes", "sort = desc")
FRUIT = (
    "metadata = stream",
    "resource = stream",
    "posix_rename = yes",
    "veto_appledouble = no",
    "zero_file_id = yes",
    "wipe_intentionally_left_blank_rfork = yes",
    "delete_empty_adfiles = yes",
    "model = TimeCapsule8,119",
)
RECYCLE = (
    f"repository = {DELETED}",
    "keeptree = yes",
    "versions = yes",
    "touch = yes",
    "directory_mode = 0755",
    "subdir_mode = 0755",
    "exclude = *.tmp ~$* .DS_Store ._* Thumbs.db .everpx-check-*",
)


def without(text: str, place: str) -> str:
    """The configuration without what lies at a place: whole shares, or only the older versions that a share shows."""
    sections = [part for part in text.split("\n[") if not _leads_to(part, place)]
    return "\n[".join(_without_versions(part) if place in part else part for part in sections)


def _leads_to(section: str, place: str) -> bool:
    found = re.search(r"^ path = (.*)$", section, re.MULTILINE)
    return found is not None and place in f"{found[1]}/"


def _without_versions(section: str) -> str:
    lines = [line for line in section.splitlines(keepends=True) if not line.startswith(" shadow:")]
    return "".join(lines).replace(" shadow_copy2", "")


def closed_for(before: str, after: str | None) -> set[str] | None:
    """The accounts for which a share that is open has to be closed; None for everybody.

    Samba's own ``close-denied-share`` takes the station's user for whoever has it open, so it would disturb them all.
    """
    if after is None or _line(before, "path") != _line(after, "path"):
        return None
    if _line(before, "veto files") != _line(after, "veto files"):  # read when somebody comes, and never again
        return None
    return (_said(before, "valid users") - _said(after, "valid users")) | (
        _said(before, "write list") - _said(after, "write list")
    )


def _said(section: str, key: str) -> set[str]:
    return set(_line(section, key).split())


def _line(section: str, key: str) -> str:
    found = re.search(rf"^ {key} = (.*)$", section, re.MULTILINE)
    return found[1] if found else ""


def sections(text: str) -> dict[str, str]:
    """Each share's lines, by name."""
    parts = (part.partition("]") for part in text.split("\n[")[1:])
    return {name: body for name, _, body in parts}

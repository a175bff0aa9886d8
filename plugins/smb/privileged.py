"""Root's side of Windows and Mac sharing: accounts, configuration, and the one program that serves.

Whole state in, everything derived from it: boot and every change apply all of it, and nothing here is remembered.  A
share of a drive that is not here is left out, so a client finds no share instead of an empty folder.
"""

import contextlib
import grp
import os
import pwd
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.broker import grounds, services
from appliance.broker.protocol import verb
from appliance.durable import write_atomically
from appliance.errors import ApplianceError, ProgramFailed
from appliance.words import N_

SMBD = services.declare("smbd", plugin="smb")
#: Without signs that Samba, its name map or Windows give a meaning of their own.
SIGN = r"[^\x00-\x1f\x7f\"/\\\[\]:;|=,+*?<>@&%$!#~`^ .]"
NAME = re.compile(rf"{SIGN}((?:{SIGN}|[ .]){{0,62}}{SIGN})?")
RESERVED = frozenset({"global", "homes", "printers", "printers$", "print$", "ipc$", "admin$", "netlogon", "profiles"})
HASH = re.compile(r"[0-9A-F]{32}")
MOST_SHARES = 300
ACCOUNT = "everpx-{number}"
CHECKER = 0  # the number of the account that the station itself signs in with, to see whether sharing works
DELETED = ".everpx-deleted"  # in each share: what its clients deleted, until the console's bin has it
WITH_STREAMS = ("ext4", "btrfs", "xfs", "f2fs")


class BadConfiguration(ApplianceError):
    """Samba does not accept what we wrote for it."""

    code, status, template = "smb_bad_configuration", 500, N_("Samba refused the new configuration: {why}")
    hint = N_("Nothing was changed; what was shared before is still shared.")


def name_problem(name: str) -> str | None:
    """Why a share or a person cannot be called so on Windows; None when they can.  The form asks, root enforces."""
    if not NAME.fullmatch(name):
        return N_("Use letters, digits, spaces, - and _ (64 at most).")
    if name.casefold() in RESERVED:
        return N_("Windows keeps this name for itself.")
    return None


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in."""

    number: int  # the person's; 0 is the station's own
    name: str  # what is typed on Windows
    nt_hash: str = field(repr=False)  # 32 hexadecimal digits

    def __post_init__(self) -> None:
        if not 0 <= self.number < 10**6:
            raise ValueError("this is no account")
        if problem := name_problem(self.name):
            raise ValueError(problem)
        if not HASH.fullmatch(self.nt_hash):
            raise ValueError("this is no hash of a password")

    @property
    def unix(self) -> str:
        """The system's name for it."""
        return ACCOUNT.format(number=self.number)


@dataclass(frozen=True)
class Share:
    """A folder of a HOT drive, who may change what is in it, and who may only see it."""

    name: str
    tag: str
    folder: str  # below the drive
    changing: tuple[int, ...] = ()  # numbers of accounts
    seeing: tuple[int, ...] = ()
    time_machine: bool = False
    quota_gb: int = 0  # of a Time Machine share; 0 is without limit

    def __post_init__(self) -> None:
        if problem := name_problem(self.name):
            raise ValueError(problem)
        if not grounds.TAG.fullmatch(self.tag):
            raise ValueError("this is no drive")
        if not self.folder or (problem := grounds.folder_problem(self.folder)):
            raise ValueError("this is no folder to share")
        if any(sign in self.folder for sign in '"%$') or self.folder != self.folder.strip():
            raise ValueError("this folder has a sign that Samba reads in its own way")
        if not 0 <= self.quota_gb <= 10**6:
            raise ValueError("this is no size")


@dataclass(frozen=True)
class Apply:
    """Everything that shall be shared, and with whom."""

    accounts: tuple[Account, ...]
    shares: tuple[Share, ...]
    port: int = 445
    only_here: bool = False

    def __post_init__(self) -> None:
        for names in ([s.name.casefold() for s in self.shares], [a.name.casefold() for a in self.accounts]):
            if len(names) != len(set(names)):
                raise ValueError("two of one name")
        known = {account.number for account in self.accounts}
        if any(number not in known for s in self.shares for number in (*s.changing, *s.seeing)):
            raise ValueError("a share for nobody that is known")
        if not 1 <= self.port < 65536 or len(self.shares) > MOST_SHARES or len(known) != len(self.accounts):
            raise ValueError("this cannot be shared")


@dataclass(frozen=True)
class Look:
    """Nothing to say."""


@verb("smb.apply")
def apply(request: Apply) -> dict[str, Any]:
    """Share exactly this from now on; a share that changed is closed for those who have it open."""
    home = _home()
    _make_accounts(home, request.accounts)
    shares, missing = [], []
    for share in request.shares:
        try:
            shares.append((share, grounds.folder(share.tag, share.folder), grounds.filesystem(share.tag)))
        except (grounds.DriveNotHere, grounds.FolderNotHere):
            missing.append(share.name)
    _put_in_force(home, render(home, request, shares, os.environ.get("EVERPX_USER", "everpx")))
    services.start(SMBD, *_argv(home))
    return {"shares": len(shares), "missing": missing}


@verb("smb.look")
def look(request: Look) -> dict[str, Any]:
    """Whether the program runs."""
    return {"running": services.is_running(SMBD)}


@services.lets_go
def withdraw(tag: str) -> None:
    """Close every share of a drive that is about to leave."""
    home = _home()
    text = _read(home / "smb.conf")
    sections = _sections(text)
    place = f"/drives/{tag}/"
    leaving = {name for name, body in sections.items() if place in body}
    if leaving:
        kept = "".join(f"\n[{n}]{b}" for n, b in sections.items() if n not in leaving)
        first = text.split("\n[", 1)[0]
        _put_in_force(home, first + kept)


def render(home: Path, request: Apply, shares: list[tuple[Share, Path, str]], user: str) -> str:
    """The whole smb.conf.  A pure function; ``shares`` with their real paths and filesystems."""
    names = {account.number: account.unix for account in request.accounts}
    return GLOBAL.format(
        home=home, port=request.port, only="interfaces = lo\n bind interfaces only = yes" if request.only_here else ""
    ) + "".join(_section(share, path, filesystem, names, user) for share, path, filesystem in shares)


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
 unix extensions = no
 usershare max shares = 0
 max smbd processes = 100
 deadtime = 30
"""


def _section(share: Share, path: Path, filesystem: str, names: dict[int, str], user: str) -> str:
    changing = [names[number] for number in share.changing]
    everybody = changing + [names[number] for number in share.seeing if number not in share.changing]
    streams = filesystem in WITH_STREAMS
    modules = (["fruit", "streams_xattr"] if streams else []) + ([] if share.time_machine else ["recycle"])
    lines = [
        f"path = {path}",
        f"valid users = {' '.join(everybody) or 'nobody'}",
        "read only = yes",
        f"write list = {' '.join(changing)}",
        f"force user = {user}",
        "create mask = 0644",
        "directory mask = 0755",
        f"vfs objects = {' '.join(modules)}",
        f"store dos attributes = {'yes' if streams else 'no'}",
        f"ea support = {'yes' if streams else 'no'}",
        f"veto files = /everpx-drive.json/.everpx/{'' if share.time_machine else '*.everpx-part/'}",
    ]
    if streams:
        lines += [f"fruit:{line}" for line in FRUIT]
    if share.time_machine:
        lines += ["fruit:time machine = yes", "durable handles = yes", "kernel oplocks = no", "posix locking = no"]
        lines += [f"fruit:time machine max size = {share.quota_gb}G"] if share.quota_gb else []
    else:
        lines += [f"recycle:{line}" for line in RECYCLE]
    return f"\n[{share.name}]\n" + "".join(f" {line}\n" for line in lines)


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


def _put_in_force(home: Path, text: str) -> None:
    """Swap the configuration, have it read, and close what is no longer as it was."""
    before = _sections(_read(home / "smb.conf"))
    if not grounds.swap(home / "smb.conf", text, lambda: _reload(home), _check):
        return
    after = _sections(text)
    if services.is_running(SMBD):
        for name in (n for n, body in before.items() if n != "global" and after.get(n) != body):
            _control(home, "close-share", name)


def _check(trial: Path) -> None:
    try:
        grounds.run(["testparm", "--suppress-prompt", str(trial)], timeout=30)
    except ProgramFailed as error:
        raise BadConfiguration(why=str(error)) from None


def _reload(home: Path) -> None:
    if services.is_running(SMBD):
        services.reload(SMBD)
        _control(home, "reload-config")


def _control(home: Path, *words: str) -> None:
    grounds.run(["smbcontrol", "--configfile", str(home / "smb.conf"), "smbd", *words], timeout=30, fine=range(256))


def _argv(home: Path) -> list[str]:
    smbd = next((path for path in ("/usr/sbin/smbd", "/usr/local/sbin/smbd") if Path(path).exists()), "/usr/sbin/smbd")
    return [smbd, "--foreground", "--no-process-group", "--configfile", str(home / "smb.conf")]


def _make_accounts(home: Path, accounts: tuple[Account, ...]) -> None:
    """The system's accounts (which open nothing by themselves), the passwords and the names that people type."""
    group = grp.getgrgid(pwd.getpwnam(os.environ.get("EVERPX_USER", "everpx")).pw_gid).gr_name
    lines = []
    for account in accounts:
        try:
            entry = pwd.getpwnam(account.unix)
        except KeyError:
            shut = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
            grounds.run(["useradd", "--system", *shut, "--gid", group, "--comment", "Everpx", account.unix])
            entry = pwd.getpwnam(account.unix)
        if entry.pw_uid == 0 or entry.pw_shell not in ("/usr/sbin/nologin", "/bin/false"):
            raise BadConfiguration(why=f"{account.unix} is somebody else")
        lines.append(f"{account.unix}:{entry.pw_uid}:{'X' * 32}:{account.nt_hash}:[U          ]:LCT-00000001:\n")
    names = "".join(f'{account.unix} = "{account.name}"\n' for account in accounts)
    for name, text in (("passwords", "".join(lines)), ("names", names)):
        if _read(home / name) != text:
            write_atomically(home / name, text.encode(), mode=0o600)


def _home() -> Path:
    """Samba's own files: root's alone, and gone with the boot, since all of it is derived."""
    home = services.folder() / "smb"
    for name in ("", "private", "lock", "state", "cache", "pid", "ncalrpc"):
        with contextlib.suppress(FileExistsError):
            (home / name).mkdir(mode=0o755 if name else 0o700)
    return home


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _sections(text: str) -> dict[str, str]:
    """Each share's lines, by name."""
    parts = (part.partition("]") for part in text.split("\n[")[1:])
    return {name: body for name, _, body in parts}

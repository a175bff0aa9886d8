"""Root's side of Windows and Mac sharing: accounts, configuration, and the one program that serves.

Whole state in, everything derived from it: boot and every change apply all of it, and nothing here is remembered.  A
share of a drive that is not here is left out, so a client finds no share instead of an empty folder.
"""

import contextlib
import grp
import os
import pwd
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.broker import grounds, services
from appliance.broker.protocol import verb
from appliance.durable import write_atomically
from appliance.errors import ApplianceError, ProgramFailed
from appliance.words import N_
from plugins.smb.facts import CHECKER, CHECKER_NAME, COLD, Account, Apply, Share, can_be_shared, name_problem
from plugins.smb.samba_conf import closed_for, render, sections, without

__all__ = ["CHECKER", "CHECKER_NAME", "Account", "Apply", "Share", "can_be_shared", "name_problem"]

SMBD = services.declare("smbd", plugin="smb")
HEARS_WITHIN_S = 5.0


class BadConfiguration(ApplianceError):
    """Samba does not accept what we wrote for it."""

    code, status, template = "smb_bad_configuration", 500, N_("Samba refused the new configuration: {why}")
    hint = N_("Nothing was changed; what was shared before is still shared.")


@dataclass(frozen=True)
class Look:
    """Nothing to say."""


@verb("smb.apply")
@services.in_turn
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
    older = grounds.older_versions(request.versions) if request.versions else None
    _put_in_force(home, render(home, request, shares, os.environ.get("EVERPX_USER", "everpx"), older))
    services.start(SMBD, *_argv(home), ports=(f"tcp . {request.port}",))
    return {"shares": len(shares), "missing": missing}


@verb("smb.look")
def look(request: Look) -> dict[str, Any]:
    """Whether the program runs."""
    return {"running": services.is_running(SMBD)}


@services.lets_go
def withdraw(tag: str) -> None:
    """Close every share of a drive that is about to leave; of a COLD one the older versions that are shown of it."""
    home = _home()
    text = _read(home / "smb.conf")
    kept = without(text, f"/drives/{tag}/")
    if kept != text:
        _put_in_force(home, kept)
    if COLD.fullmatch(tag):
        _close_for_those_inside(home, tag)


def _close_for_those_inside(home: Path, tag: str) -> None:
    """A program of Samba that has an older version open loses its shares; nobody else does."""
    device = grounds.device_number(tag)
    for process in Path("/proc").iterdir() if device is not None else ():
        with contextlib.suppress(OSError):
            if not process.name.isdigit() or (process / "comm").read_text().strip() != "smbd":
                continue
            opened = [(process / "fd" / fd.name).stat().st_dev for fd in (process / "fd").iterdir()]
            if device in opened:
                for name in sections(_read(home / "smb.conf")):
                    _control(home, "close-share", name, to=process.name)


def _put_in_force(home: Path, text: str) -> None:
    """Swap the configuration, have it read, and close what somebody may no longer do; nobody else is disturbed."""
    before = sections(_read(home / "smb.conf"))
    if not grounds.swap(home / "smb.conf", text, lambda: _reload(home), _check):
        return
    after = sections(text)
    if not services.is_running(SMBD):
        return
    closing = {name: closed_for(body, after.get(name)) for name, body in before.items()}
    sessions = _sessions(home) if any(closing.values()) else []
    for name, accounts in closing.items():
        if accounts is None:
            _control(home, "close-share", name)
        for process in (process for process, account in sessions if account in (accounts or ())):
            _control(home, "close-share", name, to=process)


def _sessions(home: Path) -> list[tuple[str, str]]:
    """(process, account) of everybody who is signed in."""
    words = ["smbstatus", "--configfile", str(home / "smb.conf"), "--processes", "--fast"]
    rows = [line.split() for line in grounds.run(words, timeout=30, fine=range(256)).stdout.splitlines()]
    return [(row[0], row[1]) for row in rows if len(row) > 1 and row[0].isdigit()]


def _check(trial: Path) -> None:
    try:
        grounds.run(["testparm", "--suppress-prompt", str(trial)], timeout=30)
    except ProgramFailed as error:
        raise BadConfiguration(why=str(error)) from None


def _reload(home: Path) -> None:
    """Every process of it reads anew.  One that was started this very moment may not hear yet."""
    end = time.monotonic() + HEARS_WITHIN_S
    while services.is_running(SMBD):
        try:
            grounds.run(["smbcontrol", "--configfile", str(home / "smb.conf"), "smbd", "reload-config"], timeout=30)
            return
        except ProgramFailed:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _control(home: Path, *words: str, to: str = "smbd") -> None:
    grounds.run(["smbcontrol", "--configfile", str(home / "smb.conf"), to, *words], timeout=30, fine=range(256))


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
    names = "".join(f'!{account.unix} = "{account.name}"\n' for account in accounts)  # "!": and look no further
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

"""Root's side of NFS: serve exactly these folders to exactly these devices, with the kernel's server or with ganesha.

Root gets tags, folders by name and addresses; it finds the folders itself, only on drives that are really there, and
renders, has the real program check, swaps, reloads, and has the old file back when that fails.  Everybody becomes the
station's own user (squash): a device cannot choose who it is.  Before a drive is taken away its folders are withdrawn.
"""

import contextlib
import ipaddress
import json
import os
import pwd
import re
import select
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.broker import grounds, services
from appliance.broker.protocol import verb
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.words import N_

if TYPE_CHECKING:
    import uuid

KERNEL = services.declare("nfs", plugin="nfs", unit="nfs-server.service")
GANESHA = services.declare("ganesha", plugin="nfs")
PORTS = ("tcp . 2049",)
MOST_EXPORTS, MOST_CLIENTS = 200, 100
SMALLEST_NETWORK = {4: 16, 6: 48}  # bits; a larger network is no home
CHECK_WITHIN_S = 20.0
READY = "NFS SERVER INITIALIZED"
#: names that ganesha's configuration cannot hold
UNSPEAKABLE = re.compile(r'["\\\x00-\x1f]')


class NoServer(ApplianceError):
    """Neither server is there."""

    code, status, template = "nfs_no_server", 503, N_("This station has no program that serves folders by NFS.")
    hint = N_("Shared folders for Windows, Mac and Linux work without it.")


class NotAccepted(ApplianceError):
    """The server's own check said no."""

    code, status, template = "nfs_not_accepted", 500, N_("The server for these folders did not accept them: {why}")
    hint = N_("Nothing was changed; what was served before still is.")


def address_problem(address: str) -> str | None:
    """The one definition of a device's address: the form says it, root enforces it."""
    try:
        network = ipaddress.ip_network(address, strict=True)
    except ValueError:
        return N_("Enter an address such as 192.168.1.20, or a network such as 192.168.1.0/24.")
    if network.prefixlen < SMALLEST_NETWORK[network.version]:
        return N_("This network is too large for a home.")
    if not (network.is_private or network.is_link_local) or network.is_multicast or network.is_unspecified:
        return N_("This address is not in a home network.")
    return None


@dataclass(frozen=True)
class Client:
    """A device, and whether it may change what it sees."""

    address: str
    change: bool = False

    def __post_init__(self) -> None:
        if problem := address_problem(self.address):
            raise ValueError(problem)


@dataclass(frozen=True)
class Export:
    """A folder of a drive, and who may see it."""

    tag: str
    folder: str
    clients: tuple[Client, ...]

    def __post_init__(self) -> None:
        if not grounds.TAG.fullmatch(self.tag):
            raise ValueError("this is not a drive's tag")
        if problem := grounds.folder_problem(self.folder):
            raise ValueError(problem)
        if not 0 < len(self.clients) <= MOST_CLIENTS or len({c.address for c in self.clients}) != len(self.clients):
            raise ValueError("each device once, and at least one")


@dataclass(frozen=True)
class Apply:
    """The whole of what is served; ``older``: also by NFS 4.0 and 4.1."""

    exports: tuple[Export, ...] = ()
    older: bool = False

    def __post_init__(self) -> None:
        if len(self.exports) > MOST_EXPORTS or len({(e.tag, e.folder) for e in self.exports}) != len(self.exports):
            raise ValueError("each folder once, and not too many")


@dataclass(frozen=True)
class Place:
    """An export whose folder was found."""

    export: Export
    top: Path  # the drive
    path: Path
    name: str  # as clients ask for it


@verb("nfs.apply")
@services.in_turn
def apply(request: Apply) -> dict[str, Any]:
    """Serve exactly this, as far as its drives are here.  Raises NoServer, NotAccepted or ServiceFailed."""
    places = _found(request.exports)
    if not places and not _home().joinpath("applied.json").exists():
        return {"served": [], "server": ""}
    kernel = has_kernel_server()
    if kernel:
        _by_the_kernel(places, request.older)
    else:
        _by_ganesha(places, request.older)
    write_atomically(_home() / "applied.json", json.dumps(asdict(request)).encode())
    served = [{"tag": p.export.tag, "folder": p.export.folder, "name": p.name} for p in places]
    return {"served": served, "server": "kernel" if kernel else "ganesha"}


@services.lets_go
def withdraw(tag: str) -> None:
    """Serve nothing of this drive any more; the next ``nfs.apply`` brings it back."""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((_home() / "applied.json").read_text())
        exports = [
            Export(one["tag"], one["folder"], tuple(Client(**client) for client in one["clients"]))
            for one in told["exports"]
        ]
        if any(export.tag == tag for export in exports):
            apply(Apply(tuple(export for export in exports if export.tag != tag), told["older"]))


def _found(exports: tuple[Export, ...]) -> list[Place]:
    """What can be served now; a drive or a folder that is not here is left out, never an empty one in its place."""
    kernel, places = has_kernel_server(), []
    for export in exports:
        with contextlib.suppress(grounds.DriveNotHere, grounds.FolderNotHere):
            path = grounds.folder(export.tag, export.folder)
            if not kernel and UNSPEAKABLE.search(export.folder):
                continue
            name = str(path) if kernel else f"/{export.tag}/{export.folder}".rstrip("/")
            places.append(Place(export, grounds.drive(export.tag), path, name))
    return places


def has_kernel_server() -> bool:
    """Whether this kernel serves NFS itself, now or after its module is loaded."""
    if "nfsd" in Path("/proc/filesystems").read_text().split():
        return grounds.installed("exportfs")
    modules = Path("/lib/modules") / os.uname().release
    return grounds.installed("exportfs") and any(modules.glob("kernel/fs/nfsd/nfsd.ko*"))


# --- the kernel's own server


def _by_the_kernel(places: list[Place], older: bool) -> None:
    etc = Path(os.environ.get("EVERPX_ETC", "/etc"))
    for part in ("exports.d", "nfs.conf.d"):
        (etc / part).mkdir(mode=0o755, exist_ok=True)
    if not places:
        grounds.swap(etc / "exports.d/everpx.exports", "", _export_anew)
        services.stop(KERNEL)
        return
    if grounds.swap(etc / "nfs.conf.d/everpx.conf", kernel_settings(older), lambda: None):
        services.stop(KERNEL)
    grounds.swap(etc / "exports.d/everpx.exports", kernel_exports(places), _export_anew)
    services.start(KERNEL, ports=PORTS)


def _export_anew() -> None:
    """exportfs reads every file, says what it does not understand, and takes back what is no longer there."""
    done = grounds.run(["exportfs", "-ra"], fine=range(256))
    if done.returncode != 0 or "exportfs: /etc/exports.d" in done.stderr:
        raise NotAccepted(why=done.stderr.strip()[-200:])


def kernel_settings(older: bool) -> str:
    """nfs.conf: version 4.2 only, over TCP; a few threads are enough for a home."""
    word = "y" if older else "n"
    return (
        "[nfsd]\nthreads=4\nudp=n\ntcp=y\nvers2=n\nvers3=n\nvers4=y\n"
        f"vers4.0={word}\nvers4.1={word}\nvers4.2=y\n[mountd]\nthreads=1\n"
    )


def kernel_exports(places: list[Place]) -> str:
    """exports(5): a folder a line.  ``mp``: nothing is served while its drive is not there, whatever we know.

    ``subtree_check``, because an allowed device must not reach the drive's other folders by guessing a handle.
    """
    user = _user()
    common = f"sync,subtree_check,all_squash,anonuid={user.pw_uid},anongid={user.pw_gid},insecure,sec=sys"
    lines = []
    for place in places:
        mark = _number_of(f"everpx:{place.export.tag}/{place.export.folder}")
        options = f"{common},mp={_escaped(str(place.top))},fsid={mark}"
        clients = [f"{c.address}({'rw' if c.change else 'ro'},{options})" for c in place.export.clients]
        lines.append(f"{_escaped(str(place.path))} {' '.join(clients)}\n")
    return "".join(lines)


def _number_of(name: str) -> "uuid.UUID":
    """The same for the same folder, at every start and on every card."""
    import uuid  # root's daemon is always there; who serves nothing carries it for nothing

    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def _escaped(path: str) -> str:
    """As exports(5) wants it: bytes that could mean something else as octal numbers."""
    return "".join(chr(b) if chr(b).isascii() and (chr(b).isalnum() or b in b"/._-") else f"\\{b:03o}"
                   for b in path.encode())  # fmt: skip


# --- ganesha, where the kernel has none


def _by_ganesha(places: list[Place], older: bool) -> None:
    config = _home() / "ganesha.conf"
    if not places:
        services.stop(GANESHA)
        config.unlink(missing_ok=True)
        return
    if not grounds.installed("ganesha.nfsd"):
        raise NoServer()
    running = services.is_running(GANESHA)
    before = config.read_text() if config.exists() else ""
    text = ganesha_config(places, older)
    same_server = before.partition("EXPORT {")[0] == text.partition("EXPORT {")[0]
    anew = services.reload if same_server else services.restart
    if grounds.swap(config, text, lambda: anew(GANESHA) if running else None, _try_out):
        _until_let_go(before, places)
    services.start(GANESHA, "/usr/bin/ganesha.nfsd", "-F", "-L", "/dev/stderr", "-N", "NIV_WARN",
                   "-f", str(config), "-p", str(_home() / "ganesha.pid"), ports=PORTS)  # fmt: skip
    _until_listening(text)


def _until_listening(text: str) -> None:
    """A moment passes between starting and answering.  Raises ServiceFailed when it does not come to that."""
    wanted = re.search(r"NFS_Port = (\d+)", text)
    end = time.monotonic() + CHECK_WITHIN_S
    while wanted and time.monotonic() < end:
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{services.pid_of(GANESHA)}/net/{table}").read_text().splitlines()[1:]
                if any(row[1].endswith(f":{int(wanted[1]):04X}") and row[3] == "0A" for row in map(str.split, lines)):
                    return
        time.sleep(0.05)
    raise services.ServiceFailed(name=GANESHA.name, why="it does not listen")


def ganesha_config(places: list[Place], older: bool, port: int = 0) -> str:
    """ganesha.conf: the same facts in its words."""
    user = _user()
    port = port or int(os.environ.get("EVERPX_NFS_PORT", "2049"))
    lines = [
        f"NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = {port}; Enable_NLM = false; Enable_RQUOTA = false; }}",
        f"NFSv4 {{ Minor_Versions = {'0, 1, 2' if older else '2'}; Graceless = true; Delegations = false;"
        f' RecoveryRoot = "{_home()}/recovery"; Only_Numeric_Owners = true; Allow_Numeric_Owners = true; }}',
        "NFS_KRB5 { Active_krb5 = false; }",
        "EXPORT_DEFAULTS { Access_Type = None; SecType = sys; Protocols = 4; Transports = TCP; }",
    ]
    for place in places:
        number = 1 + _number_of(f"{place.export.tag}/{place.export.folder}").int % 60000
        lines.append(
            f'EXPORT {{ Export_Id = {number}; Path = "{place.path}"; Pseudo = "{place.name}"; Access_Type = None;'
            f" Squash = All_Squash; Anonymous_Uid = {user.pw_uid}; Anonymous_Gid = {user.pw_gid};"
            " FSAL { Name = VFS; }"
        )
        for client in place.export.clients:
            kind = "RW" if client.change else "RO"
            lines.append(f"  CLIENT {{ Clients = {client.address}; Access_Type = {kind}; Protocols = 4; }}")
        lines.append("}")
    return "\n".join(lines) + "\n"


def _try_out(trial: Path) -> None:
    """The real program starts with the new text, for itself at another port, until it says that it would serve."""
    text = trial.read_text()
    port = re.search(r"NFS_Port = (\d+)", text)
    trial.write_text(text.replace(f"NFS_Port = {port[1] if port else 2049}", "NFS_Port = 0"))
    argv = ["/usr/bin/ganesha.nfsd", "-F", "-L", "/dev/stdout", "-f", str(trial), "-p", f"{trial}.pid"]
    heard, end = "", time.monotonic() + CHECK_WITHIN_S
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        while time.monotonic() < end and READY not in heard:
            if select.select([process.stdout], [], [], 0.2)[0]:
                words = os.read(process.stdout.fileno(), 1 << 16)
                heard += words.decode("utf-8", "replace")
                if not words:
                    break
    finally:
        process.kill()
        process.communicate()
        Path(f"{trial}.pid").unlink(missing_ok=True)
    trouble = [line for line in heard.splitlines() if "config_errs_to_log" in line or "CONFIG :CRIT" in line]
    if READY not in heard or trouble:
        raise NotAccepted(why=(trouble or heard.splitlines() or ["no answer"])[-1][-200:])


def _until_let_go(before: str, places: list[Place]) -> None:
    """ganesha closes what it no longer serves within a moment; a drive that it still holds is waited for."""
    kept = {str(place.top) for place in places}
    gone = {path for path in re.findall(r'Path = "([^"]*)"', before) if not any(path.startswith(k) for k in kept)}
    end = time.monotonic() + 5
    while gone and time.monotonic() < end and services.is_running(GANESHA):
        if not any(_holds(path) for path in gone):
            return
        time.sleep(0.1)
    if gone and services.is_running(GANESHA):
        services.restart(GANESHA)


def _holds(path: str) -> bool:
    pid = services.pid_of(GANESHA)
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(fd).startswith(path):  # noqa: PTH115 - what the kernel says, not a path of ours
                    return True
    return False


def _home() -> Path:
    home = Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "nfs"
    for place in (home, home / "recovery"):
        place.mkdir(mode=0o755, exist_ok=True)
    return home


def _user() -> pwd.struct_passwd:
    """Who everybody becomes."""
    return pwd.getpwnam(os.environ.get("EVERPX_USER", "everpx"))

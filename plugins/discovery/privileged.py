"""Root's side of being found: avahi tells names and services by mDNS, wsdd2 answers Windows.

Facts come in (a name, kinds, ports), this renders avahi's files and swaps them.  avahi runs as its own user and sees no
drive, wsdd2 runs as nobody.  They are kept as long as there is
anything to announce; Windows is told only while Windows shares are offered, since it opens nothing else.
"""

import contextlib
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.broker import grounds, services
from appliance.broker.protocol import verb
from appliance.errors import ApplianceError
from appliance.words import N_

AVAHI = services.declare("avahi", plugin="discovery")
WSDD2 = services.declare("wsdd2", plugin="discovery")
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")  # room for "-2" within Windows' and DNS' limits
WORKGROUP = re.compile(r"[A-Z0-9]([A-Z0-9._-]{0,13}[A-Z0-9])?")
KIND = re.compile(r"_[a-z0-9][a-z0-9-]{0,13}[a-z0-9]\._(tcp|udp)")
SUBTYPE = re.compile(r"_[a-z0-9-]{1,62}")
MOST_OFFERS = 64
MDNS_PORT = 5353
#: WS-Discovery and LLMNR, each by both protocols
WINDOWS_PORTS = ("udp . 3702", "tcp . 3702", "udp . 5355", "tcp . 5355")
#: interfaces that lead to no home network (containers, virtual machines, tunnels)
NOT_HOME = ("docker", "br-", "virbr", "vnet", "tun", "tap", "wg", "zt", "tailscale", "ppp", "wwan")
CONFIG = """[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
enable-dbus=no
{deny}ratelimit-interval-usec=1000000
ratelimit-burst=1000
entries-per-entry-group-max=200
cache-entries-max=1024
clients-max=32
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
[reflector]
enable-reflector=no
"""


class NameTaken(ApplianceError):
    """Another program of this computer speaks mDNS already."""

    code, status = "mdns_taken", 409
    template = N_("Another program on this computer already announces names on the network.")
    hint = N_("The station can be opened by its address. Stop the other program to have it found by name.")


def name_problem(name: str) -> str | None:
    """The one definition of a good name: the form says it, root enforces it."""
    if not HOST_NAME.fullmatch(name):
        return N_("Use small letters, digits and hyphens (30 at most).")
    if name == "localhost":
        return N_("Every computer calls itself so. Choose another name.")
    return None


def workgroup_problem(name: str) -> str | None:
    """What Windows takes as a workgroup."""
    return None if WORKGROUP.fullmatch(name) else N_("Use capital letters, digits and hyphens (15 at most).")


@dataclass(frozen=True)
class Offer:
    """One service, in the words of DNS-SD; ``name`` "" is the station's own."""

    kind: str
    port: int
    name: str = ""
    txt: tuple[str, ...] = ()
    subtypes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        words = (self.name, *self.txt)
        if not KIND.fullmatch(self.kind) or not 0 <= self.port < 1 << 16:
            raise ValueError("this is not a kind of service and a port")
        if len(self.name.encode()) > 63 or any(len(one.encode()) > 255 for one in self.txt) or len(self.txt) > 40:
            raise ValueError("a name or a text is too long")
        if not all(word.isprintable() for word in words) or not all(SUBTYPE.fullmatch(one) for one in self.subtypes):
            raise ValueError("a name or a text has signs that are not possible here")


@dataclass(frozen=True)
class Apply:
    """The whole of what is announced; nothing offered is silence.  ``windows_name``: the name that is in force."""

    host_name: str
    windows_name: str
    workgroup: str = "WORKGROUP"
    offers: tuple[Offer, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.host_name, self.windows_name):
            if problem := name_problem(name):
                raise ValueError(problem)
        if problem := workgroup_problem(self.workgroup):
            raise ValueError(problem)
        if len(self.offers) > MOST_OFFERS:
            raise ValueError("too many services")


@verb("discovery.apply")
@services.in_turn
def apply(request: Apply) -> dict[str, Any]:
    """Announce exactly this.  Raises NameTaken or ServiceFailed; what is not announced then is told by no one."""
    changed = False
    if not request.offers:
        services.stop(AVAHI)
    else:
        changed = _announce(request)
    windows = any(offer.kind == "_smb._tcp" for offer in request.offers)
    if windows:
        name = request.windows_name
        argv = ("/usr/sbin/wsdd2", "-H", name, "-N", name.upper()[:15], "-G", request.workgroup)
        services.start(WSDD2, *argv, "-b", "vendor:Everpx", "-b", "model:Station",
                       ports=WINDOWS_PORTS, within=_as_nobody())  # fmt: skip
    else:
        services.stop(WSDD2)
    return {"announcing": bool(request.offers), "windows": windows, "changed": changed}


def _announce(request: Apply) -> bool:
    home = _home()
    running = services.is_running(AVAHI)
    if not running and _port_taken():
        raise NameTaken()
    told = grounds.swap(home / "conf/services/everpx.service", render(request.offers), _read_by_itself)
    named = grounds.swap(home / "conf/avahi-daemon.conf", config(request.host_name), _restart_if_running)
    services.start(AVAHI, "/usr/sbin/avahi-daemon", "--no-chroot", "--no-proc-title", *_as_ourselves(),
                   ports=(f"udp . {MDNS_PORT}",), within=_own_view(home))  # fmt: skip
    return told or named or not running


def _read_by_itself() -> None:
    """avahi watches its folder of services and announces or takes back what changed."""


def _restart_if_running() -> None:
    if services.is_running(AVAHI):
        services.restart(AVAHI)


def config(name: str) -> str:
    """avahi-daemon.conf: this name, on interfaces of the home network; never as a bridge between two networks."""
    every = sorted(path.name for path in Path("/sys/class/net").iterdir())
    denied = [one for one in every if one.startswith(NOT_HOME)]
    return CONFIG.format(name=name, deny=f"deny-interfaces={','.join(denied)}\n" if denied else "")


def render(offers: tuple[Offer, ...]) -> str:
    """avahi's file of services.  Names of one kind are told apart by avahi itself, also against other devices."""
    lines = ["<?xml version='1.0' standalone='no'?>", "<!DOCTYPE service-group SYSTEM 'avahi-service.dtd'>"]
    for name in sorted({offer.name for offer in offers}):
        shown = _escaped(name) if name else "%h"
        lines += ["<service-group>", f"<name replace-wildcards='{'no' if name else 'yes'}'>{shown}</name>"]
        for offer in offers:
            if offer.name == name:
                lines += ["<service>", f"<type>{offer.kind}</type>"]
                lines += [f"<subtype>{one}._sub.{offer.kind}</subtype>" for one in offer.subtypes]
                lines += [f"<port>{offer.port}</port>"]
                lines += [f"<txt-record>{_escaped(one)}</txt-record>" for one in offer.txt]
                lines += ["</service>"]
        lines += ["</service-group>"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """For XML.  Not by ``html`` or ``xml.sax``: they would bring 0.3 and 3 MiB into a process that is always there."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _home() -> Path:
    """avahi's own folders: what it reads is root's, where its socket lies may be used by the station's user."""
    home = Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "discovery"
    for place in (home, home / "conf", home / "conf/services", home / "run"):
        place.mkdir(mode=0o755, exist_ok=True)
    with contextlib.suppress(KeyError, PermissionError):
        avahi = pwd.getpwnam("avahi")
        os.chown(home / "run", avahi.pw_uid, avahi.pw_gid)
    return home


#: A view of its own in which its configuration is ours; no drive is in it, so it keeps none from being let go of.
#: Constant words: what comes from outside is a folder of root's own, as an argument.
OWN_VIEW = """
set -e
for place in $(sed -n "s|^[^ ]* \\($1/[^ ]*\\) .*|\\1|p" /proc/self/mounts); do umount -l "$place"; done
mount --bind "$2/conf" /etc/avahi
mount --bind "$2/run" /run/avahi-daemon
shift 2
exec "$@"
"""


def _own_view(home: Path) -> tuple[str, ...]:
    """avahi knows its configuration by fixed paths; here these are ours, whatever the computer has there."""
    with contextlib.suppress(PermissionError):
        Path("/run/avahi-daemon").mkdir(mode=0o755, exist_ok=True)
    mapped = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("/usr/bin/unshare", *mapped, "--mount", "--propagation", "private", "/bin/sh", "-c", OWN_VIEW, "sh",
            str(home.parent / "drives"), str(home))  # fmt: skip


def _as_ourselves() -> tuple[str, ...]:
    """Root's avahi becomes its own user by itself; who is not root stays who they are."""
    return () if os.geteuid() == 0 else ("--no-drop-root",)


def _as_nobody() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    return ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
            "--bounding-set=-all", "--inh-caps=-all")  # fmt: skip


def _port_taken() -> bool:
    """Whether somebody else has a socket at mDNS' port; two that answer for one computer contradict each other."""
    wanted = f":{MDNS_PORT:04X}"
    for table in ("/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"):
        lines = Path(table).read_text().splitlines()[1:] if Path(table).exists() else []
        if any(line.split()[1].endswith(wanted) for line in lines):
            return True
    return False

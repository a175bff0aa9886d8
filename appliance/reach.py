"""Where the station may turn to, whatever a name stands for at the moment it is used.

The station stands inside the home network, where routers and printers believe whoever is there.  What it is told to
talk to is therefore a question of who says so:

* A member's messages go to public addresses only, and not into the household's own IPv6 network, which is public too.
* An admin's may go into the home, and to this machine: home automation and a mail server of one's own stand there.
  So may the question for a new version at an address that an admin has typed.
  They learn only whether it worked, the station's own services believe nobody for being near, and whoever could
  misuse this already decides about the station.
* Nobody's go to link-local addresses and the few others where a rented machine finds its keys (169.254.169.254):
  at home nobody receives messages there.

Asking when the form is sent would not be enough: a name can stand for another place an hour later.  So the process
that sends hands out only such addresses to whoever looks up a name, and looking up and connecting are one step.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

OWN_ADDRESSES = Path("/proc/net/if_inet6")
HOUSEHOLD = 56  # bits: what a provider gives one household at most, but for a few with more
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
KEYS = {ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254")}  # of rented machines

_here = threading.local()
_look_up = socket.getaddrinfo


def is_public(address: str) -> bool:
    """Whether an address lies outside every home, and outside this one."""
    meant = _meant(address)
    return meant.is_global and not meant.is_multicast and not _is_ours(meant)


def is_forbidden(address: str) -> bool:
    """Whether nobody's messages go there."""
    meant = _meant(address)
    return meant.is_link_local or meant.is_multicast or meant.is_unspecified or meant in KEYS


def _meant(address: str) -> IPv4Address | IPv6Address:
    """The address that is really reached: IPv6 has several ways to write one of IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv4Address):
        return parsed
    if parsed in NAT64:
        return IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed.ipv4_mapped or parsed.sixtofour or parsed


def _is_ours(address: IPv4Address | IPv6Address) -> bool:
    """Whether it lies in an IPv6 network that this machine has an address of."""
    if isinstance(address, IPv4Address) or not OWN_ADDRESSES.exists():
        return False
    ours = (int(line.split()[0], 16) for line in OWN_ADDRESSES.read_text().splitlines())
    return any(int(address) >> (128 - HOUSEHOLD) == own >> (128 - HOUSEHOLD) for own in ours)


def is_inside(host: str) -> bool:
    """Whether a host as it was typed is a place at home; a name is asked about only when it is used."""
    try:
        found = _look_up(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return host.rstrip(".").lower() == "localhost"
    return any(not is_public(str(answer[4][0])) for answer in found)


class Inside(OSError):
    """The name stands only for places where this message may not go."""


def _allowed_only(*asked: Any, **more: Any) -> Any:
    found = _look_up(*asked, **more)
    wanted = getattr(_here, "wanted", None)
    if wanted is None:
        return found
    allowed = [answer for answer in found if wanted(str(answer[4][0]))]
    if not allowed:
        raise Inside("a place that the station does not ask")
    return allowed


@contextmanager
def outside(public_only: bool) -> Iterator[None]:
    """In this thread, and until the end of the block, names stand for allowed addresses or for nothing."""
    socket.getaddrinfo = _allowed_only
    _here.wanted = is_public if public_only else lambda address: not is_forbidden(address)
    try:
        yield
    finally:
        _here.wanted = None

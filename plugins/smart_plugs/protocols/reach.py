"""Where plugs may be: in the home's own network.  What an admin types, and what a name resolves to, is checked here.

Refused: this machine (its own services would take orders from a form), link-local addresses (cloud machines keep
secrets at 169.254.169.254), multicast, and the internet, but for a webhook over HTTPS.  The address that was checked is
the one that is connected to.  Test plugs on this machine are listed in the file that ``EVERPX_TEST_PLUGS`` names.
"""

import ipaddress
import os
import socket
from pathlib import Path

from plugins.smart_plugs.protocols.answers import PlugError

TEST_PLUGS = "EVERPX_TEST_PLUGS"
HOME = [ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]


def address_of(host: str, port: int, *, public: bool = False, ours: bool = False) -> str:
    """The address to connect to.  Raises PlugError: ``no_answer`` for an unknown name, ``not_allowed``."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PlugError("no_answer", f"{host}: {error}") from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for address in addresses:
        if not _may_be(address, port, public=public, ours=ours):
            raise PlugError("not_allowed", f"{host} is {address}")
    return addresses[0]


def _may_be(address: str, port: int, *, public: bool, ours: bool) -> bool:
    if f"{address}:{port}" in test_plugs():
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a zone: fe80::1%eth0
        return False
    if ip.is_loopback or _is_this_machine(address):
        return ours
    if any(ip.version == net.version and ip in net for net in HOME):
        return True
    return public and ip.is_global and not ip.is_multicast


def _is_this_machine(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def test_plugs() -> list[str]:
    """``address:port`` of plugs that stand in for real ones on this machine; none on a real station."""
    name = os.environ.get(TEST_PLUGS)
    try:
        return Path(name).read_text().split() if name else []
    except OSError:
        return []


def networks() -> list[ipaddress.IPv4Network]:
    """The home's networks that this machine is in, none larger than 1,024 addresses."""
    import psutil

    found = []
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and one.netmask:
                net = ipaddress.ip_network(f"{one.address}/{one.netmask}", strict=False)
                if any(net.subnet_of(home) for home in HOME if home.version == 4):  # type: ignore[arg-type]
                    narrow = ipaddress.ip_network(f"{one.address}/{max(net.prefixlen, 22)}", strict=False)
                    found.append(ipaddress.IPv4Network(narrow))
    return list(dict.fromkeys(found))

"""Names and addresses that only ever mean something at home: what the station's own authority may speak for.

Whoever steals that authority's key can pretend to be a device in this home, and nobody on the internet.
Standard library only: root's side asks.
"""

import ipaddress
import re

#: endings that no public name has, and the names that widespread routers give
ENDINGS = ("local", "home.arpa", "lan", "home", "internal", "intranet", "localdomain", "localhost", "fritz.box")
NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
    )
)
NETWORKS6 = tuple(map(ipaddress.ip_network, ("fc00::/7", "fe80::/10", "::1/128")))
NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LONGEST = 253


def is_name(text: str) -> bool:
    """Whether this is a name that the authority may vouch for."""
    ours = any(text == ending or text.endswith(f".{ending}") for ending in ENDINGS)
    return ours and len(text) <= LONGEST and bool(NAME.fullmatch(text))


def is_address(text: str) -> bool:
    """Whether this is an address that the authority may vouch for."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(parsed in network for network in (NETWORKS if parsed.version == 4 else NETWORKS6))

"""Where a member's messages may go: to public addresses, whatever a name stands for at the moment it is used.

Asking when the form is sent would not be enough: a name can stand for another place an hour later.  So the process
that sends hands out only public addresses to whoever looks up a name on a member's behalf, and looking up and
connecting are one step.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_here = threading.local()
_look_up = socket.getaddrinfo


def is_public(address: str) -> bool:
    """Whether an address lies outside every home."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return bool(mapped.is_global and not mapped.is_multicast)


def is_inside(host: str) -> bool:
    """Whether a name stands for a place at home right now; a name that nobody knows does not."""
    try:
        return any(not is_public(str(found[4][0])) for found in _look_up(host, None))
    except (OSError, UnicodeError):
        return False


class Inside(OSError):
    """The name stands only for places at home."""


def _public_only(*asked: Any, **more: Any) -> Any:
    found = _look_up(*asked, **more)
    if not getattr(_here, "public_only", False):
        return found
    public = [answer for answer in found if is_public(str(answer[4][0]))]
    if not public:
        raise Inside("not a public address")
    return public


@contextmanager
def public_only(wanted: bool) -> Iterator[None]:
    """In this thread, and until the end of the block, names stand for public addresses or for nothing."""
    socket.getaddrinfo = _public_only
    _here.public_only = wanted
    try:
        yield
    finally:
        _here.public_only = False

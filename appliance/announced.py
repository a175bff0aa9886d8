"""What this station offers to the network right now: each plugin says what it serves (hook ``announced_services``).

What cannot be announced is left out and logged: a plugin's slip must not take the others off the network.
"""

import contextlib
import ipaddress
import logging
import re

from sqlalchemy.orm import Session

from appliance import plugin
from appliance.hookspecs import Announced
from appliance.jobs import service as jobs
from appliance.web import listening
from appliance.words import N_, Message

log = logging.getLogger("everpx.plugin")
KIND = re.compile(r"_[a-z0-9][a-z0-9-]{0,13}[a-z0-9]\._(tcp|udp)")
LONGEST_NAME = 63  # bytes of a label
LONGEST_TXT = 255  # bytes of one "key=value"
MOST_TXT = 40


def collect(session: Session) -> list[Announced]:
    """Everything that is offered, without what would be no service at all, in a stable order."""
    offered = []
    for name, answer in plugin.call_named("announced_services", session=session):
        for one in answer or ():
            if isinstance(one, Announced) and _is_sound(one):
                offered.append(one)
            else:
                log.error("plugin %s announces nonsense: %r", name, one)
    return sorted(set(offered))


def refresh(session: Session) -> None:
    """Have it told soon, because what a plugin offers was just changed; the chores alone might take half an hour."""
    with contextlib.suppress(jobs.AlreadyRunning):
        title = Message(N_("Offering what is here to the network"))
        jobs.start(session, "health.settle_services", title=title, lock="settle_services")


def _is_sound(one: Announced) -> bool:
    words = [one.name, *one.txt, *one.subtypes]
    return (
        bool(KIND.fullmatch(one.kind))
        and 0 <= one.port < 1 << 16
        and len(one.name.encode()) <= LONGEST_NAME
        and len(one.txt) <= MOST_TXT
        and all(isinstance(word, str) and word.isprintable() for word in words)
        and all(len(word.encode()) <= LONGEST_TXT for word in one.txt)
        and all(re.fullmatch(r"_[a-z0-9-]{1,62}", word) for word in one.subtypes)
    )


def console_port() -> int | None:
    """Where the network reaches the console; None when only this computer does (``EVERPX_LISTEN``)."""
    for address in listening.plain():
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if port.isdigit() and not (host == "localhost" or (host and ipaddress.ip_address(host).is_loopback)):
            return int(port)
    return None

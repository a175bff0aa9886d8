"""When the front door's certificate is renewed, and for which names.

It is renewed when the station has got a name or an address that it does not speak for, and when a third of its life is
left; the latter only by a clock that may be believed.  By another clock names change, but never the dates.
"""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from appliance import identity, plugin
from appliance.broker.client import Broker
from appliance.clock import Clock
from appliance.durable import write_atomically
from appliance.places import Places
from appliance.web.certificate import Certificate, load, place
from appliance.web.home_names import is_address, is_name
from appliance.web.options import HOST_NAMES

LIFE = timedelta(days=396)  # 397 is what browsers take
A_DAY = timedelta(days=1)
MOST = 64
ALWAYS, ALWAYS_ADDRESSES = ("everpx.local", "localhost"), ("127.0.0.1", "::1")


def wanted(session: Session, here: Places) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and addresses under which browsers at home open this station now."""
    names = [name for told in plugin.call("station_names", session=session, places=here) for name in told or ()]
    names += HOST_NAMES.get(session).replace(",", " ").split()
    kept = dict.fromkeys(name.lower() for name in (*names, *ALWAYS) if is_name(name.lower()))
    addresses = dict.fromkeys(filter(is_address, (*_addresses(), *ALWAYS_ADDRESSES)))
    return tuple(kept)[:MOST], tuple(addresses)[:MOST]


def _addresses() -> list[str]:
    import socket

    import psutil  # only where the network is asked for

    up = {name for name, facts in psutil.net_if_stats().items() if facts.isup}
    every = [one for name, found in sorted(psutil.net_if_addrs().items()) if name in up for one in found]
    return [one.address for one in every if one.family == socket.AF_INET]


def why_due(now: Certificate | None, names: tuple[str, ...], addresses: tuple[str, ...], clock: Clock) -> str:
    """Why there has to be another one: ``none``, ``names`` or ``time``; "" when this one will do."""
    if now is None:
        return "none"
    if not set(names) <= set(now.names) or not set(addresses) <= set(now.addresses):
        return "names"
    if clock.is_trusted and not now.since <= clock.now < now.until - (now.until - now.since) / 3:
        return "time"
    return ""


def renew(session: Session, broker: Broker, here: Places, clock: Clock) -> bool:
    """Get another one if it is due; whether there is.  Raises what root answers."""
    now, (names, addresses) = load(here), wanted(session, here)
    if not why_due(now, names, addresses, clock):
        return False
    since = clock.likely - A_DAY if now is None or clock.is_trusted else now.since
    facts: dict[str, Any] = {
        "names": list(names),
        "addresses": list(addresses),
        "since": int(since.timestamp()),
        "until": int((since + LIFE).timestamp()),
    }
    answer = broker("web.certificate", facts | {"station": identity.load(here).station_id})
    pems = "".join(answer[name] for name in ("key", "certificate", "authority"))
    write_atomically(place(here), f"# {json.dumps(facts)}\n{pems}".encode())
    return True

"""Slowing down those who guess.

Failures are counted per key ("account:anna", "source:192.168.1.7"), in the database, so that a restart forgives
nothing.  From the allowed number on, each further failure blocks the key twice as long as the one before, up to a
quarter of an hour: long enough to make guessing hopeless, short enough that a family is never locked out for good.
A blocked guess is not looked at and not counted.  An hour without failures clears a key.

What is true if the plug is pulled here: a failure is committed before its guesser hears of it.
"""

import ipaddress
import math
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from appliance.db import now
from appliance.errors import ApplianceError
from appliance.people.models import Throttle
from appliance.words import N_

#: Failures before the first block.  More for a source: behind one address there may be a whole family.
ALLOWED = {
    "account": 5,
    "source": 20,
    "claim": 5,
    "confirm": 5,
    "guest": 8,
    "link": 60,
    "device": 10,
    "device_source": 30,
}
FIRST_BLOCK = timedelta(seconds=5)
LONGEST_BLOCK = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)


class TooManyGuesses(ApplianceError):
    """This account or source has to wait."""

    code, status = "too_many_guesses", 429
    template = N_("Too many wrong tries. Please wait {seconds} seconds.")
    hint = N_("Everything on the station goes on meanwhile. An admin can set a new password under People.")


def source(address: str, kind: str = "source") -> str:
    """The key of where a guess came from; an IPv6 network counts as one, a device there has as many as it likes."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"{kind}:{address[:64]}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return f"{kind}:{parsed.ipv4_mapped}"
        return f"{kind}:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"{kind}:{parsed}"


def check(session: Session, keys: Iterable[str]) -> None:
    """Raises TooManyGuesses when one of the keys is blocked."""
    seconds = max((_seconds_blocked(session.get(Throttle, key)) for key in keys), default=0)
    if seconds:
        raise TooManyGuesses(seconds=seconds)


def failed(session: Session, keys: Iterable[str]) -> bool:
    """Count a failure for each key; whether one of them is blocked from now on.  Commit before raising."""
    moment, blocked = now(), False
    session.execute(delete(Throttle).where(Throttle.last < moment - FORGOTTEN_AFTER))
    for key in keys:
        row = session.get(Throttle, key)
        if row is None:
            row = Throttle(key=key, failures=0)
            session.add(row)
        row.failures, row.last = row.failures + 1, moment
        over = row.failures - ALLOWED[key.partition(":")[0]]
        if over >= 0:
            row.blocked_until = moment + min(LONGEST_BLOCK, FIRST_BLOCK * 2 ** min(over, 20))
            blocked = True
    return blocked


def forgive(session: Session, key: str) -> None:
    """Forget a key's failures: it has shown that it knows."""
    session.execute(delete(Throttle).where(Throttle.key == key))


def _seconds_blocked(row: Throttle | None) -> int:
    if row is None or row.blocked_until is None:
        return 0
    left = row.blocked_until - now()
    # further away than any block: the clock was set back (a Pi without a battery), and the block must not last years
    return 0 if left > LONGEST_BLOCK else max(0, math.ceil(left.total_seconds()))

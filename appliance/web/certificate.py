"""The certificate with which the front door answers by https, as it lies on the card and what it says.

One file, ``certificate.pem``: a line of facts, the key, the certificate, the authority's.  It is replaced whole, so
that no key ever stands beside another's certificate (``renewal.py``).  Nothing here asks the database, because the
front door opens before anybody does.
"""

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.clock import Clock
from appliance.places import Places


@dataclass(frozen=True)
class Certificate:
    """What there is; ``mark`` differs for each one, ``authority`` is that of this home as PEM."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    since: datetime
    until: datetime
    mark: str
    authority: str

    def speaks_for(self, host: str) -> bool:
        """Whether a browser that trusts the authority opens this name or address without a warning."""
        return host in self.names or host in self.addresses

    def is_good(self, clock: Clock) -> bool:
        """Whether browsers take it now, as far as this clock knows."""
        return not clock.is_trusted or self.since <= clock.now < self.until

    @property
    def der(self) -> bytes:
        """The authority's certificate as phones and computers take it."""
        lines = [line for line in self.authority.splitlines() if not line.startswith("-----")]
        return base64.b64decode("".join(lines))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, as every system shows it."""
        plain = hashlib.sha256(self.der).hexdigest().upper()
        return ":".join(plain[at : at + 2] for at in range(0, len(plain), 2))


def place(here: Places) -> Path:
    """The file that nginx reads."""
    return here.data / "certificate.pem"


def load(here: Places) -> Certificate | None:
    """The certificate in force; None when there is none, or none that can be used."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        text = place(here).read_text()
        facts = json.loads(text.partition("\n")[0].removeprefix("# "))
        since, until = (datetime.fromtimestamp(facts[one], UTC) for one in ("since", "until"))
        authority = text[text.rindex("-----BEGIN CERTIFICATE") :]
        mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        return Certificate(tuple(facts["names"]), tuple(facts["addresses"]), since, until, mark, authority)
    return None

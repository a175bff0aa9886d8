"""Root's side of the front door: it alone can read the key of this home's authority, and signs for names of this home.

The key for the certificate is made anew each time and handed to the station's user, who runs nginx.  Signing needs a
library that this process does without: it is done by a process of its own (``appliance.web.authority``).
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import identity
from appliance.broker.protocol import verb
from appliance.drives.programs import run
from appliance.web.home_names import is_address, is_name

MOST = 64  # names, and addresses
#: sees nothing of the caller's environment, so where the program lies is said
SIGN = "import sys; sys.path.append(sys.argv[1]); from appliance.web.authority import main; main()"


@dataclass(frozen=True)
class Wanted:
    """A certificate for these names and addresses of this home, good between two moments (seconds since 1970)."""

    station: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    since: int
    until: int

    def __post_init__(self) -> None:
        if not identity.is_id(self.station):
            raise ValueError("this is not a station's id")
        if not 0 < len(self.names) <= MOST or not all(map(is_name, self.names)):
            raise ValueError("not the names of a station at home")
        if len(self.addresses) > MOST or not all(map(is_address, self.addresses)):
            raise ValueError("not the addresses of a station at home")
        if not 0 < self.since < self.until < 1 << 34:
            raise ValueError("not a span of time")


@verb("web.certificate")
def certificate(request: Wanted) -> dict[str, Any]:
    """A new key and its certificate, with that of the authority.  Raises ProgramFailed with the reason."""
    data = Path(os.environ.get("EVERPX_DATA", "/var/lib/everpx"))
    asked = {
        "folder": os.environ.get("EVERPX_IDENTITY", str(data / "identity")),
        "station": request.station,
        "names": request.names,
        "addresses": request.addresses,
        "since": request.since,
        "until": request.until,
    }
    argv = [sys.executable, "-I", "-c", SIGN, str(Path(__file__).parents[2])]
    said: dict[str, Any] = json.loads(run(argv, given=json.dumps(asked)).stdout)
    return said

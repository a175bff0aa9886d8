"""The one place that says whether this start is a trial: a file in the run folder, from settling until the verdict.

While a version is on trial nothing that anybody tells the station is accepted, because bringing the old version back
takes the database back as well: what was not accepted cannot be lost.  What the file holds lets the probe in, and
nobody else.
"""

import hmac
import os
from pathlib import Path

from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import N_

#: in a request, what the file holds
HEADER = "X-Everpx-Trial"


class OnTrial(ApplianceError):
    """Somebody wants to change something during a trial."""

    code, status = "on_trial", 503
    template = N_("The station is just trying out a new version and changes nothing meanwhile.")
    hint = N_("This takes some minutes. Nothing is lost; try it again afterwards.")


def place(here: Places) -> Path:
    """The file."""
    return here.run / "trial"


def is_on(here: Places) -> bool:
    """Whether this start is a trial that nobody has decided yet."""
    return place(here).exists()


def is_probe(here: Places, said: str) -> bool:
    """Whether a request comes from the probe, by what it said in ``HEADER``."""
    try:
        word = place(here).read_text()
    except FileNotFoundError:
        return False
    return bool(said) and hmac.compare_digest(said.encode(), word.encode())


def begin(here: Places) -> None:
    """From now on; what the file holds only root and the station's user can read."""
    import secrets  # the idle worker asks only whether there is a trial

    write_atomically(place(here), secrets.token_urlsafe(32).encode(), 0o640)
    os.chown(place(here), -1, here.run.stat().st_gid)


def end(here: Places) -> None:
    """It was decided."""
    place(here).unlink(missing_ok=True)

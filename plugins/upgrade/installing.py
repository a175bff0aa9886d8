"""Writing a bundle that root has decided to install: ``python -m plugins.upgrade.installing``.

A process of its own, so that the root daemon may be started anew meanwhile.  It holds the lock that it was given as its
standard input; when it dies, however it dies, the kernel lets go of it and the record still says "installing": whoever
sees both knows that it was cut off.
"""

import json
import logging
import os
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.upgrade import attempt
from appliance.upgrade.attempt import Phase
from appliance.words import N_, Message
from plugins.upgrade import place, rauc

log = logging.getLogger("everpx.upgrade")
CUT_OFF = N_("Writing it was cut off. The version before was never left; please install it again.")
NOT_STAGED = N_("It was written, but the station’s start-up did not take it.")


def progress_file() -> Path:
    """How far it is, for everybody to see; gone after a reboot."""
    return Path(os.environ.get("EVERPX_RUN", "/run/everpx")) / "upgrade-progress.json"


def tell(percent: int) -> None:
    """Say how far it is; nobody depends on it, so it is not flushed."""
    path = progress_file()
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"percent": percent}))
    temporary.chmod(0o644)
    temporary.replace(path)


def refuse(why: Message) -> None:
    """Note that it never came to a start."""
    noted = attempt.read(place.home())
    if noted is not None and not noted.ended:
        attempt.write(place.home(), noted.at(Phase.REFUSED, why=why))


def install() -> None:
    """Write, and see to it that the record says how it ended."""
    try:
        rauc.install(place.bundle(), tell)
        noted = attempt.read(place.home())
        if noted is None or noted.state is not Phase.STAGED:
            refuse(Message(NOT_STAGED))
    except ApplianceError as error:
        log.error("%s", error)
        refuse(error.message)
    finally:
        progress_file().unlink(missing_ok=True)
        place.forget()


def main() -> None:
    """Install what was decided."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    install()


if __name__ == "__main__":
    main()

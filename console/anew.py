"""Ending the console in order, so that whoever runs it (systemd, the launcher) starts it anew."""

import os
import signal
import threading

from flask import request

from appliance.errors import ApplianceError
from appliance.words import N_

AFTER_S = 0.5  # so that the answer is out


class NobodyStartsIt(ApplianceError):
    """It would end, and stay so."""

    code, status, template = "nobody_starts_it", 409, N_("Restart the station for this to take effect.")


def start() -> None:
    """Begin it, and answer meanwhile.  Raises NobodyStartsIt."""
    if not is_possible():
        raise NobodyStartsIt()
    threading.Timer(AFTER_S, os.kill, (os.getpid(), signal.SIGTERM)).start()


def is_possible() -> bool:
    """Whether this is the served console (console.serve), as everywhere but in a test."""
    return str(request.environ.get("SERVER_SOFTWARE", "")).startswith("gunicorn")

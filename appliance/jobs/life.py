"""The worker's death is a power cut to what it started, so that nothing is ever done twice at once."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
WORKER = "EVERPX_WORKER"  # pid of the worker that started this process


def die_with_worker() -> None:
    """Call first thing in a process that the worker starts."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    worker = os.environ.get(WORKER)
    if worker is not None and os.getppid() != int(worker):  # it died before the line above
        sys.exit("the worker is gone")

"""Named places where a test pulls the plug: ``EVERPX_CRASH_AT=settled:3`` kills the process the third time there.

Inert in a station: without the variable, ``reach`` is one look at a constant.
"""

import os
import signal

_NAME, _, _COUNT = os.environ.get("EVERPX_CRASH_AT", "").partition(":")
_left = int(_COUNT or 1)


def reach(name: str) -> None:
    """Die here without a word, if a test asked for it."""
    global _left
    if name != _NAME:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

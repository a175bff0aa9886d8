"""The console's process: ``python -m console.serve``.

First of all what it does not need to remember: modules that libraries import and nobody here uses, and what libraries
say about themselves.  Only then the server, and with it everything else.
"""

import _ssl
import inspect
import sys
from typing import Any

from appliance.later import Later
from console import undocumented


class Asyncio(Later):
    """SQLAlchemy imports asyncio for drivers that this process does not have: 1.4 MiB that no line of it ever runs."""

    iscoroutine = staticmethod(inspect.iscoroutine)  # all that is asked of it while SQLAlchemy is imported


class Ssl(Later):
    """gunicorn and werkzeug could speak TLS and look these up; here nginx does.  They are the real ones: 1 MiB less."""

    CERT_NONE, PROTOCOL_TLS = _ssl.CERT_NONE, _ssl.PROTOCOL_TLS
    PROTOCOL_SSLv23 = PROTOCOL_TLS  # two names of one
    SSLError, SSLEOFError = _ssl.SSLError, _ssl.SSLEOFError

    def __getattr__(self, name: str) -> Any:
        """``from ssl import …`` first asks whether this is a package, which is no reason to load it."""
        if name == "__path__":
            raise AttributeError(name)
        return super().__getattr__(name)


def main() -> None:
    """Serve until told to stop, or until whoever started this is gone."""
    undocumented.install()
    sys.modules.setdefault("asyncio", Asyncio("asyncio"))
    sys.modules.setdefault("ssl", Ssl("ssl"))
    from console.server import serve

    serve()


if __name__ == "__main__":
    main()

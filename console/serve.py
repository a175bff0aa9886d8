"""The console's process: ``python -m console.serve``.

First of all what it does not need to remember: modules that libraries import and nobody here uses, what libraries say
about themselves, and what Babel knows of the world.  Only then the server, and with it everything else.
"""

import inspect
import sys
from typing import Any

from appliance.later import Later, put_off
from console import undocumented

#: What libraries name for debuggers, error pages, suggestions to programmers and captchas: 1.1 MiB together.
RARELY = ("difflib", "html", "pdb", "urllib.request")


class Asyncio(Later):
    """SQLAlchemy imports asyncio for drivers that this process does not have: 1.5 MiB that no line of it ever runs."""

    iscoroutine = staticmethod(inspect.iscoroutine)  # all that is asked of it while SQLAlchemy is imported


class Ssl(Later):
    """gunicorn and werkzeug could speak TLS and ask for these; here nginx does, and OpenSSL stays outside: 1.2 MiB."""

    CERT_NONE, PROTOCOL_TLS = 0, 2
    PROTOCOL_SSLv23 = PROTOCOL_TLS  # two names of one

    class SSLError(OSError):
        """Never raised, as whoever opens a TLS connection gets the real module."""

    SSLEOFError = SSLError

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
    for name in RARELY:
        put_off(name)
    from console import locale_data

    locale_data.forget_the_rest()
    from console.server import serve

    serve()


if __name__ == "__main__":
    main()

"""The console's process: ``python -m console.serve [--when-prepared]``.

First of all what it does not need to remember: modules that libraries import and nobody here uses, what libraries say
about themselves, and what Babel knows of the world.  Only then the server, and with it everything else.
"""

import gc
import inspect
import sys
import typing
from typing import Any

from appliance.later import Later, put_off
from console import undocumented

#: What libraries name for debuggers, error pages, command lines, packed programs and captchas: 1.5 MiB together.
RARELY = ("argparse", "click", "csv", "difflib", "html", "pdb", "pkgutil", "urllib.request", "zipfile")


class Asyncio(Later):
    """SQLAlchemy imports asyncio for drivers that this process does not have: 1.5 MiB that no line of it ever runs."""

    iscoroutine = staticmethod(inspect.iscoroutine)  # all that is asked of it while SQLAlchemy is imported


class InPart(Later):
    """Stands in for a module of which some names are asked for while others are imported."""

    def __init__(self, name: str, **given: object) -> None:
        super().__init__(name)
        vars(self).update(given)

    def __getattr__(self, name: str) -> Any:
        """``from x import …`` first asks whether this is a package, which is no reason to load it."""
        if name == "__path__":
            raise AttributeError(name)
        return super().__getattr__(name)


class NoCommands:
    """What Flask's applications and blueprints keep their commands in; nobody here has any."""

    def __init__(self, name: str | None = None) -> None:
        self.name, self.commands = name, dict[str, object]()


#: A command line, a server and clients for tests, of which Flask and werkzeug name a class: 2 MiB with what they bring.
NOT_HERE: dict[str, dict[str, object]] = {
    "flask.cli": {"AppGroup": NoCommands},
    "flask_login.test_client": {"FlaskLoginClient": None},
    "werkzeug.serving": {"run_simple": None, "is_running_from_reloader": None},
    "werkzeug.test": {"Client": None},
}


class Ssl(InPart):
    """gunicorn and werkzeug could speak TLS and ask for these; here nginx does, and OpenSSL stays outside: 1.2 MiB."""

    CERT_NONE, PROTOCOL_TLS = 0, 2
    PROTOCOL_SSLv23 = PROTOCOL_TLS  # two names of one

    class SSLError(OSError):
        """Never raised, as whoever opens a TLS connection gets the real module."""

    SSLEOFError = SSLError


def _as_it_is(function: Any) -> Any:
    """An overload.  Python would keep each one of each library, for programs that ask about types: 0.4 MiB."""
    return function


def main() -> None:
    """Serve until told to stop, or until whoever started this is gone."""
    gc.disable()  # nothing that is loaded now goes again, and looking whether it does is a sixth of a start
    undocumented.install()
    sys.modules.setdefault("asyncio", Asyncio("asyncio"))
    sys.modules.setdefault("ssl", Ssl("ssl"))
    for name, given in NOT_HERE.items():
        sys.modules.setdefault(name, InPart(name, **given))
    typing.overload = _as_it_is  # type: ignore[assignment]
    for name in RARELY:
        put_off(name)
    from console import locale_data

    locale_data.forget_the_rest()
    from console.server import serve

    serve(when_prepared="--when-prepared" in sys.argv[1:])


if __name__ == "__main__":
    main()

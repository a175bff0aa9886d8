"""Where a plugin may join in.  Each hook has a user and a test; see docs/plugins.md.

Implementations are called one by one through ``plugin.call``, which leaves out those that raise.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from appliance.drives.switches import PowerDriver
    from appliance.health.service import Check
    from appliance.words import Message

hookspec = pluggy.HookspecMarker("everpx")
hookimpl = pluggy.HookimplMarker("everpx")


@hookspec
def console_blueprint() -> Any:
    """Return a Flask blueprint; it is mounted under ``/plugins/<name>/`` and listed under System."""


@hookspec
def protocol_blueprint() -> Any:
    """Return a Flask blueprint that is mounted at the top: for a protocol whose addresses are not ours to choose."""


@hookspec
def home_cards(session: "Session") -> "Iterable[tuple[str, str | Message]]":
    """Return (title, one sentence) pairs shown on the home page."""


@hookspec
def health_checks() -> "Iterable[Check]":
    """Return checks, run every few minutes and shown under Health."""


@hookspec
def power_drivers() -> "Iterable[PowerDriver]":
    """Return ways to switch a COLD drive's power."""


@hookspec
def before_backup(session: "Session") -> None:
    """Bring stored state to a consistent point before HOT is read."""


@hookspec
def job_modules() -> "Iterable[str]":
    """Return names of modules that declare job kinds."""

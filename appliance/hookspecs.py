"""Where a plugin may join in.  Each hook has a user and a test; see docs/plugins.md.

Implementations are called one by one through ``plugin.call``, which leaves out those that raise.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from appliance.broker.client import Broker
    from appliance.drives.switches import PowerDriver
    from appliance.health.service import Check
    from appliance.people.models import User
    from appliance.places import Places
    from appliance.words import Message

hookspec = pluggy.HookspecMarker("everpx")
hookimpl = pluggy.HookimplMarker("everpx")


@hookspec
def console_blueprint() -> Any:
    """Return a Flask blueprint; it is mounted under ``/plugins/<name>/`` and listed under System."""


class HomeCard(NamedTuple):
    """What a plugin says on the home page; ``button`` leads to ``address``, a path of this console."""

    title: "str | Message"
    sentence: "str | Message"
    button: "str | Message" = ""
    address: str = ""


@hookspec
def protocol_blueprint() -> Any:
    """Return a Flask blueprint that is mounted at the top: for a protocol whose addresses are not ours to choose."""


@hookspec
def api_room() -> Any:
    """Return a ``console.api.routes.Room``: endpoints under ``/api/v1/plugins/<name>/``, described by OpenAPI."""


@hookspec
def home_cards(session: "Session") -> "Iterable[HomeCard | tuple[str, str | Message]]":
    """Return (title, one sentence) pairs, or HomeCards with a button, shown on the home page."""


class WayIn(NamedTuple):
    """How photos may come in, apart from uploads: said where people look for it; ``address`` is of this console."""

    title: str
    sentence: str
    address: str


@hookspec
def ways_in() -> "Iterable[WayIn]":
    """Return other ways for photos to come in, shown beside the upload and where a library is still empty."""


@hookspec
def health_checks() -> "Iterable[Check]":
    """Return checks, run every few minutes and shown under Health."""


@hookspec
def power_drivers() -> "Iterable[PowerDriver]":
    """Return ways to switch a COLD drive's power."""


@hookspec
def standing_work(session: "Session") -> None:
    """Queue jobs that nobody asks for; called after drives came or went, and every half hour."""


@hookspec
def before_backup(session: "Session") -> None:
    """Bring stored state to a consistent point before HOT is read."""


@hookspec
def job_modules() -> "Iterable[str]":
    """Return names of modules that declare job kinds."""


@hookspec
def password_known(session: "Session", user: "User", password: str) -> None:
    """Somebody has just typed their right password, or got a new one: keep what your protocol will ask about."""


@hookspec
def people_changed(session: "Session") -> None:
    """Somebody was added, renamed, kept out, let in again or removed; what you serve them follows when this commits."""


@hookspec
def settle_services(session: "Session", broker: "Broker", places: "Places") -> None:
    """Bring what root runs for you in line with the wish and with the drives that are here."""


class Announced(NamedTuple):
    """Something that this station offers to the network right now, in the words of DNS-SD."""

    kind: str  # "_smb._tcp"
    port: int
    name: str = ""  # as people see it in a list; "": the station's own name
    txt: tuple[str, ...] = ()  # "key=value"
    subtypes: tuple[str, ...] = ()


@hookspec
def station_names(session: "Session", places: "Places") -> "Iterable[str]":
    """Return names under which browsers at home find this station now; its certificate speaks for them."""


@hookspec
def announced_services(session: "Session") -> "Iterable[Announced]":
    """Return what you offer to the network right now; what is not said is no longer announced."""


class Command(NamedTuple):
    """A command of ``everpx``; what is at ``place`` is imported when it is called, ``words`` stand in ``--help``."""

    name: str  # "plugs"
    place: str  # "plugins.smart_plugs.cli:plugs"
    words: str


@hookspec
def commands() -> "Iterable[Command]":
    """Return what you add to the command line; import nothing of it here."""


@hookspec
def issues_changed(session: "Session") -> None:
    """Hear that issues were found, grew worse or were solved; be quick, in the transaction of whoever found out."""

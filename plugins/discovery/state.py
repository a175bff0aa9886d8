"""What is announced right now and who else is there, as the worker last saw it: one file in ``/run``.

The console has no network of its own (its unit), so it reads here which addresses the station has.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from appliance.durable import write_atomically
from appliance.places import Places


@dataclass(frozen=True)
class Other:
    """Another Everpx station on this network."""

    name: str
    host: str
    address: str
    port: int
    says_it_is_us: bool = False  # its card was copied from this one's, or the other way round

    @property
    def url(self) -> str:
        """Where its console is; by its number, which every device understands."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{shown}" + ("" if self.port == 80 else f":{self.port}")


@dataclass(frozen=True)
class State:
    """``name``: in force, without ".local" ("" as long as nothing is announced)."""

    wanted: str = ""
    name: str = ""
    port: int | None = None
    addresses: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # "_smb._tcp"
    windows: bool = False
    problem: dict[str, Any] | None = None  # {"code", "message", "hint"} of why nothing is announced
    others: tuple[Other, ...] = ()
    looked: str = ""  # when somebody looked around

    @property
    def host(self) -> str:
        """What people type: ``everpx.local``."""
        return f"{self.name or self.wanted}.local"

    @property
    def ways(self) -> list[str]:
        """Names under which a browser at home opens the console: its name first, then its addresses."""
        return [*([self.host] if self.name else []), *self.addresses] if self.port else []

    def url(self, host: str) -> str:
        """The console under a name or an address."""
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}" + ("" if self.port in (None, 80) else f":{self.port}")


def load(places: Places) -> State:
    """As it was last written; the empty state before the first time."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads((places.run / "discovery.json").read_text())
        told = {one.name: told[one.name] for one in fields(State)}
        others = tuple(Other(**other) for other in told.pop("others"))
        lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
        return State(**{**told, **lists}, others=others)
    return State()


def save(places: Places, state: State) -> None:
    """Write it down, if it differs from what is there."""
    if state != load(places):
        write_atomically(places.run / "discovery.json", json.dumps(asdict(state)).encode(), mode=0o640)


def change(places: Places, **what: Any) -> State:
    """Write down some of it; returns the whole."""
    state = replace(load(places), **what)
    save(places, state)
    return state

"""What a station remembers of upgrades, so that nobody can take it back: a value that its caller stores durably.

Nothing that is heard, in whatever order, ever lowers it: not the number of the keys, not what a key has said, not the
version that was installed.  A key that is replaced loses its say with all that it said, so a thief who announced
version 999 blocks the way only until the keys are changed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from appliance.upgrade.documents import exact, is_hash, is_moment, is_version, made_of
from appliance.upgrade.keys import Keys, of_image
from appliance.upgrade.refusals import MemoryDamaged, Refusal


def number(version: str) -> tuple[int, ...]:
    """A version as it is compared: ``1.10.0`` is above ``1.9.9``."""
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True)
class Station:
    """The running system, as ``/usr/lib/everpx/release`` tells: ``built`` is a moment that has certainly passed."""

    model: str
    version: str
    built: int


@dataclass(frozen=True)
class Clock:
    """What the caller's clock shows, and whether a time server has set it since the start."""

    now: int
    synchronised: bool


@dataclass(frozen=True)
class Heard:
    """The newest that one key has said on one channel; ``digest`` tells it from another of the same second."""

    version: str
    issued: int
    expires: int
    digest: str


_HEARD = {"version": is_version, "issued": is_moment, "expires": is_moment, "digest": is_hash}
_STATE = {
    "keys": lambda text: type(text) is str,
    "heard": lambda heard: type(heard) is dict and all(made_of(one, _HEARD) for one in heard.values()),
    "installed": is_version,
}


@dataclass(frozen=True)
class State:
    """Everything that is remembered.  ``heard`` is by ``channel/key``; ``installed`` the highest that proved itself."""

    keys: Keys
    installed: str
    heard: Mapping[str, Heard] = field(default_factory=dict)

    def floor(self, station: Station) -> int:
        """The latest moment that has certainly passed, by what those said who are trusted now."""
        return max(station.built, self.keys.issued, *(one.issued for one in self._heard_now()), 0)

    def fresh_until(self, station: Station) -> int:
        """Until when what was heard last is good."""
        return max(station.built, self.keys.issued, *(one.expires for one in self._heard_now()), 0)

    def hearing(self, channel: str, key: str, news: Heard) -> "State":
        """With what a key has said last."""
        return replace(self, heard={**self.heard, f"{channel}/{key}": news})

    def proved(self, version: str) -> "State":
        """With a version that has started and is kept: nothing below it is ever installed again."""
        return replace(self, installed=max(self.installed, version, key=number))

    def following(self, document: bytes) -> "State":
        """With the next keys.  Raises a Refusal."""
        return replace(self, keys=self.keys.next(document))

    def as_bytes(self) -> bytes:
        """What is stored."""
        heard = {name: asdict(one) for name, one in self.heard.items()}
        return exact({"keys": self.keys.document.decode("ascii"), "heard": heard, "installed": self.installed})

    def _heard_now(self) -> list[Heard]:
        """What those keys said that still have their say."""
        having = {f"{channel}/{key}" for channel, keys in self.keys.channels.items() for key in keys}
        return [one for name, one in self.heard.items() if name in having]


def begun(station: Station, keys: bytes, stored: bytes | None) -> State:
    """The state at a start: what was stored, with the running version and the image's keys where those are newer.

    None is a station that never stored any.  Raises MemoryDamaged when it is not what :meth:`State.as_bytes` gave.
    """
    image = of_image(keys)
    if stored is None:
        return State(image, station.version)
    try:
        said = json.loads(stored.decode("ascii"))
        if not made_of(said, _STATE):
            raise MemoryDamaged
        heard = {name: Heard(**one) for name, one in said["heard"].items()}
        kept = State(of_image(said["keys"].encode("ascii")), said["installed"], heard)
    except (ValueError, RecursionError, Refusal):
        raise MemoryDamaged from None
    newest = max(kept.keys, image, key=lambda keys: keys.version)
    return replace(kept, keys=newest).proved(station.version)

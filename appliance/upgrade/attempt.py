"""The record of the last attempt to upgrade: which version, how far it came, and in words why it ended as it did.

Root writes it, ``attempt.json`` in ``places().upgrade``; the station's user reads it to tell people.  There is one, and
it is the only note of what is to be started next: a power cut at any place leaves the one before or the one after.

    installing -> staged -> trying -> kept
         |          ^ |       |
      refused       | +---> came_back
                    +---------+  once, where a loader can lose what it was told
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.words import N_, Message

NAME = "attempt.json"


class Phase(StrEnum):
    """How far an attempt has come; the last three are ends."""

    INSTALLING = "installing"  # being written into the slot that does not run
    STAGED = "staged"  # written and proven; the next restart that is meant for it tries it
    TRYING = "trying"  # the loader was told to start it once, and nothing has been decided yet
    KEPT = "kept"
    CAME_BACK = "came_back"  # it was tried, and the version before runs again
    REFUSED = "refused"  # it never came to a start; the version before was never left


ENDED = frozenset({Phase.KEPT, Phase.CAME_BACK, Phase.REFUSED})


class RecordDamaged(ApplianceError):
    """The record is there and is not one."""

    code, template = "upgrade_record_damaged", N_("What this station noted of its last upgrade cannot be read.")
    hint = N_("Nothing else is affected. The next upgrade begins a new note.")


@dataclass(frozen=True)
class Attempt:
    """One attempt.  ``moments`` are by phase, seconds since 1970 as the station's clock showed them."""

    version: str
    previous: str  # the version that ran when it began
    slot: str = ""  # A or B, once something was written into it
    state: Phase = Phase.INSTALLING
    why: Message | None = None  # of those that came back or were refused; translated where it is shown
    tries: int = 0  # how often a loader was told to start it
    reached: bool = False  # its own root side has run: whatever came later, it did start
    copied: bool = False  # the database as it was before lies beside this record, whole
    moments: Mapping[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come of it."""
        return self.state in ENDED

    def at(self, state: Phase, *, now: int | None = None, **changes: Any) -> "Attempt":
        """It in another phase, from this moment on."""
        moment = int(time.time()) if now is None else now
        return replace(self, state=state, moments={**self.moments, state.value: moment}, **changes)

    def as_bytes(self) -> bytes:
        """What is stored; ``previous`` is called ``from`` there."""
        stored = asdict(self) | {"why": self.why.as_json() if self.why else None}
        stored["from"] = stored.pop("previous")
        return json.dumps(stored, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Attempt":
        """The inverse of :meth:`as_bytes`.  Raises RecordDamaged."""
        try:
            said = json.loads(stored)
            why = Message.from_json(said["why"]) if said["why"] else None
            moments = {Phase(name).value: int(moment) for name, moment in said["moments"].items()}
            return cls(
                version=str(said["version"]), previous=str(said["from"]), slot=str(said["slot"]),
                state=Phase(said["state"]), why=why, tries=int(said["tries"]), reached=bool(said["reached"]),
                copied=bool(said["copied"]), moments=moments,
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise RecordDamaged from None


def read(folder: Path) -> Attempt | None:
    """The last attempt, or None where there was none.  Raises RecordDamaged."""
    try:
        return Attempt.from_bytes((folder / NAME).read_bytes())
    except FileNotFoundError:
        return None


def write(folder: Path, attempt: Attempt) -> None:
    """Note it durably: when this returns, a power cut no longer takes it back."""
    folder.mkdir(mode=0o755, exist_ok=True)
    write_atomically(folder / NAME, attempt.as_bytes(), 0o644)

"""What every plug answers, whatever it speaks, and why it may not.  Standard library only."""

from dataclasses import dataclass, field
from typing import Any, Protocol

UNKNOWN = "?"  # how a key begins that is not known before the password is


class PlugError(Exception):
    """Why a plug could not be asked; ``code`` is one of ``asking.ERRORS``, ``detail`` is for the log."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code}: {detail}")


@dataclass(frozen=True)
class State:
    """One socket right now.  None is unknown."""

    key: str  # the device's own id, with the socket of a strip; "" where a protocol has none
    on: bool | None
    watts: float | None = None
    counter_wh: float | None = None
    meter: bool = False


@dataclass(frozen=True)
class Seen:
    """A socket that answered when everybody was called."""

    kind: str
    key: str
    name: str  # as it calls itself
    model: str
    host: str
    place: dict[str, Any] = field(default_factory=dict)
    locked: bool = False  # it wants a password before it says more
    meter: bool = False


class Plug(Protocol):
    """A socket that can be spoken to.  Everything raises PlugError."""

    def read(self) -> State:
        """How it is."""
        ...

    def switch(self, on: bool) -> None:
        """On or off."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def number(value: Any) -> float | None:
    """A number that a plug said, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None


def switched(value: Any) -> bool | None:
    """On or off in the words that plugs have for it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    word = str(value).strip().strip('"').lower()
    return True if word in ("on", "true", "1") else False if word in ("off", "false", "0") else None

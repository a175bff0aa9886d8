"""Root's verb for health: what the kernel complained of, in counted facts.  Standard library and its own kind only."""

from dataclasses import dataclass
from typing import Any

from appliance.broker.protocol import verb
from appliance.health import kernel


@dataclass(frozen=True)
class Since:
    """From which moment since boot on."""

    millisecond: int = 0

    def __post_init__(self) -> None:
        if self.millisecond < 0:
            raise ValueError("this is no moment since the start")


@verb("health.kernel")
def ask_kernel(request: Since) -> dict[str, Any]:
    """Undervoltage, USB trouble and errors of drives, counted."""
    return {"facts": kernel.read(request.millisecond / 1000)}

"""Root's side: the box's light, which only root may switch."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.broker.protocol import verb
from appliance.errors import ApplianceError

LIGHTS = Path(os.environ.get("EVERPX_LEDS", "/sys/class/leds"))
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_-]{0,40}")


class NoLight(ApplianceError):
    """This box has no light of that name."""

    code, status, template = "lamp_no_light", 404, "This box has no light called {name}."
    hint = "Choose another name for it under System, Plugins."


@dataclass(frozen=True)
class Light:
    """Which light, and whether it shines."""

    name: str
    on: bool

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError("that is no name of a light")


@verb("lamp.light")
def light(request: Light) -> dict[str, Any]:
    """Switch it."""
    brightness = LIGHTS / request.name / "brightness"
    if not brightness.exists():
        raise NoLight(name=request.name)
    full = (LIGHTS / request.name / "max_brightness").read_text().strip()
    brightness.write_text(full if request.on else "0")
    return {"on": request.on}

"""Whose root side is loaded of the plugins that are packages of their own, and why others are not.

What decides about it (``strangers``) is imported only where there is one: it would stay in root's process for nothing.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import packages
from appliance.broker.protocol import verb
from appliance.words import Message

LOADED: list[str] = []
LEFT_OUT: dict[str, Message] = {}  # plugin -> why


def load_all() -> None:
    """Take in the verbs of every package that nobody but root can have written."""
    for point in packages.installed():
        if not point.problem and any((folder / "privileged.py").exists() for folder in folders_of(point)):
            from appliance.broker import strangers

            why = strangers.load(point)
            if why is None:
                LOADED.append(point.name)
            else:
                LEFT_OUT[point.name] = why


def folders_of(point: packages.Point) -> list[Path]:
    """Where Python would import a package from; nothing of it is run."""
    try:
        spec = importlib.util.find_spec(point.package)
    except (ImportError, ValueError):
        return []
    return [Path(one) for one in (spec.submodule_search_locations or ())] if spec else []


@dataclass(frozen=True)
class Nothing:
    """No words are needed."""


@verb("plugins.elsewhere")
def elsewhere(request: Nothing) -> dict[str, Any]:
    """By the plugin's name."""
    return {"loaded": LOADED, "left_out": {name: why.as_json() for name, why in LEFT_OUT.items()}}

"""Root's side without root: the real protocol and the real verbs in this process, on folders that play drives."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.broker.client import Refusal
from appliance.broker.daemon import answer_for
from appliance.drives import privileged  # noqa: F401 - declares the verbs
from appliance.drives.records import FOLDER_MARK
from appliance.places import Places


class FolderRoot:
    """A broker whose drives are folders; every request goes through the checks that root makes."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.asked: list[str] = []
        places.folder_drives.mkdir(parents=True, exist_ok=True)

    def __call__(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask; raises what the socket's client raises."""
        self.asked.append(verb)
        answer = answer_for(json.dumps({"verb": verb, "request": dict(request)}).encode())
        if "error" in answer:
            raise Refusal(answer)
        ok: dict[str, Any] = answer["ok"]
        return ok

    def make(self, name: str) -> str:
        """A new, empty folder drive, plugged in; returns its device name."""
        folder = self.places.folder_drives / name
        folder.mkdir()
        (folder / FOLDER_MARK).write_text(f"{uuid.uuid4()}\n")
        return f"folder:{name}"

    def pull(self, name: str) -> Path:
        """Unplug: the folder is somewhere else."""
        return (self.places.folder_drives / name).rename(self.places.data / f"pulled-{name}")

    def plug(self, name: str) -> None:
        """Plug in again."""
        (self.places.data / f"pulled-{name}").rename(self.places.folder_drives / name)

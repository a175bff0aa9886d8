"""Root's verb for news of the drives: which files and folders changed, nothing of what is in them."""

import logging
from dataclasses import dataclass
from typing import Any

from appliance.broker.protocol import at_start, verb
from appliance.drives import attaching, records
from appliance.places import places
from appliance.watching.eyes import Eyes

log = logging.getLogger("everpx.watching")
_eyes: list[Eyes] = []


@dataclass(frozen=True)
class Ask:
    """Of which drive; the number of the last answer if all of it was looked at; its ``since``, if that is settled."""

    tag: str
    done: int = 0
    looked: int = 0

    def __post_init__(self) -> None:
        if not records.TAG.fullmatch(self.tag):
            raise ValueError("this is not a tag")


@at_start
def listen() -> None:
    """Begin to hear of drives: once, when the daemon starts.  What root is there for does not depend on it."""
    try:
        eyes = Eyes(attaching.mount_root(places().mounts), places().news)
    except OSError as error:
        log.error("nothing is heard of the drives; they are looked through at night: %s", error)
        return
    eyes.start()
    _eyes.append(eyes)


@verb("watching.news")
def news(request: Ask) -> dict[str, Any]:
    """The next part of what changed on a drive."""
    if not _eyes:
        return {"number": 0, "since": 0, "folders": [], "trees": []}
    return _eyes[0].hand_out(request.tag, request.done, request.looked)

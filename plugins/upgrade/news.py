"""Asking for news of versions, and what was said last: kept in the station's data folder, believed by root alone."""

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance import clock
from appliance.broker.client import Broker, Refusal
from appliance.db import now
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.places import Places
from appliance.words import Message
from plugins.upgrade import incoming
from plugins.upgrade.fetching import Elsewhere, NotFetched, NotThere
from plugins.upgrade.source import Source

MOST_LISTS = 50  # of keys, followed in one go
DAMAGED = "upgrade_memory_damaged"


@dataclass(frozen=True)
class Said:
    """A refusal, in words."""

    code: str
    message: Message
    hint: Message

    @classmethod
    def of(cls, told: dict[str, Any] | None) -> "Said | None":
        """From root's answer, or from where it was kept."""
        if not told:
            return None
        words = Message.from_json(told["words"])
        return cls(told["error"], words, Message(told.get("hint_words") or "", words.fields))


@dataclass(frozen=True)
class News:
    """How the last asking went.  ``version`` is what a channel announces, ``obstacle`` why it is nothing for us now."""

    at: datetime
    version: str = ""
    address: str = ""
    size: int = 0
    obstacle: Said | None = None
    refused: Said | None = None  # what came is not believed
    unreachable: Said | None = None  # nothing came
    frozen: Said | None = None

    @property
    def is_offer(self) -> bool:
        """Whether there is a version that this station can have."""
        return bool(self.version and self.address and self.obstacle is None)


def last(places: Places) -> News | None:
    """What is known; None where nobody was asked yet."""
    try:
        told = json.loads(_path(places).read_text())
        return News(
            datetime.fromtimestamp(told["at"], UTC), told["version"], told["address"], told["size"],
            *(Said.of(told[name]) for name in ("obstacle", "refused", "unreachable", "frozen")),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(places: Places) -> None:
    """Another source, or none."""
    _path(places).unlink(missing_ok=True)


def ask(broker: Broker, places: Places, source: Source, channel: str) -> News:
    """Fetch what there is, have root judge it, and keep what came of it.  Raises BrokerUnavailable."""
    told: dict[str, Any] = dict.fromkeys(("obstacle", "refused", "unreachable", "frozen"))
    told |= {"at": now().timestamp(), "version": "", "address": "", "size": 0}
    works = clock.is_set() is True  # a time server has answered since the start: there is a network
    try:
        try:
            number = int(broker("upgrade.silence", {"network_works": False})["keys"])
            _follow(broker, source, number)
            heard = broker("upgrade.hear", {"channel": channel, "document": _text(source.news(channel))})
            told |= {"version": heard["version"], "obstacle": heard["obstacle"], "at": now().timestamp()}
            if heard["offer"]:
                told |= {"address": heard["offer"]["url"], "size": heard["offer"]["size"]}
        finally:
            with contextlib.suppress(Refusal):
                told["frozen"] = broker("upgrade.silence", {"network_works": works})["frozen"]
    except NotFetched as error:
        told["unreachable"] = _kept(error)
        if isinstance(error, NotThere | Elsewhere):  # somebody answered
            told["frozen"] = broker("upgrade.silence", {"network_works": True})["frozen"]
    except Refusal as error:
        told["refused"] = _kept(error)
        if error.code != DAMAGED:
            told["frozen"] = broker("upgrade.silence", {"network_works": True})["frozen"]
    write_atomically(_path(places), json.dumps(told).encode())
    found = last(places)
    assert found is not None
    return found


def _follow(broker: Broker, source: Source, number: int) -> None:
    """One list of keys after the other, as far as there are any."""
    for following in range(number + 1, number + 1 + MOST_LISTS):
        document = source.keys(following)
        if document is None:
            return
        broker("upgrade.follow", {"document": _text(document)})


def _text(document: bytes) -> str:
    """As the broker carries it; what is not ASCII is no document, and root says so of nothing as well."""
    return document.decode("ascii") if document.isascii() else ""


def _kept(error: ApplianceError) -> dict[str, Any]:
    return {"error": error.code, "words": error.message.as_json(), "hint_words": error.hint}


def _path(places: Places) -> Any:
    return incoming.folder(places) / "news.json"

"""Root's decision about a bundle or about news: ``python -m plugins.upgrade.deciding``, one question on standard input.

A process of its own, because checking signatures of documents loads a library that would stay in the root daemon's
memory for good.  What is to be remembered is on the disk before the answer is given, so whoever acts on the answer acts
on something that no power cut takes back.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from appliance.broker.protocol import refusal
from appliance.clock import is_set
from appliance.durable import write_atomically
from appliance.errors import ApplianceError
from appliance.upgrade import trust
from appliance.upgrade.refusals import Refusal
from appliance.upgrade.state import Clock, State, Station, begun
from plugins.upgrade import place, rauc


def clock() -> Clock:
    """What the clock shows, and whether a time server has set it; where that is somebody else's business, it is."""
    return Clock(int(time.time()), synchronised=is_set() is not False)


class Memory:
    """What this station remembers of upgrades, on root's part of the disk."""

    def __init__(self) -> None:
        running = place.release()
        self.station = Station(running.model, running.version, running.built)
        self.path = place.home() / place.TRUST
        stored = self.path.read_bytes() if self.path.exists() else None
        self.state = begun(self.station, place.keys(), stored)

    def keep(self, state: State) -> None:
        """Durably, and before anything is done because of it."""
        if state != self.state or not self.path.exists():
            write_atomically(self.path, state.as_bytes(), 0o644)
        self.state = state


def examine(memory: Memory | None, asked: dict[str, Any]) -> dict[str, Any]:
    """What root's copy of a bundle is, and whether it may be installed; noted beside it.  Raises a Refusal."""
    found = rauc.inspect(place.bundle())
    size = place.bundle().stat().st_size
    bundle = trust.Bundle(found.model, found.version, found.manifest, size, found.signer)
    station, state = _hands(memory)
    channel = asked.get("channel") or ""
    if channel:
        if memory is None:
            memory = Memory()  # says what is wrong with it
        news = (place.home() / place.NEWS.format(channel=channel)).read_bytes()
        memory.keep(trust.admit(state, station, clock(), channel, news, bundle))
    else:
        trust.admit_from_hand(state, station, bundle)
        if memory is not None:
            memory.keep(state)
    facts = asdict(found) | {"size": size, "channel": channel}
    write_atomically(place.home() / place.EXAMINED, json.dumps(facts).encode(), 0o644)
    return facts


def _hands(memory: Memory | None) -> tuple[Station, State]:
    """What counts for a bundle that a person brought, also where the memory is damaged: only what the image says."""
    if memory is not None:
        return memory.station, memory.state
    running = place.release()
    station = Station(running.model, running.version, running.built)
    return station, begun(station, place.keys(), None)


def follow(memory: Memory, asked: dict[str, Any]) -> dict[str, Any]:
    """The next list of keys.  Raises a Refusal."""
    memory.keep(memory.state.following(str(asked["document"]).encode()))
    return {"keys": memory.state.keys.version}


def hear(memory: Memory, asked: dict[str, Any]) -> dict[str, Any]:
    """News of a channel: what it announces, and why not for us, or None.  Raises a Refusal."""
    channel, document = str(asked["channel"]), str(asked["document"]).encode()
    said, following = trust.hear(memory.state, memory.station, clock(), channel, document)
    memory.keep(following)
    if said.fresh:
        write_atomically(place.home() / place.NEWS.format(channel=channel), document, 0o644)
    why_not = trust.obstacle(memory.state, memory.station, said)
    offer = said.offers.get(memory.station.model)
    return {
        "version": said.version, "issued": said.issued, "expires": said.expires, "fresh": said.fresh,
        "offer": asdict(offer) if offer else None, "obstacle": refusal(why_not) if why_not else None,
    }  # fmt: skip


def silence(memory: Memory, asked: dict[str, Any]) -> dict[str, Any]:
    """Whether nothing fresh has been heard for far too long."""
    frozen = trust.silence(memory.state, memory.station, clock(), network_works=bool(asked["network_works"]))
    return {"frozen": refusal(frozen) if frozen else None, "keys": memory.state.keys.version}


ANSWERS: dict[str, Callable[[Memory, dict[str, Any]], dict[str, Any]]] = {
    "follow": follow,
    "hear": hear,
    "silence": silence,
}


def decide(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer one question.  Raises a Refusal, or what rauc says."""
    if asked["ask"] == "examine":
        memory = None
        with suppress(Refusal):  # a damaged memory stops everything but a bundle from a person's hand
            memory = Memory()
        return examine(memory, asked)
    return ANSWERS[asked["ask"]](Memory(), asked)


def main() -> None:
    """One question, one answer."""
    asked = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"ok": decide(asked)}
    except ApplianceError as error:
        answer = refusal(error)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

"""One question to a plug, in a short process of its own: ``python -m plugins.smart_plugs.protocols.asked``.

JSON in on stdin (so that no password stands in a list of processes), JSON out on stdout.  What a plug may do to its
reader ends here: a plug that answers slowly, half or endlessly costs this process, which is killed when its time is up.

``read``      how it is
``on, off``   switch it, but only if it is the one that is meant (its key); read it again, and believe only that
``discover``  everything that answers in the home's networks
``look``      what answers at one address
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from plugins.smart_plugs.protocols import reach, shelly, tasmota
from plugins.smart_plugs.protocols.answers import UNKNOWN, Plug, PlugError, Seen, State

AGAIN_S = 1.0
OBEYS_S = 5.0
SWEEP_WAIT_S = 1.5
SWEEPERS = 128


def opened(plug: dict[str, Any]) -> Plug:
    """By its kind.  Raises PlugError."""
    match plug["kind"]:
        case "kasa":
            from plugins.smart_plugs.protocols.kasa_plugs import KasaPlug

            return KasaPlug(plug)
        case "shelly":
            return shelly.Shelly(plug)
        case "tasmota":
            return tasmota.Tasmota(plug)
        case "mqtt":
            from plugins.smart_plugs.protocols.mqtt import Mqtt

            return Mqtt(plug)
        case "webhook":
            from plugins.smart_plugs.protocols.webhook import Webhook

            return Webhook(plug)
    raise PlugError("unsupported", plug["kind"])


def read(plug: dict[str, Any]) -> dict[str, Any]:
    """How it is."""
    door = opened(plug)
    try:
        return asdict(_meant(door.read(), plug["key"]))
    finally:
        door.close()


def _meant(state: State, key: str) -> State:
    """Raises PlugError when another plug answers at this address: addresses are given anew by routers."""
    if key and state.key and state.key != key and not key.startswith(UNKNOWN):
        raise PlugError("not_that_plug", state.key)
    return state


def switch(plug: dict[str, Any], on: bool, off_watts: float, settles_s: float) -> dict[str, Any]:
    """The state afterwards, ``was_on`` and ``proven``.  Raises PlugError ``disobeys`` when it does not do it."""
    door = opened(plug)
    try:
        before = _meant(door.read(), plug["key"])
        if before.on is not on:
            door.switch(on)
        after = _obeyed(door, on)
        proven = None
        if not on and after.watts is not None:
            after = _meter_says_off(door, after, off_watts, settles_s)
            proven = after.watts is not None and after.watts <= off_watts
        return asdict(after) | {"was_on": before.on, "proven": proven}
    finally:
        door.close()


def _obeyed(door: Plug, on: bool) -> State:
    end = time.monotonic() + OBEYS_S
    while True:
        after = door.read()
        if after.on is None or after.on is on:
            return after
        if time.monotonic() > end:
            raise PlugError("disobeys")
        time.sleep(AGAIN_S)


def _meter_says_off(door: Plug, after: State, off_watts: float, settles_s: float) -> State:
    """A meter needs some seconds to hear of it.  Raises PlugError when it switches on again meanwhile."""
    end = time.monotonic() + settles_s
    while after.watts is not None and after.watts > off_watts and time.monotonic() < end:
        time.sleep(AGAIN_S)
        after = door.read()
        if after.on:
            raise PlugError("disobeys")
    return after


def discover(user: str, password: str, seconds: int) -> dict[str, Any]:
    """TP-Link by calling out; Shelly and Tasmota by asking each address of the home's networks."""
    import psutil  # noqa: F401 - before the threads: importing is not for several at once

    with ThreadPoolExecutor(SWEEPERS) as pool:
        found = pool.map(_who, _addresses())
        seen = [one for some in found for one in some]
    from plugins.smart_plugs.protocols import kasa_plugs

    try:
        seen += kasa_plugs.discover(user, password, seconds)
    except PlugError as error:
        print(f"kasa: {error}", file=sys.stderr)
    return {"seen": [asdict(one) for one in seen]}


def _addresses() -> list[tuple[str, int]]:
    everywhere = [(str(host), 80) for net in reach.networks() for host in net.hosts()]
    listed = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in reach.test_plugs())]
    return listed + everywhere


def _who(where: tuple[str, int]) -> list[Seen]:
    return who(*where, SWEEP_WAIT_S)


def who(host: str, port: int, wait: float) -> list[Seen]:
    """A Shelly, a Tasmota, or nothing that is known."""
    for look in (shelly.look, tasmota.look):
        try:
            return look(host, port, wait)
        except PlugError as error:
            if error.code in ("no_answer", "not_allowed"):
                return []
    return []


def look(kind: str, plug: dict[str, Any]) -> dict[str, Any]:
    """One device by its address: a Shelly or Tasmota names itself; TP-Link is connected to.  Raises PlugError."""
    port = int(plug["place"].get("port", 80))
    if kind == "shelly":
        seen = shelly.look(plug["host"], port, OBEYS_S)
    elif kind == "tasmota":
        seen = tasmota.look(plug["host"], port, OBEYS_S)
    else:
        from plugins.smart_plugs.protocols import kasa_plugs

        seen = kasa_plugs.at(plug)
    return {"seen": [asdict(one) for one in seen]}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked for.  Raises PlugError."""
    match asked["do"]:
        case "read":
            return read(asked["plug"])
        case "on" | "off":
            return switch(asked["plug"], asked["do"] == "on", asked["off_watts"], asked["settles_s"])
        case "discover":
            return discover(asked["user"], asked["password"], asked["seconds"])
        case "look":
            return look(asked["plug"]["kind"], asked["plug"])
    raise PlugError("unsupported", asked["do"])


def main() -> None:
    """Answer one question."""
    try:
        told: dict[str, Any] = {"ok": answer(json.load(sys.stdin))}
    except PlugError as error:
        told = {"error": error.code, "detail": error.detail}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()

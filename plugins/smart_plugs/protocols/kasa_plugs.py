"""TP-Link Kasa and Tapo through python-kasa: the old protocol (XOR, port 9999) and the new ones (KLAP, AES, port 80).

python-kasa is asyncio and 41 MiB: it is imported in a short process only, and every call goes through one event loop
that lives as long as a :class:`KasaPlug`.  What goes wrong in it is told by its exceptions' classes, not by its words.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from plugins.smart_plugs.protocols import reach
from plugins.smart_plugs.protocols.answers import PlugError, Seen, State, number

T = TypeVar("T")
WAIT_S = 6
CONNECT_S = 20
#: What a device that talks garbage makes of the library, which believes it.
BROKEN = (ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)


def run(work: Coroutine[Any, Any, T], seconds: float, runner: asyncio.Runner) -> T:
    """The one place where asyncio runs.  Raises PlugError."""
    from kasa import exceptions

    async def bounded() -> T:
        return await asyncio.wait_for(work, seconds)

    try:
        return runner.run(bounded())
    except exceptions.AuthenticationError as error:
        raise PlugError("wrong_password", str(error)) from None
    except exceptions.UnsupportedDeviceError as error:
        raise PlugError("unsupported", str(error)) from None
    except (TimeoutError, exceptions.TimeoutError, exceptions._ConnectionError, OSError) as error:
        raise PlugError("no_answer", f"{type(error).__name__}: {error}") from None
    except (exceptions.KasaException, *BROKEN) as error:
        code = "no_answer" if _by_the_network(error) else "garbage"
        raise PlugError(code, f"{type(error).__name__}: {error}"[:300]) from None


def _by_the_network(error: BaseException | None) -> bool:
    """Whether a refused or broken connection is behind it: the library often says only that it failed."""
    for _ in range(5):
        if isinstance(error, OSError | TimeoutError) and not isinstance(error, ConnectionResetError):
            return True
        error = None if error is None else error.__cause__ or error.__context__
    return False


class KasaPlug:
    """One socket; of a strip, the one whose id is ``place["child"]``."""

    def __init__(self, plug: dict[str, Any]) -> None:
        self.child = plug["place"].get("child", "")
        self.host = reach.address_of(plug["host"], int(plug["place"].get("port", 0)) or 80)
        self.runner = asyncio.Runner()
        try:
            self.device = run(_connect(plug, self.host), CONNECT_S, self.runner)
        except PlugError:
            self.runner.close()
            raise
        self.fresh = True

    def read(self) -> State:
        """How it is."""
        if not self.fresh:
            run(self.device.update(), CONNECT_S, self.runner)
        self.fresh = False
        return _state(self.device, self._socket(), self.child)

    def _socket(self) -> Any:
        if not self.child:
            return self.device
        for child in self.device.children:
            if child.device_id == self.child:
                return child
        raise PlugError("not_that_plug", "no such socket")

    def switch(self, on: bool) -> None:
        """On or off."""
        socket = self._socket()
        run(socket.turn_on() if on else socket.turn_off(), CONNECT_S, self.runner)

    def close(self) -> None:
        """Hang up."""
        with suppress(PlugError):
            run(self.device.disconnect(), WAIT_S, self.runner)
        self.runner.close()


async def _connect(plug: dict[str, Any], host: str) -> Any:
    """By what discovery learned of it; else ask it what it speaks."""
    from kasa import Credentials, Device, DeviceConfig, Discover

    login = Credentials(plug["user"], plug["password"]) if plug["user"] else None
    learned = plug["place"].get("config")
    if learned:
        config = DeviceConfig.from_dict(learned | {"host": host})
        config.credentials, config.timeout = login, WAIT_S
        return await Device.connect(config=config)
    device = await Discover.discover_single(host, credentials=login, discovery_timeout=WAIT_S, timeout=WAIT_S)
    if device is None:
        raise PlugError("unsupported", host)
    await device.update()
    return device


def _state(device: Any, socket: Any, child: str) -> State:
    from kasa import KasaException, Module

    meter = socket.modules.get(Module.Energy)
    watts = counter = None
    if meter is not None:
        with suppress(KasaException, *BROKEN):  # a meter that cannot say it is a plug without one for now
            watts = number(meter.current_consumption)
        with suppress(KasaException, *BROKEN):
            counter = number(meter.consumption_total)
        if counter is None:
            with suppress(KasaException, *BROKEN):
                counter = number(meter.consumption_this_month)
    kwh = None if counter is None else counter * 1000
    return State(_key(device, child), socket.is_on, watts, kwh, meter=meter is not None)


def _key(device: Any, child: str) -> str:
    """The MAC address: the old protocol and the new one agree on it, also after an update of the firmware."""
    mac = str(device.mac or "").replace(":", "").replace("-", "").upper()
    if len(mac) != 12:
        raise PlugError("garbage", f"mac {device.mac!r}")
    return f"{mac}:{child}" if child else mac


def discover(user: str, password: str, seconds: int) -> list[Seen]:
    """Everything of TP-Link in the home's networks that is a plug or a strip."""
    with asyncio.Runner() as runner:
        return run(_discover(user, password, seconds), seconds * 3 + 30, runner)


async def _discover(user: str, password: str, seconds: int) -> list[Seen]:
    from kasa import Credentials, Discover, KasaException

    login = Credentials(user, password) if user else None
    targets = {str(net.broadcast_address) for net in reach.networks()}
    seen: dict[str, Seen] = {}

    async def call(target: str) -> None:
        with suppress(OSError, KasaException):  # no way into that network
            found = await Discover.discover(target=target, credentials=login, discovery_timeout=seconds, timeout=WAIT_S)
            for one in await asyncio.gather(*(_look(host, device) for host, device in found.items())):
                seen.update({socket.key: socket for socket in one})

    await asyncio.gather(*map(call, sorted(targets)))
    return list(seen.values())


def at(plug: dict[str, Any]) -> list[Seen]:
    """What answers at one address.  Raises PlugError."""
    host = reach.address_of(plug["host"], 80)
    with asyncio.Runner() as runner:
        return run(_at(plug, host), CONNECT_S + WAIT_S, runner)


async def _at(plug: dict[str, Any], host: str) -> list[Seen]:
    from kasa import Credentials, Discover

    login = Credentials(plug["user"], plug["password"]) if plug["user"] else None
    device = await Discover.discover_single(host, credentials=login, discovery_timeout=WAIT_S, timeout=WAIT_S)
    return [] if device is None else await _look(host, device)


async def _look(host: str, device: Any) -> list[Seen]:
    """One device's sockets; one that wants a password is named all the same."""
    from kasa import DeviceType, KasaException, Module

    locked = False
    try:
        await asyncio.wait_for(device.update(), CONNECT_S)
    except (KasaException, TimeoutError, OSError):
        locked = True
    except BROKEN:
        return []
    finally:
        with suppress(KasaException, OSError):
            await device.disconnect()
    place = {"config": device.config.to_dict_control_credentials(exclude_credentials=True)}
    try:
        model, key = str(device.model or "TP-Link"), _key(device, "")
        if locked:
            return [Seen("kasa", key, str(_name(device) or model), model, host, place, locked=True)]
        if device.device_type not in (DeviceType.Plug, DeviceType.Strip, DeviceType.WallSwitch):
            return []
        return [
            Seen(
                "kasa",
                f"{key}:{socket.device_id}" if device.children else key,
                str(_name(socket) or model),
                model,
                host,
                place | ({"child": socket.device_id} if device.children else {}),
                meter=Module.Energy in socket.modules,
            )
            for socket in (device.children or [device])
        ]
    except (PlugError, KasaException, *BROKEN):  # it answered, but not in a way that makes sense
        return []


def _name(device: Any) -> str | None:
    from kasa import KasaException

    with suppress(KasaException, *BROKEN):  # before its first full answer a device does not know its name
        return None if device.alias is None else str(device.alias)
    return None

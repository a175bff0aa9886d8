"""A station whose COLD drives hang on emulated plugs: what a relay does happens to a real (loop) drive."""

import os
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select

from appliance import plugin
from appliance.drives import power
from appliance.drives.models import Drive, DriveRole, PowerMove
from appliance.health.models import Issue
from appliance.jobs import service as jobs
from appliance.jobs.models import Job, JobState
from appliance.words import Message
from plugins.smart_plugs import driver, service
from plugins.smart_plugs.models import SmartPlug, Switching
from tests.component.drive_station import Station
from tests.component.plugs.klap_plug import KlapKasa, KlapPlug
from tests.component.plugs.lan import Lan
from tests.component.plugs.mqtt_plug import TOPIC, Broker, MqttPlug
from tests.component.plugs.relay import Relay
from tests.component.plugs.web_plugs import HookPlug, ShellyPlug, TasmotaPlug
from tests.component.plugs.xor_plug import XorPlug

T = TypeVar("T")
USER, PASSWORD = "family@example.org", "Tapo & secret 密"
FORMS: dict[str, Callable[[str], dict[str, str]]] = {
    "webhook": lambda address: {
        "kind": "webhook",
        "name": "Hook",
        "on_url": f"http://{address}:8123/on?key=k",
        "off_url": f"http://{address}:8123/off?key=k",
        "state_url": f"http://{address}:8123/state",
    },
    "mqtt": lambda address: {
        "kind": "mqtt",
        "name": "Zigbee",
        "host": address,
        "user": "everpx",
        "password": PASSWORD,
        "topic": f"{TOPIC}/set",
        "state_topic": TOPIC,
        "ask_topic": f"{TOPIC}/get",
    },
}


class Home:
    """The station, its network, and a HOT drive with some files."""

    def __init__(self, station: Station, lan: Lan) -> None:
        self.station, self.lan, self.db = station, lan, station.db
        self.number, self.uses = 10, 0
        self.emulators: list[Any] = []
        plugin.load(station.db)

    def address(self) -> str:
        """A free one."""
        self.number += 1
        return self.lan.address(self.number)

    def emulate(self, make: Callable[..., T], *arguments: Any) -> T:
        """An emulated plug, in the home's network."""
        made = self.lan.inside(lambda: make(*arguments))
        self.emulators.append(made)
        return made

    def relay(self, *drives: str, **more: Any) -> Relay:
        """A relay that the named drives hang on; they are pulled now, as it is off."""
        for name in drives:
            if name in self.station.loops.devices and not more.get("on"):
                self.station.loops.pull(name)
        self.station.look()

        def plug() -> None:
            for name in drives:
                if name not in self.station.loops.devices:
                    self.station.loops.plug(name)
            self.station.look()

        def pull() -> None:
            for name in drives:
                if name in self.station.loops.devices:
                    self.station.loops.pull(name)
            self.station.look()

        return Relay(plug=plug, pull=pull, **more)

    def cold(self, name: str = "cold", filesystem: str = "ext4", **more: Any) -> Drive:
        """A COLD drive, handed over."""
        return self.station.adopt(self.station.make(name, filesystem), DriveRole.COLD, name=name.title(), **more)

    def search(self, **account: str) -> list[service.Found]:
        """What is found."""
        with self.db.writing() as session:
            if account:
                service.keep_account(session, self.station.places, account["user"], account["password"])
            job = service.start_discovery(session)
        ended = self.station.run(job)
        assert ended.state is JobState.DONE, ended.error
        with self.db.reading() as session:
            return service.last_search(session)[1]

    def add(self, key: str, *drives: Drive) -> SmartPlug:
        """Take in what was found under a key that begins so, with drives on it."""
        with self.db.writing() as session:
            job, found = service.last_search(session)
            assert job is not None
            (chosen,) = [one for one in found if one.seen["key"].startswith(key)]
            plug = service.add_found(session, job.id, chosen.place)
            service.assign(session, plug.id, {drive.id for drive in drives})
        self._run_looks()
        return plug

    def _run_looks(self) -> None:
        """What the worker does at once."""
        with self.db.reading() as session:
            waiting = [job for job in jobs.active(session) if job.kind == service.LOOK]
        for job in waiting:
            self.station.run(job)

    def one_of(self, kind: str, relay: Relay, *drives: Drive) -> SmartPlug:
        """One plug of a kind, added as a person would, with drives on it."""
        address, before = self.address(), len(self.emulators)
        match kind:
            case "xor":
                self.emulate(XorPlug, relay, address)
            case "tapo":
                self.emulate(KlapPlug, relay, address, USER, PASSWORD)
            case "klap kasa":
                self.emulate(KlapKasa, relay, address, USER, PASSWORD)
            case "shelly":
                self.emulate(ShellyPlug, relay, address, 80, PASSWORD)
            case "tasmota":
                self.emulate(TasmotaPlug, relay, address, 80, PASSWORD)
            case "webhook":
                self.emulate(HookPlug, relay, address, 8123, "k")
            case "mqtt":
                self._mosquitto(relay, address)
        plug = self._add(kind, address)
        assert len(self.emulators) > before
        with self.db.writing() as session:
            service.assign(session, plug.id, {drive.id for drive in drives})
        return plug

    def _add(self, kind: str, address: str) -> SmartPlug:
        places = self.station.places
        if kind in ("mqtt", "webhook"):
            with self.db.writing() as session:
                return service.add_by_hand(session, places, FORMS[kind](address))
        if kind in ("xor", "tapo", "klap kasa"):
            found = self.search(user=USER, password=PASSWORD)
            return self.add(next(one.seen["key"] for one in found if one.seen["host"] == address))
        with self.db.writing() as session:
            job = service.start_look_at(session, {"kind": kind, "host": address})
        assert self.station.run(job).state is JobState.DONE
        plug = self.add("")
        with self.db.writing() as session:
            service.change(session, places, plug.id, {"name": plug.name, "password": PASSWORD})
            (job,) = [one for one in jobs.active(session) if one.kind == service.LOOK]
        assert self.station.run(job).result == {"asked": 1, "silent": 0}
        return self.plug(plug.id)

    def _mosquitto(self, relay: Relay, address: str) -> None:
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        assert program
        folder = self.station.places.data / "mosquitto"
        self.emulators.append(Broker(self.lan, program, folder, address, "everpx", PASSWORD))
        self.emulators.insert(0, MqttPlug(self.lan, relay, address, "everpx", PASSWORD))

    def plug(self, plug_id: int) -> SmartPlug:
        """Its row."""
        with self.db.reading() as session:
            return session.get_one(SmartPlug, plug_id)

    def switchings(self) -> list[Switching]:
        """Oldest first."""
        with self.db.reading() as session:
            return list(session.scalars(select(Switching).order_by(Switching.id)))

    def moves(self, drive: Drive) -> list[str]:
        """The drive's journal, oldest first."""
        with self.db.reading() as session:
            wanted = select(PowerMove.state).where(PowerMove.drive_id == drive.id).order_by(PowerMove.id)
            return [state.value for state in session.scalars(wanted)]

    def issues(self) -> dict[str, str]:
        """Open ones: code -> sentence."""
        with self.db.reading() as session:
            return {issue.code: str(issue.message) for issue in session.scalars(select(Issue))}

    def progress(self, lock: str) -> Any:
        """A job in progress, for what needs one."""
        with self.db.writing() as session:
            job = jobs.start(session, "trial", title=Message("A trial"), lock=lock)
        return self.station.progress(job.id)

    def use(self, drive: Drive, lock: str = "", **more: Any) -> Any:
        """The drive, for as long as a block runs."""
        self.uses += 1
        return power.cold_drive(self.progress(lock or f"trial:{self.uses}"), drive.id, **more)

    def test(self, plug: SmartPlug) -> Job:
        """Try it, as by the button."""
        with self.db.writing() as session:
            job = service.start_test(session, plug.id)
        return self.station.run(job)

    def state(self, drive: Drive) -> str:
        """How its row says that it is."""
        return self.station.drive(drive.id).power_state.value

    def usual(self, drive: Drive) -> float | None:
        """How long it takes to come, as learned."""
        with self.db.reading() as session:
            return driver.usual_arrival(session, drive.id)

    def close(self) -> None:
        """Every plug out of its socket."""
        for one in self.emulators:
            one.stop()

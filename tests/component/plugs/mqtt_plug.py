"""A plug behind a real MQTT broker (mosquitto), as Zigbee2MQTT shows one: ``…/set`` orders, ``…`` tells as JSON."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from tests.component.plugs.lan import Lan
from tests.component.plugs.relay import Relay

TOPIC = "zigbee2mqtt/cellar plug"


class Broker:
    """mosquitto with one user, on the plugs' side of the network."""

    def __init__(self, lan: Lan, program: str, folder: Path, address: str, user: str, password: str) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        words = folder / "passwords"
        words.write_text(f"{user}:{password}\n")
        subprocess.run(["mosquitto_passwd", "-U", str(words)], check=True, timeout=20)
        words.chmod(0o644)
        config = folder / "mosquitto.conf"
        config.write_text(f"listener 1883 {address}\nallow_anonymous false\npassword_file {words}\npersistence false\n")
        self.process = lan.inside(lambda: subprocess.Popen(
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))  # fmt: skip

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class MqttPlug:
    """The plug's own client; ``silent`` obeys and tells nothing."""

    def __init__(self, lan: Lan, relay: Relay, address: str, user: str, password: str) -> None:
        self.relay, self.silent = relay, False
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(user, password)
        self.client.on_connect = self._connected
        self.client.on_message = self._ordered
        lan.inside(lambda: self._start(address))

    def _start(self, address: str) -> None:
        for _ in range(100):
            try:
                self.client.connect(address, 1883)
                break
            except OSError:
                time.sleep(0.1)
        self.client.loop_start()

    def _connected(self, client: Any, *_: Any) -> None:
        client.subscribe([(f"{TOPIC}/set", 1), (f"{TOPIC}/get", 1)])
        self.tell()

    def _ordered(self, _client: Any, _data: Any, message: Any) -> None:
        if message.topic.endswith("/set"):
            text = message.payload.decode()
            word = json.loads(text)["state"] if text.startswith("{") else text
            self.relay.order(word == "ON")
        self.tell()

    def tell(self) -> None:
        """How it is, kept by the broker for whoever comes."""
        if not self.silent:
            said = {
                "state": "ON" if self.relay.says_on else "OFF",
                "power": self.relay.watts,
                "energy": self.relay.wh / 1000,
            }
            self.client.publish(TOPIC, json.dumps(said), qos=1, retain=True)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

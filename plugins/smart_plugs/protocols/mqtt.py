"""Plugs behind an MQTT broker (Zigbee2MQTT, Tasmota, Home Assistant, …): one topic to order, one that tells.

paho-mqtt speaks the protocol.  The broker may run on this very machine; it is the one thing that may.
"""

import threading
import time
from typing import Any

from plugins.smart_plugs.protocols import reach
from plugins.smart_plugs.protocols.answers import PlugError, State
from plugins.smart_plugs.protocols.webhook import from_text

WAIT_S = 5.0
REFUSED = (4, 5, 134, 135)  # bad user name or password, not authorised


class Mqtt:
    """One plug; connected for as long as this lives."""

    def __init__(self, plug: dict[str, Any]) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.place = plug["place"]
        port = int(self.place.get("port", 1883))
        address = reach.address_of(plug["host"], port, ours=True)
        self.told = threading.Event()  # something new on the state's topic
        self.connected = threading.Event()
        self.refused = 0  # the broker's reason
        self.last: bytes | None = None
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect, self.client.on_message = self._connected, self._message
        if plug["user"]:
            self.client.username_pw_set(plug["user"], plug["password"])
        if port == 8883:
            self.client.tls_set()
        try:
            self.client.connect(plug["host"] if port == 8883 else address, port, keepalive=30)  # TLS proves the name
        except (OSError, ValueError) as error:
            raise PlugError("no_answer", f"{type(error).__name__}: {error}") from None
        self.client.loop_start()
        if not self.connected.wait(WAIT_S):
            self.close()
            raise PlugError("no_answer", "no CONNACK")
        if self.refused:
            self.close()
            raise PlugError("wrong_password" if self.refused in REFUSED else "garbage", f"CONNACK {self.refused}")

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.refused = int(reason.value)
        elif self.place.get("state_topic"):
            client.subscribe(self.place["state_topic"], qos=1)
        self.connected.set()

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        if len(message.payload) <= 65536:
            self.last = bytes(message.payload)
            self.told.set()

    def read(self) -> State:
        """What it told last; asked for it where there is a topic to ask on."""
        if not self.place.get("state_topic"):
            return State("", None)
        if self.place.get("ask_topic"):
            self.told.clear()
            self._publish(self.place["ask_topic"], self.place.get("ask_text", ""))
        if not self.told.wait(WAIT_S) or self.last is None:
            raise PlugError("no_answer", "nothing on its topic")
        return from_text(self.last)

    def switch(self, on: bool) -> None:
        """Order it, and wait until it tells that it is so; the caller reads and judges."""
        wanted = self.place.get("on_text", "ON") if on else self.place.get("off_text", "OFF")
        self.told.clear()
        self._publish(self.place["topic"], wanted)
        end = time.monotonic() + WAIT_S
        while self.place.get("state_topic") and time.monotonic() < end:
            if self.told.wait(end - time.monotonic()) and self.last is not None and from_text(self.last).on is on:
                return
            self.told.clear()
        self.told.set()

    def _publish(self, topic: str, text: str) -> None:
        sent = self.client.publish(topic, text, qos=1)
        try:
            sent.wait_for_publish(WAIT_S)
        except (RuntimeError, ValueError) as error:
            raise PlugError("no_answer", str(error)) from None
        if not sent.is_published():
            raise PlugError("no_answer", "the broker did not take the order")

    def close(self) -> None:
        """Hang up."""
        self.client.disconnect()
        self.client.loop_stop()

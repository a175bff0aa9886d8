"""How services ask root for something: ``broker("drives.mount", {"device": "sdb1", ...})``."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from appliance.errors import BrokerUnavailable, RefusedByRoot
from appliance.words import Message

CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 900  # formatting a large drive; every verb bounds its own programs below this


class Broker(Protocol):
    """Anything that carries a verb to root; tests put the real protocol behind it without the last step."""

    def __call__(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and return root's answer.  Raises RefusedByRoot or BrokerUnavailable."""
        ...


class SocketBroker:
    """The real one: one connection a call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and return root's answer.  Raises RefusedByRoot or BrokerUnavailable."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(CONNECT_TIMEOUT_S)
                connection.connect(str(self.path))
                connection.settimeout(ANSWER_TIMEOUT_S)
                with suppress(BrokenPipeError):  # who is refused at once is told so all the same
                    connection.sendall(json.dumps({"verb": verb, "request": dict(request)}).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    line = stream.readline()
        except OSError:
            raise BrokerUnavailable() from None
        if not line:
            raise BrokerUnavailable()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refusal(answer)
        ok: dict[str, Any] = answer["ok"]
        return ok


class Refusal(RefusedByRoot):
    """Root's own error, carried over with its code, sentence and hint; translatable where root gave the words apart."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(why=answer["message"])
        self.code = answer["error"]  # type: ignore[misc]
        self.hint = answer.get("hint_words", answer.get("hint", ""))  # type: ignore[misc]
        if "words" in answer:
            words = Message.from_json(answer["words"])
            self.template, self.fields = words.template, dict(words.fields)  # type: ignore[misc]

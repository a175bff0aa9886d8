"""A KMTronic relay behind a serial bridge: three bytes FF, channel, and 0 off, 1 on, 3 for "how are you"."""

import socket

from appliance.errors import ApplianceError

TIMEOUT_S = 3.0
CHANNEL = 1
OFF, ON, ASK = 0, 1, 3


class RelaySilent(ApplianceError):
    """It does not answer, or not as it should."""

    code, status, template = "lamp_relay_silent", 502, "The relay at {address} does not answer."
    hint = "Check its power and its network cable."


def switch(address: str, on: bool) -> None:
    """Switch it, and ask whether it did.  Raises RelaySilent."""
    if _talk(address, (ON if on else OFF, ASK)) is not on:
        raise RelaySilent(address=address)


def is_on(address: str) -> bool:
    """Raises RelaySilent."""
    return _talk(address, (ASK,))


def _talk(address: str, words: tuple[int, ...]) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_S) as line:
            for word in words:
                line.sendall(bytes((0xFF, CHANNEL, word)))
            answer = b""
            while len(answer) < 3 and (more := line.recv(3 - len(answer))):
                answer += more
    except (OSError, ValueError):
        raise RelaySilent(address=address) from None
    if len(answer) < 3 or answer[:2] != bytes((0xFF, CHANNEL)):
        raise RelaySilent(address=address)
    return answer[2] == ON

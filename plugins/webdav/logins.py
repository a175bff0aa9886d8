"""Nextcloud's login flow, version 2: an app opens a page in the browser, and somebody there lets it in.

Kept in memory: a flow lives for twenty minutes, and an app whose station restarted meanwhile simply begins anew.
"""

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field

GOOD_FOR_S, MOST = 20 * 60.0, 200


@dataclass
class Flow:
    """One app that waits."""

    key: str  # in the address that the browser opens
    poll_hash: str
    app: str
    address: str
    began: float = field(default_factory=time.monotonic)
    granted: tuple[str, str] | None = field(default=None, repr=False)  # the person's name, the new password


class Logins:
    """The flows of one station."""

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}
        self._turn = threading.Lock()

    def begin(self, app: str, address: str) -> tuple[Flow, str]:
        """A new flow, and the secret by which the app asks how it went."""
        secret = secrets.token_urlsafe(48)
        flow = Flow(secrets.token_urlsafe(32), _hash(secret), app, address)
        with self._turn:
            self._tidy()
            self._flows[flow.key] = flow
        return flow, secret

    def find(self, key: str) -> Flow | None:
        """A flow that still waits for its person."""
        with self._turn:
            self._tidy()
            flow = self._flows.get(key)
            return flow if flow is not None and flow.granted is None else None

    def grant(self, key: str, name: str, password: str) -> bool:
        """Let the app in; False when it no longer waits."""
        with self._turn:
            self._tidy()
            flow = self._flows.get(key)
            if flow is None or flow.granted is not None:
                return False
            flow.granted = (name, password)
            return True

    def refuse(self, key: str) -> None:
        """Do not let the app in."""
        with self._turn:
            self._flows.pop(key, None)

    def poll(self, secret: str) -> tuple[str, str] | None:
        """Name and password, once."""
        wanted = _hash(secret)
        with self._turn:
            self._tidy()
            for flow in self._flows.values():
                if hmac.compare_digest(flow.poll_hash, wanted) and flow.granted is not None:
                    del self._flows[flow.key]
                    return flow.granted
        return None

    def _tidy(self) -> None:
        moment = time.monotonic()
        for key in [key for key, flow in self._flows.items() if moment - flow.began > GOOD_FOR_S]:
            del self._flows[key]
        while len(self._flows) >= MOST:
            del self._flows[next(iter(self._flows))]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

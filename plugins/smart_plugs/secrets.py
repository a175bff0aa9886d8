"""Passwords of plugs and the private addresses of webhooks, encrypted in the database.

The key is made from the station's own (``identity.secret_key``), which no drive ever sees: a copy of the database tells
nobody anything, and on another card everything is asked for again.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from appliance import identity
from appliance.places import Places

PURPOSE = b"smart plugs"


def sealed(places: Places, private: dict[str, Any]) -> bytes | None:
    """For the database; None when there is nothing to keep."""
    from cryptography.fernet import Fernet  # only where something is kept or used

    kept = {name: value for name, value in private.items() if value}
    return Fernet(_key(places)).encrypt(json.dumps(kept).encode()) if kept else None


def opened(places: Places, secret: bytes | None) -> dict[str, Any]:
    """The inverse; empty when there is nothing, or when it was sealed on another card."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        private: dict[str, Any] = json.loads(Fernet(_key(places)).decrypt(secret)) if secret else {}
    except InvalidToken:
        return {}
    return private


def _key(places: Places) -> bytes:
    return base64.urlsafe_b64encode(hmac.new(identity.secret_key(places), PURPOSE, hashlib.sha256).digest())

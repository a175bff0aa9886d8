"""Passwords of plugs and the private addresses of webhooks, encrypted in the database (``appliance.sealed``)."""

import json
from typing import Any

from appliance.places import Places
from appliance.sealed import seal, unseal

PURPOSE = "smart plugs"


def sealed(places: Places, private: dict[str, Any]) -> bytes | None:
    """For the database; None when there is nothing to keep."""
    kept = {name: value for name, value in private.items() if value}
    return seal(places, PURPOSE, json.dumps(kept)) if kept else None


def opened(places: Places, secret: bytes | None) -> dict[str, Any]:
    """The inverse; empty when there is nothing, or when it was sealed on another card."""
    text = unseal(places, PURPOSE, secret) if secret else None
    private: dict[str, Any] = json.loads(text) if text else {}
    return private

"""Webhooks and the sign of life: one request, no redirect followed, certificates checked.

A webhook is signed so that its receiver knows who speaks and when (README.md says how to check it).
"""

import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from appliance.db import now
from appliance.words import N_
from plugins.notify.failures import NotDelivered, of_network, of_status

ANSWER_WITHIN_S = 15.0
AGENT = "Everpx"


def sign(secret: str, moment: datetime, body: bytes) -> str:
    """``t=1764115200,v1=<hex>``: HMAC-SHA256 over the time, a dot and the body."""
    at = str(int(moment.timestamp()))
    made = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256)
    return f"t={at},v1={made.hexdigest()}"


def webhook(address: str, secret: str, told: Mapping[str, Any], delivery: str) -> None:
    """Post JSON, signed.  Raises NotDelivered."""
    body = json.dumps(told, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Everpx-Delivery": delivery,  # the same at each try
        "Everpx-Signature": sign(secret, now(), body),
    }
    call("POST", address, body, headers)


def call(method: str, address: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
    """One request; anything but a 2xx raises NotDelivered."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    encrypted = parts.scheme == "https"
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe="/?%:=&+,;@!$'()*~[]")
    port = parts.port or (443 if encrypted else 80)  # said, or an IPv6 address is taken for a host and a port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=ANSWER_WITHIN_S, context=ssl.create_default_context())
        if encrypted
        else http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN_S)
    )
    try:
        connection.request(method, target, body or None, {"User-Agent": AGENT, **(headers or {})})
        status = connection.getresponse().status
    except OSError as error:
        raise of_network(error, host) from None
    except (http.client.HTTPException, ValueError):
        raise NotDelivered(N_("{host} cannot be reached."), host=host) from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise of_status(status, host)

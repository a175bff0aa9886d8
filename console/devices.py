"""Devices at the door: phone apps and file programs come with ``Authorization: Basic``, a name and a device password.

They reach the addresses below and nothing else, and there a browser’s cookie counts for nothing: so no page anywhere
can make a signed-in browser send files.  Views for devices are ``@public`` and ask :func:`device` first.

Who was right a moment ago is remembered for two seconds, because a sync client asks hundreds of times a minute.
"""

import binascii
import hashlib
import time
from base64 import b64decode
from functools import wraps
from typing import Any

from flask import g, request
from flask.typing import ResponseReturnValue

from appliance.errors import ApplianceError
from appliance.people import device_passwords
from appliance.people.models import User
from console.access import View, address, public
from console.station import station

PATHS = ("/dav/", "/remote.php/", "/ocs/", "/index.php/", "/public.php/")
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Everpx", charset="UTF-8"'}
REMEMBERED_S, MOST_REMEMBERED = 2.0, 200
_remembered: dict[bytes, tuple[float, User, int]] = {}


def opens(path: str) -> bool:
    """Whether a device's password opens this address."""
    return path.startswith(PATHS)


def forget() -> None:
    """Ask everybody anew: a device was just shut out."""
    _remembered.clear()


def device() -> tuple[User, int] | None:
    """Whose device sends this request, and the device's number; None without a name and password.

    Raises WrongDevicePassword or TooManyGuesses.
    """
    shown = request.headers.get("Authorization", "")
    scheme, _, encoded = shown.partition(" ")
    if scheme.lower() != "basic":
        return None
    key = hashlib.sha256(shown.encode("utf-8", "replace")).digest()
    until, user, number = _remembered.get(key, (0.0, None, 0))
    if until > time.monotonic() and user is not None:
        return user, number
    try:
        name, _, text = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name, text = "", ""
    user, number = _look_up(name, text)
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[key] = (time.monotonic() + REMEMBERED_S, user, number)
    return user, number


def _look_up(name: str, text: str) -> tuple[User, int]:
    with station().db.reading() as session:
        found = device_passwords.who(session, name, text)
        if found is None:
            device_passwords.check_guesses(session, name, address())
    if found is None:
        with station().db.writing() as session:
            device_passwords.failed(session, name, address())
        raise device_passwords.WrongDevicePassword()
    user, row = found
    if device_passwords.is_stale(row):
        with station().db.noting() as session:
            device_passwords.touch(session, row.id)
    return user, row.id


def owner() -> User:
    """Whose device this is; only in views marked with :func:`for_devices`."""
    found: User = g.device_owner
    return found


def for_devices(view: View) -> View:
    """Mark a view that a device's password opens, and nothing else does."""

    @wraps(view)
    def asked(*arguments: Any, **named: Any) -> ResponseReturnValue:
        try:
            found = device()
        except ApplianceError as error:
            return refused(error)
        if found is None:
            return refused(device_passwords.WrongDevicePassword())
        g.device_owner, g.device_number = found
        answer: ResponseReturnValue = view(*arguments, **named)
        return answer

    return public(asked)  # type: ignore[return-value]


def refused(error: ApplianceError) -> ResponseReturnValue:
    """Why not, for a program."""
    headers = dict(CHALLENGE) if error.status == 401 else {}
    if "seconds" in error.fields:
        headers["Retry-After"] = str(error.fields["seconds"])
    return error.as_json(), error.status, headers

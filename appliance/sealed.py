"""Secrets that the station has to be able to say again (a mail server's password), encrypted in the database.

The key is made from the station's own (``identity.secret_key``), which never leaves the memory card: a copy of the
database on a drive tells nobody anything, and on another card the secret is asked for again.  ``purpose`` keeps rooms
apart: what one sealed, another cannot open.
"""

import base64
import hashlib
import hmac

from appliance import identity
from appliance.places import Places


def seal(places: Places, purpose: str, text: str) -> bytes:
    """Encrypt a text."""
    from cryptography.fernet import Fernet  # only where there is a secret

    return Fernet(_key(places, purpose)).encrypt(text.encode())


def unseal(places: Places, purpose: str, sealed: bytes) -> str | None:
    """The text; None when it was sealed on another card and has to be asked for again."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(_key(places, purpose)).decrypt(sealed).decode()
    except InvalidToken:
        return None


def _key(places: Places, purpose: str) -> bytes:
    made = hmac.new(identity.secret_key(places), purpose.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made.digest())

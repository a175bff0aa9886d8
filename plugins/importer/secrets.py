"""Passwords of other computers: for one import in the run folder, which no drive ever sees; or kept, encrypted.

Encrypted with a key that is made from the station's own (``identity.secret_key``), so a copy of the database on a
drive tells nobody anything; on another card the password is asked for again.
"""

import base64
import hashlib
import hmac

from appliance import identity
from appliance.durable import write_atomically
from appliance.places import Places
from plugins.importer.models import ImportSource

PURPOSE = b"importer passwords"


def remember(places: Places, source: ImportSource, password: str, *, keep: bool) -> None:
    """Have the password at hand until the station is switched off, or for good."""
    from cryptography.fernet import Fernet  # as smbprotocol, only where a share is used

    folder = places.run / "importer"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(folder / str(source.id), password.encode(), mode=0o600)
    source.secret = Fernet(_key(places)).encrypt(password.encode()) if keep else None


def password_of(places: Places, source: ImportSource) -> str | None:
    """The password, None when it has to be asked for."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return (places.run / "importer" / str(source.id)).read_text()
    except OSError:
        pass
    try:
        return Fernet(_key(places)).decrypt(source.secret).decode() if source.secret else None
    except InvalidToken:
        return None


def forget(places: Places, source_id: int) -> None:
    """The import has ended."""
    (places.run / "importer" / str(source_id)).unlink(missing_ok=True)


def _key(places: Places) -> bytes:
    return base64.urlsafe_b64encode(hmac.new(identity.secret_key(places), PURPOSE, hashlib.sha256).digest())

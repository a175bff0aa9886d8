"""Passwords of other computers: for one import in the run folder, which no drive ever sees; or kept, encrypted."""

from appliance import sealed
from appliance.durable import write_atomically
from appliance.places import Places
from plugins.importer.models import ImportSource

PURPOSE = "importer passwords"


def remember(places: Places, source: ImportSource, password: str, *, keep: bool) -> None:
    """Have the password at hand until the station is switched off, or for good."""
    folder = places.run / "importer"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(folder / str(source.id), password.encode(), mode=0o600)
    source.secret = sealed.seal(places, PURPOSE, password) if keep else None


def password_of(places: Places, source: ImportSource) -> str | None:
    """The password, None when it has to be asked for."""
    try:
        return (places.run / "importer" / str(source.id)).read_text()
    except OSError:
        return sealed.unseal(places, PURPOSE, source.secret) if source.secret else None


def forget(places: Places, source_id: int) -> None:
    """The import has ended."""
    (places.run / "importer" / str(source_id)).unlink(missing_ok=True)

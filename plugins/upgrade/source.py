"""Where news of versions comes from: bytes, and nothing about them is believed here.

The hub will serve them; a folder does for a stick that somebody brings, and for tests.
"""

from pathlib import Path
from typing import Protocol

from appliance.upgrade.documents import LARGEST
from plugins.upgrade import fetching


class Source(Protocol):
    """Somewhere that documents lie."""

    def keys(self, number: int) -> bytes | None:
        """The list of keys of this number, None when there is none yet.  Raises NotFetched."""
        ...

    def news(self, channel: str) -> bytes:
        """What a channel announces.  Raises NotFetched."""
        ...


class Web:
    """An https address below which ``keys-2.json`` and ``stable.json`` lie."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        fetching.check(self.address, only_https=True)

    def keys(self, number: int) -> bytes | None:
        """The list of keys of this number, None when there is none yet.  Raises NotFetched."""
        try:
            return self._get(f"keys-{number}.json")
        except fetching.NotThere:
            return None

    def news(self, channel: str) -> bytes:
        """What a channel announces.  Raises NotFetched."""
        return self._get(f"{channel}.json")

    def _get(self, name: str) -> bytes:
        got = bytearray()
        fetching.fetch(f"{self.address}/{name}", got.extend, most=LARGEST, only_https=True)
        return bytes(got)


class Folder:
    """The same files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self, number: int) -> bytes | None:
        """The list of keys of this number, None when there is none yet."""
        path = self.folder / f"keys-{number}.json"
        return self._read(path) if path.exists() else None

    def news(self, channel: str) -> bytes:
        """What a channel announces.  Raises NotFetched."""
        return self._read(self.folder / f"{channel}.json")

    def _read(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(LARGEST + 1)
        except OSError as error:
            raise fetching.NotFetched(host=str(self.folder), why=error.strerror or str(error)) from None

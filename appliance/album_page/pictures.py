"""The small pictures of a COLD drive, packed: one file for each few dozen, in base64, as a script.

A page that is opened as a file may not fetch anything, only load scripts and images.  An image each would do, but a
hundred thousand tiny files waste up to 128 kB each on a large exFAT drive, and as many seeks when the drive is copied.
On HOT the pages show the station's own previews; only COLD gets packs.
"""

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from appliance.album_page.rows import Photo
from appliance.drives.mounts import Mount
from appliance.library.beneath import open_beneath, open_root
from appliance.library.models import PreviewState
from appliance.library.previews import SIZES, path_of

PACK = 48  # pictures, about 1 MB
READERS = 4  # a drive sorts what it is asked for at once
LARGEST = 1 << 20  # bytes of one small picture

Wanted = tuple[int, bytes] | None  # HOT drive, digest; None: there is no preview


def wanted(photo: Photo) -> Wanted:
    """The small picture of a photo, as far as the rows know."""
    return (photo.hot_id, photo.digest) if photo.preview is PreviewState.READY and photo.digest else None


def packs_of(month: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """A month's pictures, cut: what is added at the end changes the last pack only."""
    for at in range(0, len(month), PACK):
        yield month[at : at + PACK]


def sign_of(pack: Sequence[Wanted]) -> bytes:
    """What a pack holds, to name it."""
    return b"".join(picture[1] if picture else bytes(32) for picture in pack)


class Packer:
    """Reads previews from the HOT drives that are here."""

    def __init__(self, hots: Sequence[Mount]) -> None:
        self._roots: Mapping[int, int] = {hot.drive_id: open_root(hot.path) for hot in hots}
        self._pool = ThreadPoolExecutor(READERS)

    def close(self) -> None:
        """Let go of the drives."""
        self._pool.shutdown(wait=True)
        for root in self._roots.values():
            os.close(root)

    def pack(self, pack: Sequence[Wanted]) -> tuple[list[Wanted], bytes]:
        """What could be read, and the pack; 0 stands for a picture that is missing."""
        read = list(self._pool.map(self._read, pack))
        held = [picture if content else None for picture, content in zip(pack, read, strict=True)]
        return held, b"[" + b",".join(b'"%b"' % b64encode(content) if content else b"0" for content in read) + b"]"

    def _read(self, picture: Wanted) -> bytes:
        """A small picture; nothing where there is none (it can be made again)."""
        if picture is None or picture[0] not in self._roots:
            return b""
        try:
            fd = open_beneath(self._roots[picture[0]], path_of(picture[1], SIZES[0]), os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return b""
        with os.fdopen(fd, "rb") as file:
            try:
                return file.read(LARGEST)
            except OSError:
                return b""

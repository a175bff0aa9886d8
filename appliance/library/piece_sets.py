"""Uploads in numbered pieces, as Nextcloud's clients send them: ``.everpx/incoming/<id>.pieces/<number>`` on HOT.

What has arrived is what lies there, so a client asks and goes on after a lost connection or a restart.  A piece gets
its name by a rename, whole or not at all.  Pieces stay until the file is stored, so putting it together can be done
again.
"""

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blake3 import blake3

from appliance.drives.mounts import Mount
from appliance.errors import Conflict, NotFound
from appliance.library import room, spool
from appliance.library.beneath import open_beneath
from appliance.library.contents import BLOCK
from appliance.library.pieces import write
from appliance.words import N_

NUMBER = re.compile(r"[0-9]{1,20}")
MOST = 10_000


class PiecesMissing(Conflict):
    """What arrived is not all of the file."""

    code, status = "pieces_missing", 409
    template = N_("A part of the upload is missing.")
    hint = N_("Send it again.")


@dataclass(frozen=True)
class Piece:
    """One that has arrived."""

    name: str
    size: int


@dataclass(frozen=True)
class PieceSet:
    """An upload of one person under the name that the client gave it."""

    mount: Mount
    name: bytes  # of its folder, in the incoming folder

    def pieces(self) -> list[Piece]:
        """What has arrived, in the order in which it belongs together."""
        with self._open() as folder:
            found = [
                Piece(name, os.stat(name, dir_fd=folder, follow_symlinks=False).st_size)
                for name in os.listdir(folder)  # noqa: PTH208  (the open folder)
                if NUMBER.fullmatch(name)
            ]
        return sorted(found, key=lambda piece: int(piece.name))

    def add(self, number: str, body: Mount, spooled: bytes) -> None:
        """Take a body from an incoming folder as a piece; one that came before under this number goes.

        Raises NotFound for what is no number.
        """
        if not NUMBER.fullmatch(number):
            raise NotFound(what="upload")
        if body.drive_id != self.mount.drive_id:
            spooled = spool.carry_over(body, spooled, self.mount)
        with room.incoming(self.mount) as (_, incoming), self._open() as folder:
            os.rename(spooled, number, src_dir_fd=incoming, dst_dir_fd=folder)

    def assemble(self, total: int | None) -> tuple[bytes, bytes]:
        """A body in the incoming folder made of all pieces, and its digest.  Raises PiecesMissing."""
        pieces = self.pieces()
        if total is not None and sum(piece.size for piece in pieces) != total:
            raise PiecesMissing()
        room.check(self.mount, sum(piece.size for piece in pieces))
        name, hasher, position = spool.part_name(spool.new_id()), blake3(), 0
        with room.incoming(self.mount) as (_, incoming), self._open() as folder:
            target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=incoming)
            try:
                for piece in pieces:
                    position = _append(folder, piece.name, target, position, hasher)
            except BaseException:
                os.unlink(name, dir_fd=incoming)
                raise
            finally:
                os.close(target)
        return name, hasher.digest()

    def discard(self) -> None:
        """The pieces are not wanted any more."""
        with room.incoming(self.mount) as (_, incoming):
            spool.remove_set(incoming, self.name)

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        with room.incoming(self.mount) as (_, incoming):
            try:
                folder = open_beneath(incoming, self.name, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                raise NotFound(what="upload") from None
            try:
                yield folder
            finally:
                os.close(folder)


def begin(mount: Mount, user_id: int, name: str) -> PieceSet:
    """A new set; one of this name that is there already goes on."""
    made = PieceSet(mount, _folder(user_id, name))
    with room.incoming(mount) as (_, incoming), contextlib.suppress(FileExistsError):
        os.mkdir(made.name, 0o700, dir_fd=incoming)
    return made


def find(mounts: Sequence[Mount], user_id: int, name: str) -> PieceSet:
    """Raises NotFound."""
    wanted = _folder(user_id, name)
    for mount in mounts:
        with room.incoming(mount) as (_, incoming), contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(wanted, dir_fd=incoming, follow_symlinks=False).st_mode):
                return PieceSet(mount, wanted)
    raise NotFound(what="upload")


def _folder(user_id: int, name: str) -> bytes:
    """Clients choose names: nobody can name another's upload, and no name is a path."""
    digest = hashlib.sha256(f"{user_id}:{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return digest.encode() + spool.PIECES


def _append(folder: int, name: str, target: int, position: int, hasher: blake3) -> int:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        while block := os.read(source, BLOCK):
            hasher.update(block)
            position += write(target, block, position)
    finally:
        os.close(source)
    return position

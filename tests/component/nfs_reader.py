"""What the tests' NFS 4.2 client does beyond looking for a server: list, read, write, remove."""

import struct

from plugins.nfs.client import GETFH, LOOKUP, RECLAIM_COMPLETE, Session, opaque

PUTFH, OPEN, READ, WRITE, CLOSE, COMMIT, READDIR, REMOVE = 22, 18, 25, 38, 4, 5, 26, 28
MODE = 33  # among a file's attributes
PIECE = 1 << 18  # bytes a write


class Reader(Session):
    """A computer that mounted something."""

    def begin(self) -> None:
        """Said once, before files are opened."""
        self.ask((RECLAIM_COMPLETE, struct.pack("!I", 0)))

    def names(self, path: str) -> list[str]:
        """What is in a folder.  Raises Refused."""
        words = struct.pack("!QQIII", 0, 0, 8192, 65536, 0)
        told = self.ask((PUTFH, opaque(self.find(path))), (READDIR, words))
        told.raw(16)
        told.raw(8)
        found = []
        while told.number():
            told.raw(8)
            found.append(told.opaque().decode())
            told.raw(4 * told.number())
            told.opaque()
        return sorted(found)

    def _open(self, folder: str, name: str, *, write: bool) -> tuple[bytes, bytes]:
        access = 0x0400 | (3 if write else 1)
        words = struct.pack("!III", 0, access, 0) + struct.pack("!Q", self.client) + opaque(b"me")
        mode = struct.pack("!III", 2, 0, 1 << (MODE - 32)) + opaque(struct.pack("!I", 0o644))
        words += struct.pack("!II", 1, 0) + mode if write else struct.pack("!I", 0)
        words += struct.pack("!I", 0) + opaque(name.encode())
        told = self.ask((PUTFH, opaque(self.find(folder))), (OPEN, words), (GETFH, b""))
        told.raw(16)  # PUTFH, then OPEN's status
        state = told.raw(16)
        told.raw(20 + 4)
        told.raw(4 * told.number())
        kind = told.number()
        if kind == 3 and told.number() in (1, 2):
            told.raw(4)
        assert kind in (0, 3)
        told.raw(8)
        return state, told.opaque()

    def read(self, folder: str, name: str) -> bytes:
        """A whole file.  Raises Refused."""
        state, handle = self._open(folder, name, write=False)
        data, over = b"", 0
        while not over:
            told = self.ask((PUTFH, opaque(handle)), (READ, state + struct.pack("!QI", len(data), PIECE)))
            told.raw(16)
            over = told.number()
            data += told.opaque()
        self.ask((PUTFH, opaque(handle)), (CLOSE, struct.pack("!I", 0) + state))
        return data

    def write(self, folder: str, name: str, data: bytes) -> None:
        """A whole file, durable when this returns.  Raises Refused."""
        state, handle = self._open(folder, name, write=True)
        for at in range(0, len(data), PIECE):
            words = state + struct.pack("!QI", at, 0) + opaque(data[at : at + PIECE])
            told = self.ask((PUTFH, opaque(handle)), (WRITE, words))
            told.raw(16)
            assert told.number() == len(data[at : at + PIECE])
        self.ask((PUTFH, opaque(handle)), (COMMIT, struct.pack("!QI", 0, 0)))
        self.ask((PUTFH, opaque(handle)), (CLOSE, struct.pack("!I", 0) + state))

    def remove(self, folder: str, name: str) -> None:
        """A file.  Raises Refused."""
        self.ask((PUTFH, opaque(self.find(folder))), (REMOVE, opaque(name.encode())))

    def up(self, handle: bytes, name: str) -> bytes:
        """The handle of a name in a folder whose handle is known.  Raises Refused."""
        told = self.ask((PUTFH, opaque(handle)), (LOOKUP, opaque(name.encode())), (GETFH, b""))
        told.raw(16)
        told.raw(8)
        return told.opaque()

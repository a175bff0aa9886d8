"""A small NFS 4.2 client: enough to see that a server answers as a computer would ask it (RFC 8881, RFC 5531).

For the health check, which asks from this computer; tests go on from here and read and write.  Standard library only.
"""

import os
import socket
import struct
from contextlib import suppress
from types import TracebackType

PROGRAM, VERSION = 100003, 4
EXCHANGE_ID, CREATE_SESSION, DESTROY_SESSION, SEQUENCE = 42, 43, 44, 53
PUTROOTFH, LOOKUP, GETFH, RECLAIM_COMPLETE = 24, 15, 10, 58
LARGEST = 1 << 21  # bytes of an answer


class Refused(OSError):
    """The server answered, with this status of NFS (13: no access, 2: not there, 30: only to be seen)."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"status {status}")


class Unpacker:
    """What an answer holds, piece by piece.  Raises struct.error when it ends too soon."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        """32 bits."""
        (value,) = struct.unpack_from("!I", self.data, self.at)
        self.at += 4
        return int(value)

    def long(self) -> int:
        """64 bits."""
        return self.number() << 32 | self.number()

    def raw(self, length: int) -> bytes:
        """Bytes of a known length, with what fills them up to four."""
        if self.at + length > len(self.data):
            raise struct.error("too short")
        value = self.data[self.at : self.at + length]
        self.at += length + -length % 4
        return value

    def opaque(self) -> bytes:
        """Bytes with their length before them."""
        return self.raw(self.number())


def opaque(data: bytes) -> bytes:
    """Bytes with their length before them, filled up to four."""
    return struct.pack("!I", len(data)) + data + b"\0" * (-len(data) % 4)


class Session:
    """A connection and its session.  Raises OSError (also Refused) when the server does not answer as it should."""

    def __init__(self, host: str, port: int = 2049, *, minor: int = 2, within: float = 10) -> None:
        self.minor, self.call, self.turn = minor, 0, 0
        self.line = socket.create_connection((host, port), within)
        try:
            owner = os.urandom(8) + opaque(b"everpx " + os.urandom(8).hex().encode())
            told = self.compound([(EXCHANGE_ID, owner + struct.pack("!III", 0, 0, 0))])
            self.client, order = told.long(), told.number()
            channel = struct.pack("!IIIIIII", 0, 1 << 20, 1 << 20, 4096, 16, 8, 0)
            words = struct.pack("!QII", self.client, order, 0) + channel * 2 + struct.pack("!III", 0x40000000, 1, 0)
            self.id = self.compound([(CREATE_SESSION, words)]).raw(16)
        except BaseException:
            self.line.close()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self.compound([(DESTROY_SESSION, self.id)])
        self.line.close()

    def ask(self, *operations: tuple[int, bytes]) -> Unpacker:
        """Operations within the session; stands before the first result after the sequence's own."""
        self.turn += 1
        sequence = self.id + struct.pack("!IIII", self.turn, 0, 0, 0)
        told = self.compound([(SEQUENCE, sequence), *operations])
        told.raw(36)
        return told

    def find(self, path: str) -> bytes:
        """The handle of a file or folder.  Raises Refused."""
        names = [name.encode() for name in path.split("/") if name]
        told = self.ask((PUTROOTFH, b""), *((LOOKUP, opaque(name)) for name in names), (GETFH, b""))
        for _ in range(1 + len(names)):
            told.raw(8)  # operation and status
        told.raw(8)
        return told.opaque()

    def compound(self, operations: list[tuple[int, bytes]]) -> Unpacker:
        """Send operations, and stand right after the first one's status.  Raises Refused with the last status."""
        body = opaque(b"") + struct.pack("!II", self.minor, len(operations))
        body += b"".join(struct.pack("!I", number) + words for number, words in operations)
        told = self._call(body)
        status = told.number()
        told.opaque()
        count = told.number()
        if status != 0 or count != len(operations):
            raise Refused(status)
        told.raw(8)
        return told

    def _call(self, body: bytes) -> Unpacker:
        self.call += 1
        who = struct.pack("!I", 0) + opaque(b"everpx") + struct.pack("!III", 0, 0, 0)
        head = struct.pack("!IIIIII", self.call, 0, 2, PROGRAM, VERSION, 1)
        packet = head + struct.pack("!I", 1) + opaque(who) + struct.pack("!II", 0, 0) + body
        self.line.sendall(struct.pack("!I", 0x80000000 | len(packet)) + packet)
        answer = b""
        while True:
            (mark,) = struct.unpack("!I", self._exactly(4))
            if len(answer) + (mark & 0x7FFFFFFF) > LARGEST:
                raise OSError("an answer without end")
            answer += self._exactly(mark & 0x7FFFFFFF)
            if mark & 0x80000000:
                break
        told = Unpacker(answer)
        if told.number() != self.call or told.number() != 1 or told.number() != 0:
            raise OSError("the server refused the call")
        told.number()
        told.opaque()
        if told.number() != 0:
            raise OSError("the server does not speak NFS 4")
        return told

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.line.recv(length - len(data))
            if not piece:
                raise OSError("the server hung up")
            data += piece
        return data


def answers(host: str, port: int) -> bool:
    """Whether a server speaks NFS 4.2 there."""
    with suppress(OSError, struct.error), Session(host, port) as session:
        session.find("")
        return True
    return False

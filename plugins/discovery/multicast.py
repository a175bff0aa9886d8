"""A look around the home network: who offers a service, asked by multicast DNS and heard for a moment.

A one-shot question as RFC 6762 describes it in 6.7: from a port of our own, so that answers come to us alone and no
program of the system needs to be asked.  Whatever arrives is somebody else's: every length is checked, what does not
parse is dropped, and only so many are kept.
"""

import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

GROUP, GROUP6, PORT = "224.0.0.251", "ff02::fb", 5353
PTR, TXT, SRV, A, AAAA = 12, 16, 33, 1, 28
LARGEST = 9000  # bytes of a packet
MOST = 32  # services kept
MOST_RECORDS = 200
JUMPS = 40


@dataclass
class Seen:
    """One service as others announce it; texts are cleaned of what no person should be shown."""

    name: str
    host: str = ""
    port: int = 0
    addresses: list[str] = field(default_factory=list)
    txt: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Interface:
    """Where to ask: an IPv4 address, and the interface's number for IPv6 (0: not by IPv6)."""

    address: str
    index: int = 0


class Nonsense(Exception):
    """A packet that is none."""


def interfaces() -> list[Interface]:
    """Every interface with a LAN address: not the loopback, not a tunnel."""
    import psutil

    states, found = psutil.net_if_stats(), []
    for name, addresses in psutil.net_if_addrs().items():
        flags = getattr(states.get(name), "flags", "")
        if name not in states or not states[name].isup or "loopback" in flags or "pointopoint" in flags:
            continue
        index = socket.if_nametoindex(name)
        found += [Interface(one.address, index) for one in addresses if one.family == socket.AF_INET]
    return found


def browse(kind: str, where: list[Interface], seconds: float = 1.0) -> list[Seen]:
    """Who offers ``kind`` ("_http._tcp") there; asks twice, because packets get lost."""
    question = _question(f"{kind}.local")
    records: list[tuple[str, int, bytes, bytes, int]] = []
    with ExitStack() as stack:
        sockets = list(_sockets(where, stack))
        end, again = time.monotonic() + seconds, time.monotonic() + seconds / 3
        _send(sockets, question)
        while (left := end - time.monotonic()) > 0 and len(records) < MOST_RECORDS * 10:
            for one in select.select([s for s, _ in sockets], [], [], min(left, 0.1))[0]:
                with suppress(OSError, Nonsense):
                    records += _records(one.recv(LARGEST))
            if again < time.monotonic():
                again = end
                _send(sockets, question)
    return _sorted_out(f"{kind}.local", records)


def _sockets(where: list[Interface], stack: ExitStack) -> Iterator[tuple[socket.socket, tuple[object, ...]]]:
    for interface in where:
        with suppress(OSError):
            one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind((interface.address, 0))
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface.address))
            yield one, (GROUP, PORT)
        with suppress(OSError):
            six = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
            if interface.index:
                yield six, (GROUP6, PORT, 0, interface.index)


def _send(sockets: list[tuple[socket.socket, tuple[object, ...]]], question: bytes) -> None:
    for one, group in sockets:
        with suppress(OSError):  # an interface that has just gone down
            one.sendto(question, group)


def _question(name: str) -> bytes:
    head = struct.pack("!6H", random.randrange(1 << 16), 0, 1, 0, 0, 0)
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    return head + labels + b"\0" + struct.pack("!2H", PTR, 1)


def _records(packet: bytes) -> list[tuple[str, int, bytes, bytes, int]]:
    """(name, type, data, packet, offset of data) of every record.  Raises Nonsense."""
    try:
        _, flags, questions, *counts = struct.unpack_from("!6H", packet)
        if not flags & 0x8000:
            raise Nonsense
        at, found = 12, []
        for _ in range(min(questions, MOST_RECORDS)):
            _, at = _name(packet, at)
            at += 4
        for _ in range(min(sum(counts), MOST_RECORDS)):
            name, at = _name(packet, at)
            kind, _, _, length = struct.unpack_from("!HHIH", packet, at)
            at += 10
            if at + length > len(packet):
                raise Nonsense
            found.append((name, kind, packet[at : at + length], packet, at))
            at += length
    except (struct.error, IndexError):
        raise Nonsense from None
    return found


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; jumps only backwards, and only so often.  Raises Nonsense, IndexError."""
    labels: list[str] = []
    end, size = -1, 0
    for _ in range(128 + JUMPS):
        length = packet[at]
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | packet[at + 1]
            end = at + 2 if end < 0 else end
            if target >= at:
                raise Nonsense
            at = target
        elif length > 63:
            raise Nonsense
        elif length == 0:
            return ".".join(labels), at + 1 if end < 0 else end
        else:
            label = packet[at + 1 : at + 1 + length]
            size += length + 1
            if len(label) < length or size > 255:
                raise Nonsense
            labels.append(label.decode("utf-8", "replace").replace(".", "\u2024"))
            at += 1 + length
    raise Nonsense


def _sorted_out(kind: str, records: list[tuple[str, int, bytes, bytes, int]]) -> list[Seen]:
    found: dict[str, Seen] = {}
    hosts: dict[str, list[str]] = {}
    for name, what, data, packet, at in records:
        with suppress(Nonsense, struct.error, IndexError, ValueError):
            if what == PTR and name.lower() == kind:
                whole = _name(packet, at)[0]
                if whole.lower().endswith(f".{kind}") and len(found) < MOST:
                    found.setdefault(whole, Seen(clean(whole[: -len(kind) - 1])))
            elif what in (A, AAAA) and len(hosts) < MOST * 4:
                family = socket.AF_INET if what == A else socket.AF_INET6
                address = socket.inet_ntop(family, data)
                known = hosts.setdefault(name.lower(), [])
                known += [address] * (address not in known and len(known) < 8)
    for name, what, data, packet, at in records:
        with suppress(Nonsense, struct.error, IndexError):
            if what == SRV and name in found:
                found[name].port = struct.unpack_from("!3H", data)[2]
                found[name].host = _name(packet, at + 6)[0]
            elif what == TXT and name in found:
                found[name].txt = dict(_texts(data))
    for one in found.values():
        known = [a for a in hosts.get(one.host.lower(), []) if not a.startswith("fe80:")]  # no address in a browser
        one.addresses = sorted(known, key=lambda address: ":" in address)
        one.host = clean(one.host)
    return sorted(found.values(), key=lambda one: one.name.casefold())


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    for _ in range(40):
        if at >= len(data):
            return
        text = data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")
        at += 1 + data[at]
        key, _, value = text.partition("=")
        yield clean(key).lower(), clean(value)


def clean(text: str) -> str:
    """Somebody else's words, short and without signs that would change the page around them."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:80].strip()

"""The date in files made of boxes (ISO 14496-12): films in MP4 and QuickTime, photos in HEIF and AVIF."""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from appliance.library.bounded import LONGEST_READ, Bytes

_MAC_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_DAY_TAG = b"\xa9day"
_MOST_ITEMS = 4096  # a HEIC photo is a few dozen tiles


class _Box(NamedTuple):
    kind: bytes
    body: Bytes


def _boxes(outer: Bytes, position: int = 0) -> Iterator[_Box]:
    while position + 8 <= outer.size:
        length, kind = struct.unpack(">I4s", outer(position, 8))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", outer(position + 8, 8))
            header = 16
        elif length == 0:
            length = outer.size - position
        if length < header:
            raise ValueError("a box that is smaller than its own head")
        yield _Box(kind, outer.part(position + header, length - header))
        position += length


def _first(outer: Bytes, kind: bytes, position: int = 0) -> Bytes | None:
    return next((box.body for box in _boxes(outer, position) if box.kind == kind), None)


def film_date(whole: Bytes) -> datetime | None:
    """Apple's own key (it has a zone), then ``©day``, then the movie header (UTC by the standard)."""
    movie = _first(whole, b"moov")
    if movie is None:
        return None
    said: dict[bytes, datetime] = {}
    for box in _boxes(movie):
        if box.kind == b"mvhd":
            said |= {b"mvhd": when} if (when := _movie_header(box.body)) else {}
        elif box.kind == b"meta":
            said |= {b"keys": when} if (when := _iso_date(_by_key(box.body))) else {}
        elif box.kind == b"udta" and (day := _first(box.body, _DAY_TAG)):
            said |= {b"day": when} if (when := _iso_date(day(0, min(day.size, 64))[4:])) else {}
    return said.get(b"keys") or said.get(b"day") or said.get(b"mvhd")


def _movie_header(body: Bytes) -> datetime | None:
    version = body(0, 1)[0]
    (seconds,) = struct.unpack(">Q", body(4, 8)) if version == 1 else struct.unpack(">I", body(4, 4))
    return _MAC_EPOCH + timedelta(seconds=seconds) if seconds else None


def _by_key(meta: Bytes) -> bytes:
    """The text under ``com.apple.quicktime.creationdate``: its number among ``keys`` is its name in ``ilst``."""
    start = 0 if meta(4, 4) == b"hdlr" else 4  # QuickTime's own meta has no version field
    keys, values = _first(meta, b"keys", start), _first(meta, b"ilst", start)
    if not keys or not values:
        return b""
    for number, key in enumerate(_boxes(keys, 8), 1):
        if key.body(0, min(key.body.size, 64)) == b"com.apple.quicktime.creationdate":
            item = _first(values, number.to_bytes(4, "big"))
            data = _first(item, b"data") if item else None
            return data(8, min(data.size - 8, 64)) if data else b""
    return b""


def _iso_date(text: bytes) -> datetime | None:
    """``2023-11-05T10:11:12+0100``; a bare year or day says too little."""
    match = re.match(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?", text)
    if not match:
        return None
    zone = (match[2] or b"").replace(b"Z", b"+0000").replace(b":", b"")
    try:
        return datetime.fromisoformat((match[1] + zone).decode())
    except ValueError:
        return None


def exif_in_heif(whole: Bytes) -> Bytes | None:
    """The item of type ``Exif``: named in ``iinf``, found by ``iloc``, four bytes before its TIFF header."""
    meta = _first(whole, b"meta")
    names, places = (_first(meta, kind, 4) for kind in (b"iinf", b"iloc")) if meta else (None, None)
    if not meta or not names or not places:
        return None
    item = _exif_item(names)
    place = _place_of(places, item) if item is not None else None
    if place is None:
        return None
    inside, offset, length = place
    source = _first(meta, b"idat", 4) if inside else whole
    if source is None:
        return None
    (skip,) = struct.unpack(">I", source(offset, 4))
    return source.part(offset + 4 + skip, length - 4 - skip)


def _exif_item(names: Bytes) -> int | None:
    start = 6 if names(0, 1) == b"\0" else 8
    for box in _boxes(names, start):
        version = box.body(0, 1)[0]
        if box.kind == b"infe" and version in (2, 3):
            width = 2 if version == 2 else 4
            if box.body(4 + width + 2, 4) == b"Exif":
                return int.from_bytes(box.body(4, width), "big")
    return None


def _place_of(places: Bytes, wanted: int) -> tuple[bool, int, int] | None:
    """(whether it lies in ``idat``, offset, length) of an item's first extent."""
    table = places(0, min(places.size, LONGEST_READ))
    version, offset_size, length_size = table[0], table[4] >> 4, table[4] & 15
    base_size, index_size = table[5] >> 4, (table[5] & 15) if version else 0
    position = 6

    def number(size: int) -> int:
        nonlocal position
        if position + size > len(table):
            raise ValueError("cut short")
        position += size
        return int.from_bytes(table[position - size : position], "big")

    for _ in range(min(number(2 if version < 2 else 4), _MOST_ITEMS)):
        item = number(2 if version < 2 else 4)
        inside = bool(version) and number(2) & 15 == 1
        number(2)  # which file: always this one
        base = number(base_size)
        for extent in range(number(2)):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if item == wanted and extent == 0:
                return inside, base + offset, length
    return None

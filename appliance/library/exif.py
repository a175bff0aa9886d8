"""The date in EXIF 2.32: a TIFF structure, found in JPEG, PNG, WebP, or being the whole file."""

import re
import struct
from datetime import datetime, timedelta, timezone

from appliance.library.bounded import Bytes

LONGEST_DIRECTORY = 512  # entries
_ORIGINAL, _DIGITIZED, _CHANGED, _OFFSET, _EXIF = 0x9003, 0x9004, 0x0132, 0x9011, 0x8769


def in_jpeg(whole: Bytes) -> Bytes | None:
    """The EXIF block of a JPEG, from its APP1 segment.  Raises ValueError, as everything here, for broken files."""
    position = 2
    while True:
        mark, kind, length = struct.unpack(">BBH", whole(position, 4))
        if mark != 0xFF or kind in (0xD9, 0xDA):  # no more headers
            return None
        if kind == 0xFF:  # filling
            position += 1
            continue
        if kind == 0xE1 and length > 8 and whole(position + 4, 6) == b"Exif\0\0":
            return whole.part(position + 10, length - 8)
        position += 2 + max(2, length)


def in_chunks(whole: Bytes, position: int, wanted: bytes, header: str, checksum: int) -> Bytes | None:
    """PNG has length, name, body, checksum; RIFF has name, length, body, and fills up to even lengths."""
    while position + 8 <= whole.size:
        first, second = struct.unpack(header, whole(position, 8))
        name, length = (first, second) if isinstance(first, bytes) else (second, first)
        if name == wanted:
            skip = 6 if length > 6 and whole(position + 8, 6) == b"Exif\0\0" else 0
            return whole.part(position + 8 + skip, length - skip)
        position += 8 + length + (checksum or length & 1)
    return None


def exif_date(tiff: Bytes) -> datetime | None:
    """The best date in a TIFF structure: original, then digitized, then changed."""
    order = {b"II": "<", b"MM": ">"}.get(tiff(0, 2))
    if order is None:
        return None
    (first,) = struct.unpack(order + "I", tiff(4, 4))
    main = _directory(tiff, order, first)
    inner: dict[int, bytes] = {}
    if pointer := main.get(_EXIF):
        inner = _directory(tiff, order, struct.unpack(order + "I", pointer[:4])[0])
    for tag, entries in ((_ORIGINAL, inner), (_DIGITIZED, inner), (_CHANGED, main)):
        if when := _date(entries.get(tag, b""), inner.get(_OFFSET, b"")):
            return when
    return None


def _directory(tiff: Bytes, order: str, offset: int) -> dict[int, bytes]:
    """The entries of one image file directory that concern us; text is followed, numbers stay as they are."""
    (count,) = struct.unpack(order + "H", tiff(offset, 2))
    count = min(count, LONGEST_DIRECTORY, max(0, tiff.size - offset - 2) // 12)
    found = {}
    for tag, kind, length, value in struct.iter_unpack(order + "HHI4s", tiff(offset + 2, count * 12)):
        if tag == _EXIF:
            found[tag] = value
        elif tag in (_ORIGINAL, _DIGITIZED, _CHANGED, _OFFSET) and kind == 2 and length <= 64:
            text = tiff(struct.unpack(order + "I", value)[0], length) if length > 4 else value
            found[tag] = text
    return found


def _date(text: bytes, offset: bytes) -> datetime | None:
    """``2023:11:05 10:11:12`` and ``+01:00``."""
    match = re.match(rb"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", text)
    if not match:
        return None
    try:
        when = datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
    zone = re.match(rb"([+-])(\d\d):(\d\d)", offset)
    if zone and int(zone[2]) <= 14 and int(zone[3]) < 60:
        minutes = (int(zone[2]) * 60 + int(zone[3])) * (-1 if zone[1] == b"-" else 1)
        return when.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    return when

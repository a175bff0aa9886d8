"""The brake: a pure judgement on a plan, made before the COLD drive is switched on.

It asks a person when too much vanished or changed, when HOT is suddenly empty, and when changed files turned into
noise.  What lies elsewhere with the same bytes did not vanish (``moves``); what was renamed and rewritten did.

Pictures and videos look like noise, too, but begin with the mark of their kind; what ransomware leaves behind does not.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.backup.plan import Numbers, Sample
from appliance.words import N_, Message

NOISE = 7.2  # bits a byte; text has 4 to 5, a program 6, compressed or encrypted data almost 8
LOOK_AT = 16 * 1024  # bytes of a file
FEWEST_TO_JUDGE = 10  # changed files, before their content says anything
NOISY_SHARE = 0.5

JPEG, TIFFS = (b"\xff\xd8\xff",), (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"II\x55\0", b"FUJIFILM")
ZIPS, OLE = (b"PK\x03\x04", b"PK\x05\x06"), (b"\xd0\xcf\x11\xe0",)
#: The first bytes by which a kind of file is known; at 4, the boxes of MP4 and its relatives (ISO 14496-12).
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
MARKS: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), JPEG),
    **dict.fromkeys((".tif", ".tiff", ".dng", ".nef", ".cr2", ".arw", ".orf", ".rw2", ".pef", ".raf"), TIFFS),
    **dict.fromkeys((".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".jar", ".apk"), ZIPS),
    **dict.fromkeys((".doc", ".xls", ".ppt", ".msi"), OLE),
    ".png": (b"\x89PNG",),
    ".gif": (b"GIF8",),
    ".webp": (b"RIFF",),
    ".avi": (b"RIFF",),
    ".wav": (b"RIFF",),
    ".pdf": (b"%PDF",),
    ".mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    ".flac": (b"fLaC",),
    ".ogg": (b"OggS",),
    ".gz": (b"\x1f\x8b",),
    ".7z": (b"7z\xbc\xaf",),
    ".rar": (b"Rar!",),
    ".xz": (b"\xfd7zXZ",),
    ".mkv": (b"\x1aE\xdf\xa3",),
    ".webm": (b"\x1aE\xdf\xa3",),
    ".mpg": (b"\0\0\1",),
    ".bz2": (b"BZh",),
    ".zst": (b"\x28\xb5\x2f\xfd",),
}
BOXED = frozenset({".mp4", ".mov", ".m4v", ".m4a", ".heic", ".heif", ".avif", ".3gp", ".cr3"})
EVERY_MARK = tuple({mark for marks in MARKS.values() for mark in marks if len(mark) > 2})


@dataclass(frozen=True)
class Limits:
    """When to ask."""

    share: int  # percent of the files that the copy holds
    files: int  # fewer than this never ask

    def enough(self, numbers: Numbers) -> int:
        """So many changed or vanished files are too many."""
        return max(self.files, math.ceil(numbers.held * self.share / 100))


def judge(drive: str, numbers: Numbers, noisy: tuple[int, int], limits: Limits) -> Message | None:
    """The question for one HOT drive, or None.  ``noisy`` is (files turned into noise, changed files looked at)."""
    gone = numbers.vanished - numbers.moved
    fields = {"drive": drive, "vanished": gone, "changed": numbers.changed, "held": numbers.held}
    if numbers.held and not numbers.files:
        return Message(
            N_("{drive} is empty, but its copy holds {held} files. Were they all deleted on purpose?"), fields
        )
    enough = limits.enough(numbers)
    if gone >= enough:
        return Message(N_("{vanished} of {held} files are gone from {drive}. Were they deleted on purpose?"), fields)
    found, looked_at = noisy
    if looked_at >= FEWEST_TO_JUDGE and found >= looked_at * NOISY_SHARE:
        template = N_(
            "{changed} files on {drive} changed, and many no longer look like photos or documents. Was that you?"
        )
        return Message(template, fields)
    if numbers.changed - numbers.words >= enough:  # a new tag for a thousand photos is no reason to ask
        return Message(N_("{changed} of {held} files on {drive} changed. Was that you?"), fields)
    return None


def look(samples: Sequence[Sample]) -> tuple[int, int]:
    """(files turned into noise, files that could be looked at)."""
    noisy = looked_at = 0
    for sample in samples:
        try:
            with sample.path.open("rb", buffering=0) as file:
                start = file.read(LOOK_AT)
        except OSError:
            continue  # its own trouble, told when it is copied
        looked_at += 1
        noisy += is_noise(sample.name, start)
    return noisy, looked_at


def is_noise(name: bytes, start: bytes) -> bool:
    """Whether a file's first bytes are noise without the mark of any kind it could be."""
    if len(start) < 512 or entropy(start) < NOISE:
        return False
    suffix = PurePosixPath(name.decode("utf-8", "replace")).suffix.lower()
    if suffix in BOXED:
        return start[4:8] not in BOXES
    if suffix in MARKS:
        return not start.startswith(MARKS[suffix])
    return not start.startswith(EVERY_MARK) and start[4:8] not in BOXES


def entropy(data: bytes) -> float:
    """Bits a byte (Shannon)."""
    return -sum(n / len(data) * math.log2(n / len(data)) for n in Counter(data).values())

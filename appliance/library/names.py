"""File names from outside, made safe for every filesystem a drive may ever have: ext4, btrfs, exFAT, NTFS.

``safe_name`` decides under which name an upload is stored; it is idempotent, so a stored name is never changed again.
``portable_problem`` says why a name that is already on a drive cannot be had on every filesystem.
"""

import re
import unicodedata

from appliance.words import N_

LONGEST = 255  # bytes in UTF-8 on ext4; exFAT and NTFS allow 255 UTF-16 units, which are never more
LONGEST_SUFFIX = 20  # bytes; a longer one is not a file type but part of the name
NAMELESS = "Unnamed"

_FORBIDDEN = frozenset('/\\:*?"<>|')
#: Invisible signs that reorder what is shown (``gpj.exe`` reads as ``exe.jpg``); the joiners of emoji stay.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)


def safe_name(name: str | bytes) -> str:
    """The name, NFC, with what some filesystem refuses replaced by ``_``; never empty, hidden, ``.`` or ``..``."""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    text = unicodedata.normalize("NFC", text)
    text = "".join(c for c in text if c not in _REORDERING)
    text = "".join("_" if _bad(c) else c for c in unicodedata.normalize("NFC", text))
    text = text.strip(" ").rstrip(". ") or NAMELESS
    if text.startswith("."):
        text = "_" + text
    if device := _DEVICES.match(text):
        end = device.start(3)
        text = f"{text[:end].rstrip()}_{text[end:]}"
    return shortened(text)


def _bad(character: str) -> bool:
    if character in _FORBIDDEN:
        return True
    kind = unicodedata.category(character)
    code = ord(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def split_suffix(name: str) -> tuple[str, str]:
    """``("IMG_1", ".jpg")``; the suffix is "" where the last dot begins no file type."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or not suffix or " " in suffix or len(suffix.encode()) >= LONGEST_SUFFIX:
        return name, ""
    return stem, dot + suffix


def shortened(name: str, tail: str = "") -> str:
    """The name with ``tail`` before its suffix, its stem cut to whole characters so that all of it fits."""
    stem, suffix = split_suffix(name)
    room = LONGEST - len((tail + suffix).encode())
    cut = stem.encode()[:room].decode("utf-8", "ignore")
    if cut != stem:
        cut = cut.rstrip("\u200d")  # half an emoji
    if not (tail or suffix):
        cut = cut.rstrip(". ")
    return cut + tail + suffix


def numbered(name: str, number: int) -> str:
    """The name for the ``number``-th file that wants it: ``IMG_1 (2).jpg``."""
    return shortened(name, f" ({number})")


def portable_problem(name: bytes) -> str | None:
    """Why some filesystem cannot hold this name, as the end of "the name …"; None when every one can."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return N_("has characters that other computers cannot read")
    if any(c in _FORBIDDEN or unicodedata.category(c) in ("Cc", "Cs") for c in text):
        return N_("has a character that Windows drives do not allow")
    if text[-1:] in (".", " "):
        return N_("ends with a dot or a space")
    if _DEVICES.match(text):
        return N_("is kept by Windows for itself")
    if len(text.encode("utf-16-le")) > 2 * LONGEST:
        return N_("is too long")
    return None

"""Names as clients give them, kept exactly on filesystems that do not allow them, and readable without this program.

A sync client that uploads ``what?.txt`` must find ``what?.txt`` again, or it takes the one for new and the other for
deleted.  So what exFAT or NTFS refuse is stored as Samba and macOS store it there: the sign moved to U+F000 and up, a
part of Unicode that is nobody's.  Everything else is stored as it is.
"""

import unicodedata

from appliance.errors import ApplianceError
from appliance.library.names import LONGEST, portable_problem, safe_name
from appliance.words import N_

MOVED = 0xF000
_SIGNS = frozenset('\\:*?"<>|') | frozenset(map(chr, range(1, 32))) | {"\x7f"}
BACK = {MOVED + code: chr(code) for code in range(1, 128)}


class BadName(ApplianceError):
    """A name that no drive can hold."""

    code, status = "bad_name", 400
    template = N_("A file cannot have this name on a drive.")
    hint = N_("Rename it on the device, then it is sent.")


def stored(name: str) -> str:
    """The name on a drive of what a client calls so.  Raises BadName."""
    text = unicodedata.normalize("NFC", name)
    text = "".join(_moved(c) if c in _SIGNS else c for c in text)
    if text[-1:] in (".", " ") and text not in (".", ".."):
        text = text[:-1] + _moved(text[-1])
    if portable_problem(text.encode("utf-8", "surrogatepass")):  # a device of Windows: con, nul.txt
        text = _moved(text[0]) + text[1:] if text and ord(text[0]) < 128 else text
    hidden = text.removeprefix(".") if text.startswith(".") and text.strip(".") else text
    if not hidden or "/" in text or len(text.encode("utf-8", "replace")) > LONGEST or not _is_kept(hidden):
        raise BadName()
    return text


def _moved(sign: str) -> str:
    return chr(MOVED + ord(sign))


def _is_kept(text: str) -> bool:
    """Whether the library's own rules leave the name as it is: nothing invisible that changes how it reads."""
    return safe_name(text.lstrip(" .") or "x") == (text.lstrip(" .") or "x")


def shown(name: bytes) -> str | None:
    """What clients see of a name on a drive; None for one that is not text."""
    try:
        return name.decode().translate(BACK)
    except UnicodeDecodeError:
        return None

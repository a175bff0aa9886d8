"""What a person may be called, and the folder that gets made of it."""

import unicodedata
from collections.abc import Iterable

from appliance.library.names import safe_name
from appliance.words import N_, Message

LONGEST = 40
#: Top folders of a drive that are not a person's, casefolded.
TAKEN_FOLDERS = frozenset({"family", "older versions", "backups of macs", "lost+found", "system volume information"})
_JOINERS = "\u200c\u200d"  # written inside words of some scripts, and inside emoji


def tidy(name: str) -> str:
    """One form of a name: composed letters, single spaces, none around it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def folded(name: str) -> str:
    """What two names are compared by."""
    return unicodedata.normalize("NFKC", tidy(name)).casefold()


def problem(name: str) -> Message | None:
    """Why nobody can be called this (tidied) name, or None."""
    if not name:
        return Message(N_("Enter a name."))
    if len(name) > LONGEST:
        return Message(N_("Choose a name of at most {longest} characters."), {"longest": LONGEST})
    if any(unicodedata.category(c)[0] == "C" and c not in _JOINERS for c in name):
        return Message(N_("This name contains a character that cannot be shown."))
    if not any(c.isalnum() for c in name):
        return Message(N_("A name needs at least one letter or digit."))
    return None


def folder_for(name: str, taken: Iterable[str]) -> str:
    """A top folder for a new person: safe on every filesystem, nobody else's even where capitals do not count."""
    folder = safe_name(name)
    others = {folded(other) for other in taken} | TAKEN_FOLDERS
    candidate, number = folder, 2
    while folded(candidate) in others:
        candidate, number = f"{folder} {number}", number + 1
    return candidate

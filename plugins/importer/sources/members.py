"""What holds for the members of every kind of archive."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.words import Message
from plugins.importer.sources import CannotRead, Entry

MOST_MEMBERS = 500_000
RATIO, SMALL = 200, 64_000_000  # one member may unpack to so many times its packed size, or to so many bytes
TOTAL_RATIO, TOTAL_SMALL = 20, 1_000_000_000  # the same for a whole archive
OTHERS = re.compile(r"\.(zip|tgz|tar|gz|bz2|xz|7z|rar)$", re.I)
_OUT = re.compile(r"(^|/)\.\.(/|$)|^/|\\|\0|^[A-Za-z]:")


def leads_out(name: str) -> bool:
    """Whether a member's name is a way out of a folder that it would be unpacked to."""
    return bool(_OUT.search(name))


def is_ballast(name: str) -> bool:
    """What Macs put beside files."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("._")


def cannot(entry: Entry, reason: str) -> CannotRead:
    """The error, in words."""
    return CannotRead(name=entry.name, why=Message(reason))


@contextmanager
def in_words(entry: Entry, damaged: tuple[type[Exception], ...], reason: str) -> Iterator[None]:
    """Turn what a library raises over damaged bytes into the error that names the file."""
    try:
        yield
    except damaged as error:
        raise cannot(entry, reason) from error

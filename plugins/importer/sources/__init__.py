"""What can be read from: a small interface, one module for each way.

A source is visited once from beginning to end: it says what there is, and opens what is wanted, in the order that suits
it (an archive without a table of contents can be read in no other).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from appliance.errors import ApplianceError
from appliance.words import N_


class Readable(Protocol):
    """Bytes from their start; ``b""`` at the end."""

    def read(self, most: int = -1, /) -> bytes:
        """At most ``most`` bytes."""
        ...


class Seekable(Readable, Protocol):
    """Bytes from anywhere."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As files have it."""
        ...

    def tell(self) -> int:
        """Where it stands."""
        ...

    def seekable(self) -> bool:
        """Always."""
        ...


class CannotRead(ApplianceError):
    """One file, or one archive, that cannot be read; the others can."""

    code, status = "import_unreadable", 422
    template = N_("“{name}” cannot be read: {why}.")
    hint = N_("It stays where it is. Everything else is brought in.")


class SourceGone(ApplianceError):
    """The whole source does not answer (any more)."""

    code, status = "import_source_gone", 503
    template = N_("“{name}” does not answer.")
    hint = N_("What came in is safe. Plug it in or switch it on again, and start the import again: it goes on there.")


@dataclass(frozen=True)
class Entry:
    """A file of a source."""

    path: str  # "/" between names; surrogates stand for bytes that are no UTF-8
    size: int
    modified_ns: int
    archive: str = ""  # the archive that it lies in

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Everything before it."""
        return self.path.rpartition("/")[0]


class Item(Protocol):
    """An entry that can be opened, as long as the visit stands at it."""

    @property
    def entry(self) -> Entry:
        """What it is."""
        ...

    def open(self) -> AbstractContextManager[Readable]:
        """Its bytes.  Raises CannotRead; reading does too, and SourceGone when the whole source went."""
        ...


@dataclass(frozen=True)
class Refused:
    """Something that is there and cannot be brought in, with the reason."""

    entry: Entry
    error: CannotRead

    def open(self) -> AbstractContextManager[Readable]:
        """Never."""
        raise self.error


class Source(Protocol):
    """A place to read from."""

    def visit(self) -> Iterator[Item]:
        """Everything that lies there, once.  Raises SourceGone."""
        ...

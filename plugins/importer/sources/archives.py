"""Archives read in place: nothing is unpacked anywhere, members are opened where they lie.

An archive that is damaged, protected or hostile is refused as a whole, by name, before anything of it is brought in;
that is why a visit may take back what it has said of an archive (``Refused`` with the archive's own entry).
"""

import re
from collections.abc import Iterator

from plugins.importer.sources import CannotRead, Item, Refused, Source

ZIP, TAR = re.compile(r"\.zip$", re.I), re.compile(r"\.(tgz|tar|tar\.gz)$", re.I)


def is_archive(name: str) -> bool:
    """Whether a file of this name is looked into."""
    return bool(ZIP.search(name) or TAR.search(name))


class WithArchives:
    """A source whose archives are looked into."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def visit(self) -> Iterator[Item]:
        """Files, and the members of archives in their place."""
        from plugins.importer.sources import tars, zips  # with what unpacks them; not in a console that only asks

        for item in self.source.visit():
            if not is_archive(item.entry.name) or isinstance(item, Refused):
                yield item
                continue
            members = zips.members if ZIP.search(item.entry.name) else tars.members
            try:
                with item.open() as file:
                    yield from members(item.entry, file)
            except CannotRead as error:
                yield Refused(item.entry, error)

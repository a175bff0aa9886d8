"""The first visit: what lies there, what is said of it, which archives are refused.  Nothing is written."""

from collections.abc import Callable
from dataclasses import dataclass, field

from plugins.importer import said
from plugins.importer.sources import CannotRead, Entry, Refused, Source


@dataclass
class Survey:
    """Everything that a visit found, by path."""

    entries: dict[str, Entry] = field(default_factory=dict)
    refused: dict[str, CannotRead] = field(default_factory=dict)
    told: said.Told = field(default_factory=said.Told)

    def wanted(self) -> dict[str, Entry]:
        """What may be a photo or a video."""
        return {path: entry for path, entry in self.entries.items() if path not in self.told.companions}


def survey(source: Source, heard: Callable[[int], None]) -> Survey:
    """Visit once; ``heard(count)`` is called now and then.  Raises SourceGone."""
    found, texts = Survey(), dict[str, bytes]()
    for item in source.visit():
        entry = item.entry
        if isinstance(item, Refused):
            _refuse(found, item, texts)
        elif entry.path not in found.entries:
            found.entries[entry.path] = entry
            if said.is_text(entry):
                try:
                    with item.open() as file:
                        texts[entry.path] = _all(file.read, entry)
                except CannotRead as error:
                    found.refused[entry.path] = error
        if len(found.entries) % 256 == 0:
            heard(len(found.entries))
    found.told = said.told(list(found.entries.values()), texts)
    return found


def _refuse(found: Survey, item: Refused, texts: dict[str, bytes]) -> None:
    """Also an archive that turns out to be damaged at its end: then what was seen of it counts no more."""
    path = item.entry.path
    found.entries[path], found.refused[path] = item.entry, item.error
    for other in [entry.path for entry in found.entries.values() if entry.archive == path]:
        del found.entries[other]
        found.refused.pop(other, None)
        texts.pop(other, None)


def _all(read: Callable[[int], bytes], entry: Entry) -> bytes:
    text = b""
    while block := read(said.LARGEST_TEXT + 1 - len(text)):
        text += block
        if len(text) > said.LARGEST_TEXT:
            return b""
    return text

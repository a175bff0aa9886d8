"""What changed on one drive and nobody has looked at yet.

Bounded: a folder with too much news is looked at whole, a drive with news in too many folders is looked through whole.
What was handed out is kept until somebody says that it is done, so that a process that dies on the way loses nothing.
"""

import os
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

MOST_NAMES = 8192
MOST_FOLDERS = 2048
LOT = 1000  # names (or folders) handed out at a time


class What(Enum):
    """What somebody must look at."""

    FILE = "file"
    TREE = "tree"  # a folder came or went, with all that is below it
    ALL = "all"  # something was lost: everything on the drive


class Told(NamedTuple):
    """One thing to look at.  ``folder`` is relative to the drive."""

    what: What
    folder: bytes = b""
    name: bytes = b""

    @property
    def path(self) -> bytes:
        """Of a tree, relative to the drive."""
        return self.folder + b"/" + self.name if self.folder else self.name


@dataclass
class Lot:
    """A part of the news; names None means the whole folder (not what is below it)."""

    folders: dict[bytes, set[bytes] | None] = field(default_factory=dict)
    trees: dict[bytes, None] = field(default_factory=dict)  # in the order in which they were told

    def __bool__(self) -> bool:
        return bool(self.folders or self.trees)

    def add(self, folder: bytes, names: set[bytes] | None) -> int:
        """How many names are new."""
        there = self.folders.setdefault(folder, set())
        if names is None or there is None:
            self.folders[folder] = None
            return -len(there or ())
        before = len(there)
        there |= names
        return len(there) - before

    def split(self, most: int) -> "Lot":
        """Take out the oldest part."""
        part = Lot()
        while self.folders and most > 0:
            folder, names = next(iter(self.folders.items()))
            if names is not None and len(names) > most:
                part.folders[folder] = {names.pop() for _ in range(most)}
                return part
            part.folders[folder] = self.folders.pop(folder)
            most -= len(names or (1,))
        while self.trees and most > 0:
            path = next(iter(self.trees))
            del self.trees[path]
            part.trees[path] = None
            most -= 1
        return part


class News:
    """Not safe for threads: whoever uses it holds a lock."""

    def __init__(self) -> None:
        self._waiting = Lot()
        self._names = 0
        self._out = Lot()
        self._number = 0
        self._since = 0  # milliseconds since 1970: all was told only from then on; 0: nothing was lost
        self.lost()  # nobody listened before

    def __bool__(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._waiting or self._out or self._since)

    def tell(self, told: Told) -> None:
        """Add one thing."""
        if told.what is What.ALL:
            self.lost()
        elif told.what is What.TREE:
            self._waiting.trees[told.path] = None
        else:
            self._names += self._waiting.add(told.folder, {told.name})
        if self._names > MOST_NAMES:
            fullest = max(self._waiting.folders, key=lambda folder: len(self._waiting.folders[folder] or ()))
            self._names += self._waiting.add(fullest, None)
        if len(self._waiting.folders) + len(self._waiting.trees) > MOST_FOLDERS:
            self.lost()

    def lost(self) -> None:
        """From now on, everything is told; of what was before, somebody has to look at all there is."""
        self._since = max(self._since + 1, int(time.time() * 1000))
        self._waiting, self._names = Lot(), 0

    def hand_out(self, done: int, looked: int) -> dict[str, Any]:
        """The next lot.  ``done`` is the number of the last one, if all of it was looked at; ``looked`` its since.

        A lot that was not done is handed out again.
        """
        if self._out and done != self._number:
            for folder, names in self._out.folders.items():
                self._names += self._waiting.add(folder, names)
            self._waiting.trees |= self._out.trees
        if looked == self._since:
            self._since = 0
        self._out = self._waiting.split(LOT)
        self._names -= sum(len(names or ()) for names in self._out.folders.values())
        self._number += 1
        folders = [[os.fsdecode(folder), _listed(names)] for folder, names in self._out.folders.items()]
        trees = [os.fsdecode(path) for path in self._out.trees]
        return {"number": self._number, "since": self._since, "folders": folders, "trees": trees}


def _listed(names: set[bytes] | None) -> list[str] | None:
    return None if names is None else sorted(map(os.fsdecode, names))

"""What an errand is made of: every file and folder, where each shall be, and in which lots."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from appliance.drives.mounts import Mount
from appliance.errors import NotFound
from appliance.library import catalogue, folders
from appliance.library.beneath import make_folder
from appliance.library.bin import SIDECAR, split
from appliance.library.names import numbered

BATCH_FILES, BATCH_BYTES = 64, 256 << 20


class Errand(NamedTuple):
    """What shall be carried where, and for whom; ``keep``: the originals stay."""

    user_id: int
    source: Mount
    target: Mount
    paths: tuple[bytes, ...]
    into: bytes
    keep: bool


class Load(NamedTuple):
    """A file on its way: where it is, and where it shall be."""

    path: bytes
    goal: bytes
    size: int
    modified: float  # seconds since 1970


def names_for(errand: Errand, source: int, target: int) -> dict[bytes, bytes]:
    """What each thing is called there: its own name, or the first numbered one that is free.  Raises NotFound."""
    with contextlib.ExitStack() as stack:
        into = make_folder(target, errand.into)
        stack.callback(os.close, into)
        taken = {folders.shown(os.fsencode(name)).casefold() for name in os.listdir(into)}  # noqa: PTH208
    found: dict[bytes, bytes] = {}
    for path in errand.paths:
        os.close(folders.open_or_not_found(source, path, os.O_PATH))
        name, number = os.fsdecode(split(path)[1]), 1
        free = name
        while folders.shown(os.fsencode(free)).casefold() in taken:
            number += 1
            free = numbered(name, number)
        taken.add(folders.shown(os.fsencode(free)).casefold())
        found[path] = os.fsencode(free)
    return found


def loads_of(root: int, errand: Errand, names: Mapping[bytes, bytes]) -> tuple[list[Load], list[bytes]]:
    """Every file, what is said beside a photo right after it; and every folder.  What is gone meanwhile is done."""
    loads: list[Load] = []
    made: list[bytes] = []
    for path, name in names.items():
        goal = catalogue.joined(errand.into, name)
        with contextlib.suppress(NotFound):
            _look(root, path, goal, loads, made)
            if path not in made and not path.endswith(SIDECAR) and path + SIDECAR not in names:
                with contextlib.suppress(NotFound):
                    _look(root, path + SIDECAR, goal + SIDECAR, loads, made)
    return loads, made


def _look(root: int, path: bytes, goal: bytes, loads: list[Load], made: list[bytes]) -> None:
    fd = folders.open_or_not_found(root, path, os.O_PATH)
    try:
        facts = os.fstat(fd)
    finally:
        os.close(fd)
    if stat.S_ISREG(facts.st_mode):
        loads.append(Load(path, goal, facts.st_size, facts.st_mtime))
    elif stat.S_ISDIR(facts.st_mode):
        made.append(goal)
        folder = folders.open_or_not_found(root, path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            inside = sorted(folders.entries(folder))
        finally:
            os.close(folder)
        for entry in inside:
            below, there = catalogue.joined(path, entry.name), catalogue.joined(goal, entry.name)
            if entry.is_folder:
                with contextlib.suppress(NotFound):
                    _look(root, below, there, loads, made)
            else:
                loads.append(Load(below, there, entry.size, entry.modified))


def measure(place: folders.Place, most: int) -> tuple[int, int]:
    """(files, bytes) of a thing, counted until there are ``most`` files.  Raises NotFound, DriveGone."""
    files = size = 0
    waiting = [place]
    while waiting and files <= most:
        here = waiting.pop()
        facts = folders.kind(here)
        if stat.S_ISREG(facts.st_mode):
            files, size = files + 1, size + facts.st_size
            continue
        with folders.opened(here) as fd:
            inside = list(folders.entries(fd))
        files += sum(not entry.is_folder for entry in inside)
        size += sum(entry.size for entry in inside)
        waiting += [here.below(entry.name) for entry in inside if entry.is_folder]
    return files, size


def batches(loads: Iterable[Load]) -> Iterator[list[Load]]:
    """Lots that become true all at once."""
    batch: list[Load] = []
    size = 0
    for load in loads:
        if batch and (len(batch) >= BATCH_FILES or size + load.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(load)
        size += load.size
    if batch:
        yield batch

"""The files behind the page, in ``.everpx/album``: written once under names made of their content, named by one index.

The index is replaced by one rename after everything that it names is durable, so the page is whole at any moment: it
shows the state before or the state after, never a mixture.  Only what the index names is trusted; whatever else lies
there was left by a pulled plug, and goes.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from blake3 import blake3

from appliance.backup import crashpoints
from appliance.drives import layout
from appliance.library.beneath import make_folder, open_beneath

FORMAT = 1
INDEX = "index.js"
LARGEST_INDEX = 64 << 20
_START, _END = "everpx.index(", ");\n"


class Shelf:
    """The folder of one drive, by a descriptor of the drive's top; ``flush`` makes all that was written durable."""

    def __init__(self, root: int, flush: Callable[[], None]) -> None:
        self._root, self._flush = root, flush
        self._folder = make_folder(root, layout.ALBUM.encode())
        self.index = self._read_index()
        self._known = named_by(self.index) & set(self._there())

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def has(self, name: str) -> bool:
        """Whether a file is there, whole, and named by the index."""
        return name in self._known

    def put(self, year: int, kind: str, content: bytes, sign: bytes | None = None) -> str:
        """Keep ``kind(name, content)`` for the page; its name, which is made of ``sign``, else of the content."""
        name = name_of(year, kind, content if sign is None else sign)
        if name not in self._known:
            self._write(name, f'everpx.{kind}("{name}",'.encode(), content, _END.encode())
            self._known.add(name)
        return name

    def commit(self, index: dict[str, Any]) -> bool:
        """Make this what the page shows; False where it does already.  Files that it does not name are removed."""
        index = {"format": FORMAT, **index}
        if is_new := index != self.index:
            self._flush()
            crashpoints.reach("page_flushed")
            self._write(INDEX + ".new", (_START + as_script(index) + _END).encode(), flushed=True)
            os.rename(INDEX + ".new", INDEX, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.fsync(self._folder)
            self._flush()
            crashpoints.reach("page_named")
            self.index = index
        for name in set(self._there()) - named_by(index):
            os.unlink(name, dir_fd=self._folder)
            self._known.discard(name)
        return is_new

    def _there(self) -> Iterator[str]:
        """Every file, with its folder; folders are years."""
        for year in _names_in(self._folder):
            if not year.isdecimal():
                continue
            folder = open_beneath(self._folder, year.encode(), os.O_RDONLY | os.O_DIRECTORY)
            try:
                names = _names_in(folder)
            finally:
                os.close(folder)
            yield from (f"{year}/{name}" for name in names)

    def _read_index(self) -> dict[str, Any]:
        """What is there now; nothing where it is not of this format."""
        try:
            fd = open_beneath(self._folder, INDEX.encode())
        except OSError:
            return {}
        with os.fdopen(fd, "rb") as file:
            text = file.read(LARGEST_INDEX).decode("ascii", "replace")
        try:
            index = json.loads(text.removeprefix(_START).removesuffix(_END))
            named_by(index)
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}
        return index if index["format"] == FORMAT else {}

    def _write(self, name: str, *content: bytes, flushed: bool = False) -> None:
        place, _, last = name.rpartition("/")
        folder = make_folder(self._folder, place.encode())
        try:
            fd = open_beneath(folder, last.encode(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            with os.fdopen(fd, "wb") as out:
                out.writelines(content)
                out.flush()
                if flushed:
                    os.fsync(fd)
        finally:
            os.close(folder)


def _names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def name_of(year: int, kind: str, sign: bytes) -> str:
    """Where a file lies below the folder: the same content, the same name."""
    return f"{year}/{kind}-{blake3(sign).hexdigest(10)}.js"


def as_script(value: Any) -> str:
    """JSON in ASCII, which is JavaScript in whatever encoding it is read."""
    return json.dumps(value, separators=(",", ":"))


def named_by(index: dict[str, Any]) -> set[str]:
    """Every file that an index names.  Raises KeyError, TypeError for what is none."""
    if not index:
        return set()
    named = set()
    for person in index["people"]:
        for month in person["months"]:
            named.update([month["file"], *(pack for pack in month["packs"] if pack)])
        named.update(album["file"] for album in person["albums"])
    return named

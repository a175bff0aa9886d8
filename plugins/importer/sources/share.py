"""A share of another computer, over SMB 2 or 3 (smbprotocol).

Each source has connections of its own, and every call names its port: a call without one goes to 445, whatever was
registered before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from appliance.errors import ApplianceError
from appliance.words import N_, Message
from plugins.importer import why
from plugins.importer.sources import CannotRead, Entry, Item, Readable, Refused, SourceGone
from plugins.importer.sources.folder import DEEPEST, SKIPPED

PATIENCE_S = 20
BLOCK = 1 << 20  # bytes asked for at once; a server may offer eight times that, and all of it would lie in memory
NO_SUCH = (0xC0000034, 0xC000003A, 0xC00000CC, 0xC0000225)  # name, path, share, a share that no DFS knows either
NOT_ALLOWED = (0xC0000022,)
WRONG_PASSWORD = (0xC000006D, 0xC000006E, 0xC0000064, 0xC000006A, 0xC0000071, 0xC0000072, 0xC0000234)


class NotLetIn(ApplianceError):
    """The other computer wants another name or password."""

    code, status = "import_not_let_in", 422
    template = N_("“{name}” does not accept this name and password.")
    hint = N_("Enter them again. They are forgotten after the import unless you want them kept.")


class NoSuchShare(ApplianceError):
    """There is no share, or no folder, of that name."""

    code, status = "import_no_such_share", 422
    template = N_("“{name}” has no such share or folder.")
    hint = N_("Look at how it is spelled on the other computer.")


@dataclass(frozen=True)
class Share:
    """Where to go."""

    host: str
    share: str
    folder: str = ""  # "/" between names
    port: int = 445
    user: str = ""


class ShareSource:
    """Everything below a folder of a share."""

    def __init__(self, where: Share, password: str, title: str) -> None:
        import smbclient  # only the job that reads a share carries it

        self._smb, self.title = smbclient, title
        self._cache: dict[str, Any] = {}
        self._how: dict[str, Any] = {"port": where.port, "connection_cache": self._cache}
        login = {"username": where.user or "guest", "password": password, "connection_timeout": PATIENCE_S}
        # a guest has no key to sign with
        signed = {"require_signing": bool(where.user)}
        with self._in_words():
            smbclient.register_session(where.host, **login, **signed, **self._how)
        self._how |= {"username": login["username"], "password": password}
        folder = where.folder.strip("/").replace("/", "\\")
        self._top = rf"\\{where.host}\{where.share}" + (f"\\{folder}" if folder else "")
        with self._in_words():
            self._list("")

    def close(self) -> None:
        """Sign out."""
        self._smb.reset_connection_cache(fail_on_error=False, connection_cache=self._cache)

    def visit(self) -> Iterator[Item]:
        """Folder by folder, names in order."""
        yield from self._below("", DEEPEST)

    def _below(self, folder: str, deep: int) -> Iterator[Item]:
        try:
            with self._in_words(Entry(folder, 0, 0)):
                listed = self._list(folder)
        except CannotRead as error:
            yield Refused(Entry(folder, 0, 0), error)
            return
        inner = []
        for name, is_folder, size, modified_ns in listed:
            path = f"{folder}/{name}" if folder else name
            if is_folder:
                inner.append(path)
            else:
                yield ShareItem(self, Entry(path, size, modified_ns))
        for path in inner:
            if deep:
                yield from self._below(path, deep - 1)

    def _list(self, folder: str) -> list[tuple[str, bool, int, int]]:
        found = []
        for item in self._smb.scandir(self.address(folder), **self._how):
            if item.name in SKIPPED or item.name.startswith("._") or item.is_symlink():
                continue
            facts = item.smb_info  # its stat() would ask again, and at another port
            modified_ns = int(facts.last_write_time.timestamp()) * 1_000_000_000
            found.append((item.name, item.is_dir(follow_symlinks=False), int(facts.end_of_file), modified_ns))
        return sorted(found)

    def address(self, path: str) -> str:
        """A path as SMB has it."""
        return self._top + "\\" + path.replace("/", "\\") if path else self._top

    def open_file(self, entry: Entry) -> Any:
        """An open file of smbprotocol, which reads what it is asked for and nothing ahead."""
        with self._in_words(entry):
            return self._smb.open_file(self.address(entry.path), mode="rb", buffering=0, share_access="r", **self._how)

    @contextmanager
    def _in_words(self, entry: Entry | None = None) -> Iterator[None]:
        """What the library raises, as our errors."""
        from smbprotocol.exceptions import SMBException

        try:
            yield
        except (SMBException, OSError, ValueError) as error:
            raise self._meaning(error, entry) from error

    def _meaning(self, error: Exception, entry: Entry | None) -> ApplianceError:
        status = getattr(error, "ntstatus", None) or getattr(error, "status", None) or 0
        cause = error.__cause__ or error.__context__
        status = status or getattr(cause, "ntstatus", None) or getattr(cause, "status", None) or 0
        if status in WRONG_PASSWORD or type(error).__name__ in ("LogonFailure", "SMBAuthenticationError"):
            return NotLetIn(name=self.title)
        if entry is None or not entry.path:
            if status in NOT_ALLOWED:
                return NotLetIn(name=self.title)
            return NoSuchShare(name=self.title) if status in NO_SUCH else SourceGone(name=self.title)
        if status in NOT_ALLOWED:
            return CannotRead(name=entry.name, why=Message(why.NOT_ALLOWED))
        if status in NO_SUCH:
            return CannotRead(name=entry.name, why=Message(why.VANISHED))
        return CannotRead(name=entry.name, why=Message(why.SYSTEM)) if status else SourceGone(name=self.title)

    @contextmanager
    def reading(self, entry: Entry) -> Iterator[None]:
        """Around each read of an open file."""
        with self._in_words(entry):
            yield


@dataclass(frozen=True)
class ShareItem:
    """A file of a share."""

    source: ShareSource
    entry: Entry

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """Its bytes."""
        file = self.source.open_file(self.entry)
        try:
            yield _Reader(file, self.source, self.entry)
        finally:
            with self.source.reading(self.entry):
                file.close()


class _Reader:
    """Reads in bounded pieces."""

    def __init__(self, file: Any, source: ShareSource, entry: Entry) -> None:
        self._file, self._source, self._entry, self._at = file, source, entry, 0

    def read(self, most: int = -1, /) -> bytes:
        """At most ``most`` bytes; all that is left for a negative number, as archives ask for it."""
        if most < 0:
            return b"".join(iter(lambda: self.read(BLOCK), b""))
        with self._source.reading(self._entry):
            block: bytes = self._file.read(min(most, BLOCK))
        self._at += len(block)
        return block

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As files have it."""
        self._at = offset if whence == 0 else self._at + offset if whence == 1 else self._entry.size + offset
        with self._source.reading(self._entry):
            self._file.seek(self._at)
        return self._at

    def tell(self) -> int:
        """Where it stands."""
        return self._at

    def seekable(self) -> bool:
        """Always."""
        return True

"""The tree as wsgidav sees it: resources with their properties, those of Nextcloud's clients among them."""

import contextlib
import mimetypes
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, SubElement

from blake3 import blake3
from wsgidav.dav_error import HTTP_CONFLICT, HTTP_FORBIDDEN, HTTP_NOT_FOUND, DAVError
from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider

from appliance.drives.layout import FAMILY
from appliance.errors import ApplianceError
from appliance.library import room
from appliance.library.models import PreviewState
from plugins.webdav.changes import Changes, used_by
from plugins.webdav.locks import TooManyLocks
from plugins.webdav.names import BadName
from plugins.webdav.tree import Entry, Parts, Tree, parts_in

OC, NC = "{http://owncloud.org/ns}", "{http://nextcloud.org/ns}"
DATES = ("{DAV:}getlastmodified", "{DAV:}lastmodified")
QUOTA = ("{DAV:}quota-used-bytes", "{DAV:}quota-available-bytes")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the station says, as WebDAV says it."""
    try:
        yield
    except ApplianceError as error:
        raise DAVError(error.status, str(error)) from error
    except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DAVError(HTTP_CONFLICT) from error
    except (TooManyLocks, PermissionError) as error:
        raise DAVError(HTTP_FORBIDDEN) from error


class Provider(DAVProvider):  # type: ignore[misc]
    """One person's tree under one address, for one request."""

    def __init__(self, tree: Tree, changes: Changes, share: str, station: str) -> None:
        super().__init__()
        self.tree, self.changes, self.station = tree, changes, station
        self.set_share_path(share)

    def get_resource_inst(
        self, path: str | None, environ: dict[str, Any], *, known: bool = True
    ) -> "FileResource | FolderResource | None":
        """What is at a path; the top has no parent."""
        if path is None:
            return None
        with told():
            entry = self.tree.find(parts_in(path), known=known)
        return None if entry is None else self.resource(entry, environ)

    def resource(self, entry: Entry, environ: dict[str, Any]) -> "FileResource | FolderResource":
        """An entry as a resource."""
        return (FolderResource if entry.is_folder else FileResource)(self, entry, environ)

    def reference(self, parts: Parts, is_folder: bool) -> str:
        """The one name of a resource, under whichever address it is asked for: locks and properties are kept by it."""
        top = "/".join(parts if parts[:1] == (FAMILY,) else (self.tree.user.folder, *parts))
        return quote(f"/{top}/" if is_folder else f"/{top}")

    def ref_url_to_path(self, ref_url: str) -> str:
        """The path that a reference is at for this person."""
        first, _, rest = unquote(ref_url).lstrip("/").partition("/")
        return f"/{first}/{rest}" if first == FAMILY else f"/{rest}"


class _Resource:
    """What files and folders have in common."""

    provider: Provider
    entry: Entry
    environ: dict[str, Any]
    is_collection: bool

    def get_ref_url(self) -> str:
        """The one name of this resource, see ``Provider.reference``."""
        return self.provider.reference(self.entry.parts, self.is_collection)

    def get_etag(self) -> str:
        """Another one when the bytes, the date or anything below changes."""
        return self.entry.etag

    def support_etag(self) -> bool:
        """Always."""
        return True

    def get_last_modified(self) -> float:
        """Seconds since 1970."""
        return self.entry.facts.st_mtime if self.entry.facts else 0.0

    def get_creation_date(self) -> float:
        """Not every filesystem knows it."""
        return self.get_last_modified()

    def get_property_value(self, name: str) -> Any:
        """WebDAV's own properties, Nextcloud's, or what a client left here."""
        if name == "{DAV:}getetag":
            return f'"{self.entry.etag}"'
        if name in QUOTA and not self.is_collection:
            raise DAVError(HTTP_NOT_FOUND)
        if name.startswith((OC, NC)) and (value := self._of_nextcloud(name)) is not None:
            return value
        return super().get_property_value(name)  # type: ignore[misc]

    def set_property_value(self, name: str, value: Any, *, dry_run: bool = False) -> None:
        """Its date, its star, or a remark of the client's."""
        with told():
            if name in DATES and value is not None:
                moment = moment_in(value.text)
                if not dry_run:
                    self.provider.changes.date(self.entry, moment)
            elif name == OC + "favorite":
                self._favour(value is not None and (value.text or "").strip() in ("1", "true"), dry_run)
            else:
                super().set_property_value(name, value, dry_run=dry_run)  # type: ignore[misc]

    def _favour(self, favourite: bool, dry_run: bool) -> None:
        """What is no photo keeps its star as a remark of the client's."""
        if dry_run or self.provider.changes.favour(self.provider.tree, self.entry, favourite):
            return
        place, properties = self.get_ref_url(), self.provider.prop_manager
        if favourite:
            properties.write_property(
                place, OC + "favorite", b'<x:favorite xmlns:x="http://owncloud.org/ns">1</x:favorite>'
            )
        else:
            properties.remove_property(place, OC + "favorite")

    @property
    def number(self) -> int:
        """Files have even numbers, folders odd ones; what the library has not seen yet gets one from its path."""
        known = self.entry.number if self.is_collection else self.entry.row.file_id if self.entry.row else 0
        known = known or (1 << 50) + int.from_bytes(blake3(self.get_ref_url().encode()).digest(5))
        return known * 2 + self.is_collection

    def _of_nextcloud(self, name: str) -> Any:
        row, user = self.entry.row, self.provider.tree.user
        short = name.rpartition("}")[2]
        if short == "favorite":
            starred = row is not None and row.favourite
            return str(int(starred or bool(self.provider.prop_manager.get_property(self.get_ref_url(), name))))
        if short == "checksums":
            return _element(name, OC + "checksum", row.checksum) if row and row.checksum else None
        plain: dict[str, Callable[[], Any]] = {
            OC + "id": lambda: f"{self.number:08d}{self.provider.station}",
            OC + "fileid": lambda: str(self.number),
            OC + "permissions": self.permissions,
            OC + "size": lambda: str(self.size()),
            OC + "owner-id": lambda: user.name,
            OC + "owner-display-name": lambda: user.name,
            OC + "comments-unread": lambda: "0",
            OC + "share-types": lambda: Element(name),
            NC + "has-preview": lambda: "true" if row and row.preview is PreviewState.READY else "false",
            NC + "is-encrypted": lambda: "0",
            NC + "mount-type": lambda: "",
            NC + "creation_time": lambda: str(int(self.get_creation_date())),
            NC + "upload_time": lambda: str(int(self.get_last_modified())),
        }
        made = plain.get(name)
        return made() if made else None

    def permissions(self) -> str:
        """G: read, D: delete, N: rename, V: move, W: write, C and K: make files and folders in it."""
        if not self.is_collection:
            return "GDNVW"
        return "GCK" if self.entry.parts in ((), (FAMILY,)) else "GDNVCK"

    def size(self) -> int:
        """Bytes."""
        raise NotImplementedError

    def _may_go(self) -> None:
        """The person's own folder and the family's stay."""
        if self.entry.parts in ((), (FAMILY,)):
            raise DAVError(HTTP_FORBIDDEN)

    def delete(self) -> list[Any]:
        """Into the bin."""
        self._may_go()
        with told():
            self.provider.changes.remove(self.provider.tree, self.entry)
        self.provider.prop_manager.remove_properties(self.get_ref_url())
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        return []

    def support_recursive_move(self, dest_path: str) -> bool:
        """A rename."""
        return True

    def move_recursive(self, dest_path: str) -> list[Any]:
        """A rename."""
        self._may_go()
        parts = parts_in(dest_path)
        with told():
            self.provider.changes.move(self.provider.tree, self.entry, parts)
        there = self.provider.reference(parts, self.is_collection)
        self.provider.prop_manager.move_properties(self.get_ref_url(), there)
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        return []


class FileResource(_Resource, DAVNonCollection):  # type: ignore[misc]
    """A file."""

    def __init__(self, provider: Provider, entry: Entry, environ: dict[str, Any]) -> None:
        DAVNonCollection.__init__(self, "/" + "/".join(entry.parts), environ)
        self.provider, self.entry = provider, entry

    def get_content_length(self) -> int:
        """Bytes."""
        return self.size()

    def get_content_type(self) -> str:
        """By its name."""
        return mimetypes.guess_type(self.entry.name)[0] or "application/octet-stream"

    def get_content(self) -> Any:
        """Bytes leave by ``console.deliver``."""
        raise DAVError(HTTP_FORBIDDEN)  # bytes leave by console.deliver

    def support_ranges(self) -> bool:
        """nginx's business."""
        return True

    def size(self) -> int:
        """Bytes."""
        return self.entry.facts.st_size if self.entry.facts else 0

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """A copy; moving is a rename."""
        parts = parts_in(dest_path)
        with told():
            self.provider.changes.copy(self.provider.tree, self.entry, parts)
        self.provider.prop_manager.copy_properties(self.get_ref_url(), self.provider.reference(parts, False))


class FolderResource(_Resource, DAVCollection):  # type: ignore[misc]
    """A folder."""

    def __init__(self, provider: Provider, entry: Entry, environ: dict[str, Any]) -> None:
        DAVCollection.__init__(self, "/" + "/".join(entry.parts), environ)
        self.provider, self.entry = provider, entry
        self._members: list[Entry] | None = None

    def get_member_list(self) -> list[Any]:
        """What is in it."""
        with told():
            return [self.provider.resource(entry, self.environ) for entry in self.provider.tree.members(self.entry)]

    def get_member_names(self) -> list[str]:
        """What is in it."""
        with told():
            return [entry.name for entry in self.provider.tree.members(self.entry)]

    def get_member(self, name: str) -> Any:
        """One of what is in it."""
        return self.provider.get_resource_inst("/".join((*self.entry.parts, name)), self.environ)

    def get_used_bytes(self) -> int:
        """Of the person's files."""
        return used_by(self.provider.tree)

    def get_available_bytes(self) -> int:
        """That uploads may still use."""
        with told():
            return sum(room.free(mount) for mount in self.provider.tree.mounts if not mount.read_only)

    def get_property_names(self, *, is_allprop: bool) -> list[str]:
        """The quota is told to those who ask for it."""
        names: list[str] = super().get_property_names(is_allprop=is_allprop)
        return [name for name in names if name not in QUOTA] if is_allprop else names

    def size(self) -> int:
        """Bytes."""
        return self.provider.tree.size_of(self.entry)

    def create_empty_resource(self, name: str) -> Any:
        """An empty file, for a lock on a name."""
        parts = (*self.entry.parts, *parts_in(name))
        with told():
            place = self.provider.changes.target(self.provider.tree, parts, 0, None)
            body = self.provider.changes.receive(place.mount, lambda count: b"")
            self.provider.changes.store(self.provider.tree, place, body, None)
        return self.provider.get_resource_inst("/" + "/".join(parts), self.environ)

    def create_collection(self, name: str) -> None:
        """A new folder."""
        with told():
            self.provider.changes.make(self.provider.tree, (*self.entry.parts, *parts_in(name)))

    def support_recursive_delete(self) -> bool:
        """Into the bin, whole."""
        return True

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """A copy; moving is a rename."""
        parts = parts_in(dest_path)
        with told():
            if self.provider.tree.find(parts) is None:
                self.provider.changes.make(self.provider.tree, parts)
        self.provider.prop_manager.copy_properties(self.get_ref_url(), self.provider.reference(parts, True))


def _element(name: str, inner: str, text: str) -> Element:
    made = Element(name)
    SubElement(made, inner).text = text
    return made


def moment_in(text: str | None) -> datetime:
    """Seconds since 1970, or a date as HTTP writes it.  Raises BadName for neither."""
    try:
        text = (text or "").strip()
        return (
            datetime.fromtimestamp(float(text), UTC) if text.replace(".", "").isdigit() else parsedate_to_datetime(text)
        )
    except (ValueError, OverflowError, OSError) as error:
        raise BadDate() from error


class BadDate(BadName):
    """Not a date."""

    code = "bad_date"

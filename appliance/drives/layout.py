"""What lies where on a drive.  The format page is docs/drive-format.md; change both together.

Imports nothing of ours: root's side, the library and the backup all read it.
"""

MARKER = "everpx-drive.json"  # makes it ours: marker id, station id, role, number
PRIVATE = ".everpx"  # everything on a drive that is not for people
INCOMING = ".everpx/incoming"  # HOT: uploads on their way; COLD: the batch being verified
BIN = ".everpx/bin"  # HOT: <id>/<name>, what somebody deleted, as long as it can be brought back
DELETED = ".everpx/deleted"  # HOT: <id>/<name>, likewise, deleted by a client of a file server
CLIENTS_BIN = ".everpx-deleted"  # HOT, in a shared folder: where the file server puts it until it is in DELETED
PREVIEWS = ".everpx/previews"  # HOT: <first two hex digits>/<digest>-<pixels>.webp
STATION_COPY = ".everpx/station"  # the database and settings as of the last backup
ALBUM = ".everpx/album"  # what the page of photos shows, see appliance/album_page
PAGE = "Browse our photos.html"  # opens in any browser, without a server
READ_ME = "READ ME FIRST.txt"
MANIFEST = "everpx-manifest.b3"  # `b3sum --check everpx-manifest.b3` on any computer
OLDER = "Older versions"  # COLD: <day>/<HOT tag>/…, what was replaced or vanished
MACS = "Backups of Macs"  # HOT: <person>/<Mac>.sparsebundle, written by Time Machine; neither shown nor copied
PHOTOS, VIDEOS, FILES, FAMILY = "Photos", "Videos", "Files", "Family"

#: Names at the top of a drive that are never anybody's files.
NOT_FILES = frozenset(
    {
        MARKER,
        PRIVATE,
        MANIFEST,
        PAGE,
        READ_ME,
        OLDER,
        MACS,
        "lost+found",
        "System Volume Information",
        "$RECYCLE.BIN",
        ".Trashes",
        ".Spotlight-V100",
        ".fseventsd",
    }
)

"""An export from Apple (privacy.apple.com): ``Photo Details.csv`` beside the photos, a table for each album.

What lies in ``Recently Deleted``, or is marked as deleted in the table, was thrown away and is left out.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from plugins.importer.said import EARLIEST, NOTHING, Said
from plugins.importer.sources import Entry
from plugins.importer.takeout import inside

DETAILS = re.compile(r"^photo details(-\d+)?\.csv$", re.I)
BIN = "recently deleted"
MOST_ROWS = 200_000
#: "Saturday January 13,2018 9:24 AM GMT"
DATES = ("%A %B %d,%Y %I:%M %p GMT", "%A %B %d, %Y %I:%M %p GMT", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


def told(entries: Sequence[Entry], texts: Mapping[str, bytes]) -> tuple[dict[str, Said], set[str]]:
    """What is said of each photo, and which files say it."""
    tables = {path: rows for path, text in texts.items() if (rows := _rows(path, text)) is not None}
    details = {path: rows for path, rows in tables.items() if DETAILS.match(path.rpartition("/")[2])}
    if not details:
        return {path: Said(thrown_away=True) for path in _in_bin(entries)}, set()
    albums = {path: rows for path, rows in tables.items() if "/albums/" in f"/{inside(path)}".lower()}
    by_name = _by_name(details)
    in_albums = _in_albums(albums)
    said = {}
    for entry in entries:
        if entry.path in texts:
            continue
        folder = inside(entry.path).rpartition("/")[0]
        called = _names(entry.name)
        found = next((by_name[at, name] for name in called for at in (folder, "") if (at, name) in by_name), NOTHING)
        if names := tuple(sorted({title for name in called for title in in_albums.get(name, ())})):
            found = replace(found, albums=names)
        if found != NOTHING:
            said[entry.path] = found
    said |= {path: Said(thrown_away=True) for path in _in_bin(entries)}
    return said, set(tables)


def _names(name: str) -> list[str]:
    """Its own, and for the film of a live photo that of the picture, which alone is in the tables."""
    stem, _, suffix = name.rpartition(".")
    if suffix.lower() != "mov":
        return [name]
    return [name, *(f"{stem}.{other}" for other in ("HEIC", "heic", "JPG", "jpg", "JPEG", "jpeg"))]


def _in_bin(entries: Sequence[Entry]) -> list[str]:
    return [entry.path for entry in entries if BIN in inside(entry.path).lower().split("/")[:-1]]


def _rows(path: str, text: bytes) -> list[dict[str, str]] | None:
    if not path.lower().endswith(".csv"):
        return None
    try:
        reader = csv.DictReader(io.StringIO(text.decode("utf-8-sig")), restkey="", restval="")
        return [row for _, row in zip(range(MOST_ROWS), reader, strict=False)]
    except (UnicodeDecodeError, csv.Error):
        return None


def _by_name(details: Mapping[str, list[dict[str, str]]]) -> dict[tuple[str, str], Said]:
    """(folder, name) -> what the table beside it says; ("", name) where only one table knows the name."""
    found: dict[tuple[str, str], Said] = {}
    everywhere: dict[str, list[Said]] = defaultdict(list)
    for path, rows in details.items():
        folder = inside(path).rpartition("/")[0]
        for row in rows:
            name = row.get("imgName", "")
            found[folder, name] = _said(row)
            everywhere[name].append(found[folder, name])
    return found | {("", name): said[0] for name, said in everywhere.items() if len(said) == 1}


def _said(row: Mapping[str, str]) -> Said:
    yes = {key: str(row.get(key, "")).strip().lower() == "yes" for key in ("favorite", "deleted")}
    taken = _taken(str(row.get("originalCreationDate", "")))
    return Said(taken=taken, favourite=yes["favorite"], thrown_away=yes["deleted"])


def _taken(text: str) -> datetime | None:
    for form in DATES:
        try:
            found = datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return found if found >= EARLIEST else None
    return None


def _in_albums(tables: Mapping[str, list[dict[str, str]]]) -> dict[str, set[str]]:
    """Name of a photo -> titles of the albums whose table lists it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, rows in tables.items():
        title = path.rpartition("/")[2][: -len(".csv")].strip()[:120]
        for row in rows:
            name = next(iter(row.values()), "")
            if isinstance(name, str) and name and title:
                found[name].add(title)
    return found

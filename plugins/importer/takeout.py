"""Google Takeout: a JSON file beside each photo, whose name follows from the photo's by rules that nobody wrote down.

For ``IMG_1.jpg`` it is ``IMG_1.jpg.json`` or ``IMG_1.jpg.supplemental-metadata.json``, cut so that 46 characters are
left before ``.json``; the number of a second ``IMG_1.jpg`` stands at another place (``IMG_1(1).jpg`` has
``IMG_1.jpg(1).json``, or ``IMG_1(1).jpg.json``); an edited photo (``IMG_1-edited.jpg``) and the film of a live photo
(``IMG_1.MP4`` of ``IMG_1.HEIC``) share that of their original.  The parts of a set are told apart only by their number:
a photo may be in one and its JSON in the next.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plugins.importer.said import Said, moment, place
from plugins.importer.sources import Entry

LONGEST = 46  # characters before ".json"
EXTRA = ".supplemental-metadata"
EDITED = re.compile(
    r"-(edited|bearbeitet|modifié|modifie|editado|editada|modificato|bewerkt|edytowane|redigerad|已修改|編集済み)$",
    re.I,
)
YEAR = re.compile(
    r"^(Photos from|Fotos von|Photos de|Fotos de|Foto del|Foto's van)? ?(19|20)\d\d( ?年?的?照片)?$", re.I
)
DAY = re.compile(r"^\d{4}-\d\d-\d\d( #\d+)?$")  # folders of exports before 2020
NUMBERED = re.compile(r"^(?P<name>.*)\((?P<number>\d{1,4})\)$", re.S)
PART = re.compile(r"^(?P<set>takeout-.+)-(?P<number>\d{3,4})\.(zip|tgz)$", re.I)


def told(entries: Sequence[Entry], texts: Mapping[str, bytes]) -> tuple[dict[str, Said], set[str]]:
    """What is said of each photo, and which files say it."""
    facts = {path: found for path, text in texts.items() if (found := _read(path, text)) is not None}
    photos = {path: found for path, found in facts.items() if "photoTakenTime" in found}
    albums = {inside(path).rpartition("/")[0]: album for path, found in facts.items() if (album := _album(path, found))}
    beside: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for path, found in photos.items():
        folder, _, name = inside(path).rpartition("/")
        beside[folder][name[: -len(".json")]] = found
    said = {}
    for entry in entries:
        folder, _, name = inside(entry.path).rpartition("/")
        found = next((beside[folder][key] for key in names_for(name) if key in beside[folder]), None)
        album = albums.get(folder, "")
        if found is not None or (album and entry.path not in texts):
            said[entry.path] = _said(found or {}, name, album)
    ours = set(photos) | {path for path, found in facts.items() if _is_about_a_folder(found)}
    return said, ours


def inside(path: str) -> str:
    """The path within the set, whichever part the file lies in."""
    before, archive, after = path.partition(".zip/")
    if not archive:
        before, archive, after = path.partition(".tgz/")
    return after if archive else before


def names_for(name: str) -> Iterator[str]:
    """What its JSON file may be called, without ``.json``; the likeliest first."""
    yield from _names(name)
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        return
    number = NUMBERED.match(stem)
    plain = number["name"] if number else stem
    if EDITED.search(plain):
        original = EDITED.sub("", plain) + (f"({number['number']})" if number else "")
        yield from _names(f"{original}.{suffix}")
        stem = original
    if suffix.lower() in ("mp4", "mov", "mp", "jpg", "jpeg"):  # the other half of a live photo
        for other in ("HEIC", "heic", "JPG", "jpg", "JPEG", "jpeg"):
            yield from _names(f"{stem}.{other}")


def _names(name: str) -> Iterator[str]:
    stem, dot, suffix = name.rpartition(".")
    number = NUMBERED.match(stem) if dot else None
    if number:
        whole = f"{number['name']}.{suffix}"
        yield from (f"{key}({number['number']})" for key in _cut(whole))
    yield from _cut(name)


def _cut(name: str) -> Iterator[str]:
    whole = name + EXTRA
    yield from (whole[:length] for length in range(min(LONGEST, len(whole)), len(name), -1))
    yield name
    if len(name) > LONGEST:
        yield name[:LONGEST]
        yield name[: LONGEST - 1]


def _read(path: str, text: bytes) -> dict[str, Any] | None:
    if not path.lower().endswith(".json"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_about_a_folder(found: Mapping[str, Any]) -> bool:
    return isinstance(found.get("title"), str) and "photoTakenTime" not in found and "date" in found


def _album(path: str, found: Mapping[str, Any]) -> str:
    """The title of the album that a folder's JSON makes of it; "" for the folders of years and days."""
    if not _is_about_a_folder(found):
        return ""
    title = " ".join(str(found["title"]).split())[:120]
    folder = inside(path).rpartition("/")[0].rpartition("/")[2]
    return "" if YEAR.match(folder) or DAY.match(title) else title


def _said(found: Mapping[str, Any], name: str, album: str) -> Said:
    albums = (album,) if album else ()
    if not found:
        return Said(albums=albums)
    latitude, longitude = _place(found.get("geoData"))
    if latitude is None:
        latitude, longitude = _place(found.get("geoDataExif"))
    title = found.get("title")
    described = found.get("description")
    return Said(
        taken=_taken(found.get("photoTakenTime")),
        title="" if not isinstance(title, str) or _is_a_name(title, name) else title[:200],
        description=described[:10_000] if isinstance(described, str) else "",
        favourite=found.get("favorited") is True,
        latitude=latitude,
        longitude=longitude,
        albums=albums,
        thrown_away=found.get("trashed") is True,
    )


def _is_a_name(title: str, name: str) -> bool:
    """The title is nearly always the file's own name, which nobody has to be told."""
    return "." in title[-6:] or title == name or title.partition(".")[0] == name.partition(".")[0]


def _taken(told: object) -> Any:
    try:
        return moment(float(told["timestamp"]))  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return None


def _place(told: object) -> tuple[float | None, float | None]:
    if not isinstance(told, Mapping):
        return None, None
    return place(told.get("latitude"), told.get("longitude"))


def missing_parts(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The parts that a set ought to have, as far as numbers tell: those below the highest that is there."""
    sets: dict[str, set[int]] = defaultdict(set)
    named: dict[str, str] = {}
    for archive in {entry.archive for entry in entries if entry.archive}:
        if part := PART.match(archive.rpartition("/")[2]):
            sets[part["set"]].add(int(part["number"]))
            named[part["set"]] = archive.rpartition(".")[2]
    gaps = []
    for which, numbers in sets.items():
        gaps += [f"{which}-{n:03d}.{named[which]}" for n in range(1, max(numbers)) if n not in numbers]
    return tuple(sorted(gaps)[:20])

"""The file beside a photo that says what people say of it: XMP, as Lightroom, digiKam and darktable read it.

``IMG_1.jpg.xmp`` holds ``dc:title``, ``dc:description``, ``dc:subject`` and ``xmp:Rating``; where somebody said when or
where, ``exif:DateTimeOriginal``, ``photoshop:DateCreated`` and ``exif:GPSLatitude``; what XMP has no word for is in our
own namespace.  What other programs have put into it stays, property by property (``xmp``).  Text in, text out; nothing
is opened here.
"""

from dataclasses import dataclass

from blake3 import blake3

from appliance.errors import Invalid
from appliance.library import xmp, xmp_origin
from appliance.library.names import LONGEST
from appliance.library.notes import BEST, MOST_TAGS, Change, Notes, checked
from appliance.library.origins import NOT_SAID, Origin
from appliance.library.xmp import DC, EXIF, OURS, PHOTOSHOP, XMP, Document, NotReadable

SUFFIX = b".xmp"
_TITLE, _DESCRIPTION, _SUBJECT = f"{{{DC}}}title", f"{{{DC}}}description", f"{{{DC}}}subject"
_RATING, _FAVOURITE, _SHARED, _GROUPING, _DIGEST = (
    f"{{{XMP}}}Rating",
    f"{{{OURS}}}favourite",
    f"{{{OURS}}}shared",
    f"{{{OURS}}}grouping",
    f"{{{OURS}}}blake3",
)
_TAKEN, _CREATED = f"{{{EXIF}}}DateTimeOriginal", f"{{{PHOTOSHOP}}}DateCreated"
_LATITUDE, _LONGITUDE = f"{{{EXIF}}}GPSLatitude", f"{{{EXIF}}}GPSLongitude"


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar says.  ``digest``: of the photo that it was written for; None when another program wrote it."""

    change: Change
    digest: bytes | None
    origin: Origin = NOT_SAID


def name_for(photo: bytes) -> bytes:
    """The sidecar's name; of a photo whose name leaves no room for the suffix, a shorter one that is its own."""
    if len(photo) + len(SUFFIX) <= LONGEST:
        return photo + SUFFIX
    stem = photo[:200].decode("utf-8", "ignore").encode()
    return stem + b"~" + blake3(photo).hexdigest()[:8].encode() + SUFFIX


def names_for(photo: bytes) -> tuple[bytes, ...]:
    """Where other programs put theirs: ours first, then ``IMG_1.xmp``."""
    stem, dot, _ = photo.rpartition(b".")
    return (name_for(photo), stem + SUFFIX) if dot and stem else (name_for(photo),)


def read(text: bytes) -> Sidecar:
    """What it says; of what it does not say the change is None.  Raises NotReadable."""
    found = dict(xmp.parse(text).properties())
    digest = _digest(found.get(_DIGEST))
    ours = digest is not None  # then what is missing was taken away on purpose
    rating = _rating(found.get(_RATING))
    said = Change(
        title=_first(found.get(_TITLE), ours),
        description=_first(found.get(_DESCRIPTION), ours),
        favourite=_flag(found.get(_FAVOURITE), ours),
        rating=max(0, rating) if rating is not None else (0 if ours else None),
        shared=_flag(found.get(_SHARED), ours),
        grouping=_first(found.get(_GROUPING), ours),
        tags=tuple(found[_SUBJECT][:MOST_TAGS]) if _SUBJECT in found else (() if ours else None),
    )
    try:
        return Sidecar(checked(said), digest, _origin(found))
    except Invalid as error:
        raise NotReadable(str(error)) from None


def written(notes: Notes, digest: bytes | None, before: bytes | None = None, origin: Origin = NOT_SAID) -> bytes:
    """The sidecar's text; what ``before`` holds of other programs stays.  One that cannot be read is written anew."""
    document = xmp.empty()
    if before is not None:
        try:
            document = xmp.parse(before)
        except NotReadable:
            document = xmp.empty()
    said = document.texts()
    if said.get(_TITLE, "") != notes.title:
        document.put_translated(_TITLE, notes.title)
    if said.get(_DESCRIPTION, "") != notes.description:
        document.put_translated(_DESCRIPTION, notes.description)
    document.put_bag(_SUBJECT, notes.tags)
    rating = _rating([said[_RATING]] if _RATING in said else None)
    if max(0, rating or 0) != notes.rating:  # -1 means rejected: theirs, and for us no stars
        document.put(_RATING, str(notes.rating) if notes.rating else "")
    document.put(_FAVOURITE, "True" if notes.favourite else "")
    document.put(_SHARED, "True" if notes.shared else "")
    document.put(_GROUPING, notes.grouping)
    _put_origin(document, origin, is_anothers=_digest([said.get(_DIGEST, "")]) not in (None, digest))
    document.put(_DIGEST, digest.hex() if digest else "")
    return xmp.serialised(document)


def _first(values: list[str] | None, ours: bool) -> str | None:
    return values[0] if values else ("" if ours else None)


def _flag(values: list[str] | None, ours: bool) -> bool | None:
    return values[0].strip().lower() in ("true", "1") if values else (False if ours else None)


def _rating(values: list[str] | None) -> int | None:
    try:
        return min(BEST, round(float(values[0]))) if values else None
    except (ValueError, OverflowError):
        return None


def _digest(values: list[str] | None) -> bytes | None:
    try:
        digest = bytes.fromhex(values[0]) if values else b""
    except ValueError:
        return None
    return digest if len(digest) == 32 else None


def _origin(found: dict[str, list[str]]) -> Origin:
    """Half a place is none."""
    said = {name: values[0] for name, values in found.items() if values}
    taken = xmp_origin.moment(said.get(_TAKEN)) or xmp_origin.moment(said.get(_CREATED))
    latitude = xmp_origin.degrees(said.get(_LATITUDE), 90)
    longitude = xmp_origin.degrees(said.get(_LONGITUDE), 180)
    return Origin(taken) if latitude is None or longitude is None else Origin(taken, latitude, longitude)


def _put_origin(document: Document, origin: Origin, *, is_anothers: bool) -> None:
    """When and where; ``is_anothers``: what stands there was said of other bytes, and goes."""
    if origin.taken is not None or is_anothers:
        for name in (_TAKEN, _CREATED):
            document.put(name, origin.taken.isoformat() if origin.taken else "")
    place = ((_LATITUDE, origin.latitude, "NS"), (_LONGITUDE, origin.longitude, "EW"))
    for name, value, letters in place:
        if value is not None or is_anothers:
            document.put(name, "" if value is None else xmp_origin.as_text(value, *letters))

"""The file beside a photo that says what people say of it: XMP, as Lightroom, digiKam and darktable read it.

``IMG_1.jpg.xmp`` holds ``dc:title``, ``dc:description``, ``dc:subject`` and ``xmp:Rating``; where somebody said when or
where, ``exif:DateTimeOriginal``, ``photoshop:DateCreated`` and ``exif:GPSLatitude``; what XMP has no word for is in our
own namespace.  Format: ISO 16684-1 ("XMP Specification Part 1").  Text in, text out; nothing is opened here.

A sidecar may come from anybody: no document type, no entities, bounded in size and depth.  What other programs have
put into it stays, property by property.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from xml.etree.ElementTree import Element, SubElement, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from blake3 import blake3

from appliance.errors import Invalid
from appliance.library import xmp_origin
from appliance.library.names import LONGEST
from appliance.library.notes import BEST, MOST_TAGS, Change, Notes, checked
from appliance.library.origins import NOT_SAID, Origin

SUFFIX = b".xmp"
LARGEST = 1 << 20  # bytes
DEEPEST, MOST_ELEMENTS = 40, 20_000
RDF, DC, XMP, XML = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/xap/1.0/",
    "http://www.w3.org/XML/1998/namespace",
)
META, OURS = "adobe:ns:meta/", "https://everpx.com/ns/photo/1/"
EXIF, PHOTOSHOP = "http://ns.adobe.com/exif/1.0/", "http://ns.adobe.com/photoshop/1.0/"
PREFIXES = {META: "x", RDF: "rdf", DC: "dc", XMP: "xmp", OURS: "everpx", XML: "xml"}
WHEN_USED = {EXIF: "exif", PHOTOSHOP: "photoshop"}
_PREFIX = re.compile(r"[A-Za-z_][\w.-]*")
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
_ABOUT, _LI, _LANG = f"{{{RDF}}}about", f"{{{RDF}}}li", f"{{{XML}}}lang"
_NAMELESS = {name: f"{{{RDF}}}{name}" for name in ("RDF", "Description", "Alt", "Bag", "Seq")}


class NotReadable(ValueError):
    """It is no sidecar, or not one that anybody should read."""


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
    found = dict(_properties(_parse(text).tree))
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
    document = _empty()
    if before is not None:
        try:
            document = _parse(before)
        except NotReadable:
            document = _empty()
    described = _description(document.tree)
    said = _text_properties(document.tree)
    if said.get(_TITLE, "") != notes.title:
        _set(document.tree, described, _TITLE, "Alt", (notes.title,) if notes.title else ())
    if said.get(_DESCRIPTION, "") != notes.description:
        _set(document.tree, described, _DESCRIPTION, "Alt", (notes.description,) if notes.description else ())
    _set(document.tree, described, _SUBJECT, "Bag", notes.tags)
    rating = _rating([said[_RATING]] if _RATING in said else None)
    if max(0, rating or 0) != notes.rating:  # -1 means rejected: theirs, and for us no stars
        _set_text(document.tree, described, _RATING, str(notes.rating) if notes.rating else "")
    _set_text(document.tree, described, _FAVOURITE, "True" if notes.favourite else "")
    _set_text(document.tree, described, _SHARED, "True" if notes.shared else "")
    _set_text(document.tree, described, _GROUPING, notes.grouping)
    _set_origin(document.tree, described, origin, is_anothers=_digest([said.get(_DIGEST, "")]) not in (None, digest))
    _set_text(document.tree, described, _DIGEST, digest.hex() if digest else "")
    return _serialised(document)


# ---- reading


@dataclass(frozen=True)
class _Document:
    tree: Element
    prefixes: dict[str, str]  # namespace -> prefix, as its author wrote them


def _empty() -> _Document:
    tree = Element(f"{{{META}}}xmpmeta")
    SubElement(SubElement(tree, _NAMELESS["RDF"]), _NAMELESS["Description"], {_ABOUT: ""})
    return _Document(tree, {})


def _parse(text: bytes) -> _Document:
    """The document, by expat itself: document types and entities end it.  Raises NotReadable."""
    if len(text) > LARGEST:
        raise NotReadable("too large")
    builder, prefixes = TreeBuilder(), dict[str, str]()
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > DEEPEST or elements > MOST_ELEMENTS:
            raise NotReadable("too deep")
        builder.start(_clark(name), {_clark(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_clark(name))

    def refuse(*_: object) -> None:
        raise NotReadable("a document type")

    def namespace(prefix: str | None, uri: str | None) -> None:
        if prefix and uri and uri not in prefixes and prefix not in prefixes.values():
            prefixes[uri] = prefix

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartNamespaceDeclHandler = namespace
    try:
        parser.Parse(text.rstrip(b"\0 \t\r\n"), True)
        tree = builder.close()
    except (expat.ExpatError, AssertionError, UnicodeError, LookupError) as error:
        raise NotReadable(str(error)) from None
    if tree.tag not in (f"{{{META}}}xmpmeta", f"{{{META}}}xapmeta", _NAMELESS["RDF"]):
        raise NotReadable("no XMP")
    return _Document(tree, prefixes)


def _clark(name: str) -> str:
    """expat's ``uri local`` as ``{uri}local``."""
    uri, space, local = name.rpartition(" ")
    return f"{{{uri}}}{local}" if space else local


def _descriptions(tree: Element) -> Iterator[Element]:
    for rdf in tree.iter(_NAMELESS["RDF"]):
        yield from rdf.findall(_NAMELESS["Description"])


def _description(tree: Element) -> Element:
    """Where new properties go."""
    found = next(_descriptions(tree), None)
    if found is not None:
        return found
    rdf = next(tree.iter(_NAMELESS["RDF"]), None)
    if rdf is None:
        rdf = SubElement(tree, _NAMELESS["RDF"])
    return SubElement(rdf, _NAMELESS["Description"], {_ABOUT: ""})


def _properties(tree: Element) -> Iterator[tuple[str, list[str]]]:
    """Each property with its values, whether it is written as an attribute or as an element."""
    for described in _descriptions(tree):
        yield from ((name, [value]) for name, value in described.attrib.items() if name != _ABOUT)
        for element in described:
            listed = [item for item in element.iter(_LI)]
            listed.sort(key=lambda item: item.get(_LANG, "x-default") != "x-default")
            yield element.tag, [item.text or "" for item in listed] if listed else [element.text or ""]


def _text_properties(tree: Element) -> dict[str, str]:
    return {name: values[0].strip() for name, values in _properties(tree) if values}


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


# ---- writing


def _set_origin(tree: Element, described: Element, origin: Origin, *, is_anothers: bool) -> None:
    """When and where; ``is_anothers``: what stands there was said of other bytes, and goes."""
    if origin.taken is not None or is_anothers:
        for name in (_TAKEN, _CREATED):
            _set_text(tree, described, name, origin.taken.isoformat() if origin.taken else "")
    place = ((_LATITUDE, origin.latitude, "NS"), (_LONGITUDE, origin.longitude, "EW"))
    for name, value, letters in place:
        if value is not None or is_anothers:
            _set_text(tree, described, name, "" if value is None else xmp_origin.as_text(value, *letters))


def _set(tree: Element, described: Element, name: str, container: str, values: tuple[str, ...]) -> None:
    """A property that is a list: of words, or of the same text in several languages."""
    _drop(tree, name)
    if not values:
        return
    listed = SubElement(SubElement(described, name), _NAMELESS[container])
    for value in values:
        item = SubElement(listed, _LI, {_LANG: "x-default"} if container == "Alt" else {})
        item.text = value


def _set_text(tree: Element, described: Element, name: str, value: str) -> None:
    _drop(tree, name)
    if value:
        SubElement(described, name).text = value


def _drop(tree: Element, name: str) -> None:
    for described in _descriptions(tree):
        described.attrib.pop(name, None)
        for element in described.findall(name):
            described.remove(element)


def _serialised(document: _Document) -> bytes:
    """XML with every namespace named at the top, and the marks by which XMP is found in a file."""
    prefixes = dict(PREFIXES)
    names = {name for element in document.tree.iter() for name in (element.tag, *element.attrib)}
    prefixes |= {uri: prefix for uri, prefix in WHEN_USED.items() if any(uri in name for name in names)}
    for element in document.tree.iter():
        for name in (element.tag, *element.attrib):
            _name_space(name, prefixes, document.prefixes)
    for element in document.tree.iter():  # as people would write it
        if len(element):
            element.text = element.tail = None
        else:
            element.tail = None
    top = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in prefixes.items() if uri != XML)
    body = "\n".join(_lines(document.tree, prefixes, 0, top))
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{body}\n<?xpacket end="w"?>\n'.encode()


def _name_space(name: str, prefixes: dict[str, str], theirs: dict[str, str]) -> None:
    uri = name[1:].rpartition("}")[0] if name.startswith("{") else ""
    if not uri or uri in prefixes:
        return
    wished = theirs.get(uri, "")
    taken = prefixes.values()
    usable = _PREFIX.fullmatch(wished) and not wished.lower().startswith("xml") and wished not in taken
    prefixes[uri] = wished if usable else next(p for n in count(1) if (p := f"n{n}") not in taken)


def _lines(element: Element, prefixes: dict[str, str], depth: int, more: str = "") -> Iterator[str]:
    tag, indent = _named(element.tag, prefixes), " " * depth
    attributes = "".join(f" {_named(key, prefixes)}={quoteattr(value)}" for key, value in element.attrib.items())
    if len(element):
        yield f"{indent}<{tag}{more}{attributes}>"
        for child in element:
            yield from _lines(child, prefixes, depth + 1)
        yield f"{indent}</{tag}>"
    elif element.text:
        yield f"{indent}<{tag}{more}{attributes}>{escape(element.text)}</{tag}>"
    else:
        yield f"{indent}<{tag}{more}{attributes}/>"


def _named(name: str, prefixes: dict[str, str]) -> str:
    if not name.startswith("{"):
        return name
    uri, _, local = name[1:].rpartition("}")
    return f"{prefixes[uri]}:{local}"

"""An XMP document: read with every care, changed property by property, and written as people would.

Format: ISO 16684-1 ("XMP Specification Part 1").  It may come from anybody: no document type, no entities, bounded in
size and depth.  What is in it and nobody here knows stays as it is.  Text in, text out; nothing is opened here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from xml.etree.ElementTree import Element, SubElement, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

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
_ABOUT, _LI, _LANG = f"{{{RDF}}}about", f"{{{RDF}}}li", f"{{{XML}}}lang"
_NAMELESS = {name: f"{{{RDF}}}{name}" for name in ("RDF", "Description", "Alt", "Bag", "Seq")}


class NotReadable(ValueError):
    """It is no XMP, or not one that anybody should read."""


@dataclass(frozen=True)
class Document:
    """Properties by their full names, ``{namespace}title``."""

    tree: Element
    prefixes: dict[str, str]  # namespace -> prefix, as its author wrote them

    def properties(self) -> Iterator[tuple[str, list[str]]]:
        """Each property with its values, whether it is written as an attribute or as an element."""
        for described in _descriptions(self.tree):
            yield from ((name, [value]) for name, value in described.attrib.items() if name != _ABOUT)
            for element in described:
                listed = [item for item in element.iter(_LI)]
                listed.sort(key=lambda item: item.get(_LANG, "x-default") != "x-default")
                yield element.tag, [item.text or "" for item in listed] if listed else [element.text or ""]

    def texts(self) -> dict[str, str]:
        """The first value of each property."""
        return {name: values[0].strip() for name, values in self.properties() if values}

    def put(self, name: str, value: str) -> None:
        """A property that is one text; an empty one goes."""
        self._drop(name)
        if value:
            SubElement(_description(self.tree), name).text = value

    def put_bag(self, name: str, values: tuple[str, ...]) -> None:
        """A property that is a list of words."""
        self._put_listed(name, "Bag", values, {})

    def put_translated(self, name: str, value: str) -> None:
        """A property that has a text for each language; ours is the one for all."""
        self._put_listed(name, "Alt", (value,) if value else (), {_LANG: "x-default"})

    def _put_listed(self, name: str, container: str, values: tuple[str, ...], attributes: dict[str, str]) -> None:
        self._drop(name)
        if not values:
            return
        listed = SubElement(SubElement(_description(self.tree), name), _NAMELESS[container])
        for value in values:
            SubElement(listed, _LI, attributes).text = value

    def _drop(self, name: str) -> None:
        for described in _descriptions(self.tree):
            described.attrib.pop(name, None)
            for element in described.findall(name):
                described.remove(element)


def empty() -> Document:
    """One that says nothing."""
    tree = Element(f"{{{META}}}xmpmeta")
    SubElement(SubElement(tree, _NAMELESS["RDF"]), _NAMELESS["Description"], {_ABOUT: ""})
    return Document(tree, {})


def parse(text: bytes) -> Document:
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
    return Document(tree, prefixes)


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


def serialised(document: Document) -> bytes:
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

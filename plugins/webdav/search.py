"""Questions over many files at once: SEARCH by properties (RFC 5323), and Nextcloud's list of favourites.

What the rows answer is asked of the rows; each hit is looked for on its drive before it is told.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, true

from appliance.drives.layout import FAMILY
from appliance.library.catalogue import below, is_family, joined
from appliance.library.models import Folder, Media, MediaKind, StoredFile
from console.devices import owner
from console.station import station
from plugins.webdav.names import shown
from plugins.webdav.tree import Parts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST = 1000
DAV, OC = "{DAV:}", "{http://owncloud.org/ns}"
KINDS = {"image": MediaKind.PHOTO, "video": MediaKind.VIDEO}
Condition = ColumnElement[bool]


def serve() -> ResponseReturnValue:
    """A SEARCH at ``/remote.php/dav/``."""
    if request.method == "OPTIONS":
        return "", 200, {"DAV": "1, 2", "DASL": "<DAV:basicsearch>"}
    question = _question()
    if request.method != "SEARCH" or question is None or (asked := question.find(f"{DAV}basicsearch")) is None:
        return "", 400 if request.method == "SEARCH" else 405
    where = asked.find(f"{DAV}where")
    limit = asked.find(f"{DAV}limit/{DAV}nresults")
    count = int(limit.text) if limit is not None and (limit.text or "").isdigit() and limit.text else MOST
    conditions = [_condition(one) for one in where] if where is not None else []
    newest = StoredFile.modified_ns.desc()
    found = _paths(and_(true(), *conditions), newest, min(count, MOST))
    return _told(found, [prop.tag for prop in asked.iterfind(f"{DAV}select/{DAV}prop/*")])


def report(share: str, path: str) -> ResponseReturnValue:
    """``oc:filter-files``: of its rules, that about favourites."""
    question = _question()
    if question is None or question.tag != f"{OC}filter-files":
        return "", 400
    rule = question.find(f"{OC}filter-rules/{OC}favorite")
    wanted = Media.favourite.is_(True) if rule is not None and (rule.text or "").strip() == "1" else false()
    found = _paths(wanted, StoredFile.modified_ns.desc(), MOST)
    return _told(found, [prop.tag for prop in question.iterfind(f"{DAV}prop/*")])


def _question() -> "Element | None":
    from wsgidav.dav_error import DAVError
    from wsgidav.util import parse_xml_body

    try:
        found: Element | None = parse_xml_body(
            {"wsgi.input": request.stream, "CONTENT_LENGTH": str(request.content_length or 0)}, allow_empty=True
        )
    except DAVError:
        return None
    return found


def _paths(where: Condition, order: ColumnElement[Any], most: int) -> list[Parts]:
    """Where the files are that the rows name, in the person's tree: their own folder and the family's."""
    top, family = owner().folder.encode(), FAMILY.encode()
    asked = (
        select(Folder.path, StoredFile.name)
        .join(Folder, Folder.id == StoredFile.folder_id)
        .outerjoin(Media, Media.file_id == StoredFile.id)
        .where(or_(below(top), below(family)), where)
        .order_by(order)
        .limit(most)
    )
    with station().db.reading() as session:
        rows = session.execute(asked).all()
    paths = (joined(folder, name) for folder, name in rows)
    names = (shown(path if is_family(path) else path[len(top) + 1 :]) for path in paths)
    return [tuple(name.split("/")) for name in names if name]


def _told(found: Sequence[Parts], names: list[str]) -> ResponseReturnValue:
    from wsgidav.util import add_property_response
    from wsgidav.xml_tools import make_multistatus_el, xml_to_bytes

    from plugins.webdav.views import provider_of

    provider = provider_of(owner(), f"/remote.php/dav/files/{owner().name}")
    environ = {"wsgidav.provider": provider, "wsgidav.config": {}}
    answer = make_multistatus_el()
    for parts in found:
        if (resource := provider.get_resource_inst("/" + "/".join(parts), environ)) is not None:
            add_property_response(answer, resource.get_href(), resource.get_properties("named", name_list=names))
    return Response(xml_to_bytes(answer, pretty=False), 207, content_type="application/xml; charset=utf-8")


def _condition(element: "Element") -> Condition:
    """One condition and what it is made of; what nobody here knows matches nothing."""
    made = _JOINTS.get(element.tag)
    if made is not None:
        return made([_condition(one) for one in element])
    prop = element.find(f"{DAV}prop/*")
    literal = (element.findtext(f"{DAV}literal") or "").strip()
    if prop is None:
        return true() if element.tag == f"{DAV}is-collection" else false()
    return _compared(prop.tag, element.tag.removeprefix(DAV), literal)


_JOINTS: dict[str, Callable[[list[Condition]], Condition]] = {
    f"{DAV}and": lambda all_of: and_(true(), *all_of),
    f"{DAV}or": lambda any_of: or_(false(), *any_of),
    f"{DAV}not": lambda none_of: not_(or_(false(), *none_of)),
    f"{DAV}is-collection": lambda _: false(),
}


def _compared(prop: str, how: str, literal: str) -> Condition:
    if prop == f"{DAV}displayname":
        name = func.cast(StoredFile.name, _text())
        return name.ilike(literal) if how == "like" else name == literal
    if prop == f"{DAV}getcontenttype":
        kind = KINDS.get(literal.partition("/")[0])
        return Media.kind == kind if kind else false()
    if prop == f"{OC}favorite":
        return Media.favourite.is_(literal == "1")
    if prop == f"{OC}fileid":
        return StoredFile.id == int(literal) // 2 if literal.isdigit() and int(literal) % 2 == 0 else false()
    if prop == f"{DAV}getlastmodified" or prop.endswith("}upload_time"):
        return _dated(how, literal)
    if prop == f"{OC}size" and literal.isdigit():
        return _ordered(StoredFile.size, how, int(literal))
    return true() if prop == f"{OC}owner-id" else false()


def _dated(how: str, literal: str) -> Condition:
    from datetime import datetime

    from plugins.webdav.resources import BadDate, moment_in

    try:
        moment = (
            moment_in(literal) if not literal[:4].isdigit() or "-" not in literal else datetime.fromisoformat(literal)
        )
    except (BadDate, ValueError):
        return false()
    return _ordered(StoredFile.modified_ns, how, int(moment.timestamp()) * 1_000_000_000)


def _ordered(column: Any, how: str, value: int) -> Condition:
    ways = {"gt": column > value, "gte": column >= value, "lt": column < value, "lte": column <= value}
    made: Condition = ways.get(how, column == value)
    return made


def _text() -> Any:
    from sqlalchemy import Text

    return Text()
